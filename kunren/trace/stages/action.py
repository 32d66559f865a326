"""The action: what the load balancer answers itself, or which target group gets the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.elbv2 import jwt_validation, words
from kunren.services.elbv2.authentication import CALLBACK, OIDC, config_of
from kunren.services.elbv2.model import Listener, TargetGroup
from kunren.services.elbv2.redirection import location
from kunren.services.elbv2.transforms import HOST, HOST_NAME, URL, rewrite_of, rewritten
from kunren.trace.course import Course
from kunren.trace.model import ANSWER, Considered, Step
from kunren.trace.stages.stickiness import sticky_group

STAGE = "action"


def stage(course: Course) -> Step | None:
    rule, listener = course.rule, course.listener
    assert rule is not None and listener is not None
    last = rule.actions[-1]
    login = config_of(rule.actions)
    if login is not None and (step := _login(course, login)) is not None:
        return step
    tokens = jwt_validation.config_of(rule.actions)
    if tokens is not None:
        return _token(course, tokens)
    match last["Type"]:
        case "redirect":
            return _redirect(course, listener, last["RedirectConfig"])
        case "fixed-response":
            config = last["FixedResponseConfig"]
            return course.ended(
                STAGE, words.action(last), "the load balancer answers itself", outcome=ANSWER,
                statuses=(int(config["StatusCode"]),), answered_by="load balancer",
            )  # fmt: skip
        case "forward":
            return _transformed(course, _forward(course, listener, last))
        case other:
            why = f"what {other} does is not traced yet"
            return course.ended(STAGE, str(other), why, unsure=why)


def _login(course: Course, config: Mapping[str, Any]) -> Step | None:
    """What an authenticate-oidc action does; None: the request goes on to the next action."""
    name, does = config["SessionCookieName"], config["OnUnauthenticatedRequest"]
    if course.request.path == CALLBACK or name in (course.asked().header("cookie") or ""):
        why = f"whether the session in the cookie {name} is good, or the provider's answer, is sealed"
        return course.ended(STAGE, OIDC, why, unsure=why)
    why = f"no session cookie {name} was sent, and unauthenticated requests are to {does}"
    if does == "allow":
        return None
    if does == "deny":
        return course.ended(STAGE, "401", why, outcome=ANSWER, statuses=(401,), answered_by="load balancer")
    chosen = f"redirect 302 to {config['AuthorizationEndpoint']}"
    return course.ended(STAGE, chosen, why, outcome=ANSWER, statuses=(302,), answered_by="load balancer")


def _token(course: Course, config: Mapping[str, Any]) -> Step:
    """What a jwt-validation action does."""
    if course.asked().header("authorization") is None:
        why = "no Authorization header was sent, and the rule wants a bearer token"
        return course.ended(STAGE, "401", why, outcome=ANSWER, statuses=(401,), answered_by="load balancer")
    why = f"whether the token is good is for the keys of {config['JwksEndpoint']} to say"
    return course.ended(STAGE, jwt_validation.JWT, why, unsure=why)


def _redirect(course: Course, listener: Listener, config: Mapping[str, Any]) -> Step:
    status = int(config["StatusCode"].removeprefix("HTTP_"))
    where = location(config, protocol=listener.protocol, port=listener.port, asked=course.asked())
    kept = [part for part in ("host", "port", "path", "query") if "#{" + part + "}" in str(config[part.capitalize()])]
    because = f"the rule redirects; taken over from the request: {', '.join(kept) or 'nothing'}"
    return course.ended(
        STAGE, f"redirect {status} to {where}", because, outcome=ANSWER, statuses=(status,), location=where,
        answered_by="load balancer",
    )  # fmt: skip


def _transformed(course: Course, step: Step) -> Step:
    """What the rule's transforms make of a request that goes on to a target."""
    assert course.rule is not None
    if step.ends or not course.rule.transforms:
        return step
    asked, target = course.asked(), course.request.target
    said = []
    for kind, name, text in ((URL, "URL", target), (HOST, "host", asked.domain)):
        rewrite = rewrite_of(course.rule.transforms, kind)
        if rewrite is not None:
            made = rewritten(rewrite, text)
            said.append(
                f"the {name} becomes {made}" if made is not None else f"the {name} stays: {rewrite[0]} is not in it"
            )
            if made is not None and not (made.startswith("/") if kind == URL else HOST_NAME.fullmatch(made)):
                why = f"a transform of the rule makes {made!r} of the {name}, which is none"
                return course.ended(
                    STAGE, "500", why, step.considered, outcome=ANSWER, statuses=(500,), answered_by="load balancer"
                )  # fmt: skip
    because = "; ".join([step.because, *said])
    return Step(stage=STAGE, chosen=step.chosen, because=because, considered=step.considered)


def _forward(course: Course, listener: Listener, action: Mapping[str, Any]) -> Step:
    shares = words.shares(action)
    found = {arn: course.snapshot.get(TargetGroup, listener.account, listener.region, arn) for arn, _ in shares}
    groups = [(group, weight) for arn, weight in shares if (group := found[arn]) is not None]
    total = sum(weight for _, weight in groups)
    considered = tuple(
        Considered(
            what=f"target group {group.name}",
            taken=weight > 0,
            because=f"weight {weight} of {total} ({words.percent(weight, total)})" if len(groups) > 1 else "",
        )
        for group, weight in groups
    )
    if not total:
        return course.ended(
            STAGE, "503", "every target group of the rule has weight 0", considered, outcome=ANSWER, statuses=(503,),
            answered_by="load balancer",
        )  # fmt: skip
    config = action.get("ForwardConfig") or {}
    if (config.get("TargetGroupStickinessConfig") or {}).get("Enabled") and len(groups) > 1:
        kept = sticky_group(listener, [group for group, weight in groups if weight], course.asked())
        if kept is not None:
            course.groups = ((kept, 1.0),)
            because = "the AWSALBTG cookie keeps this client with it (until it is older than the rule's duration)"
            return Step(stage=STAGE, chosen=f"forward to {kept.name}", because=because, considered=considered)
    course.groups = tuple((group, weight / total) for group, weight in groups if weight)
    if len(course.groups) == 1:
        because = "it is the rule's only target group" if len(groups) == 1 else "it is the only one with weight"
        chosen = f"forward to {course.groups[0][0].name}"
        return Step(stage=STAGE, chosen=chosen, because=because, considered=considered)
    chosen = " or ".join(f"{group.name} ({words.percent(share, 1)})" for group, share in course.groups)
    because = "drawn for each request by the weights"
    return Step(stage=STAGE, chosen=f"forward to {chosen}", because=because, considered=considered)
