"""API Gateway's address in a region: which API, stage and route a request comes to. (REST APIs are not followed.)"""

from __future__ import annotations

from collections.abc import Mapping

from kunren.control.store import Snapshot
from kunren.dataplane.apis.front import below
from kunren.services.apigatewayv2.domains.model import ApiMapping, DomainName
from kunren.services.apigatewayv2.model import DEFAULT, Api, Content, Deployment, Stage
from kunren.services.apigatewayv2.routing import RouteTable
from kunren.trace.course import Course
from kunren.trace.model import ANSWER, CONNECTED, REFUSED, Step

STAGE = "api"
_Found = tuple[Api, Stage | None, str, str]
"""An API, its stage, what remains of the path, and why it is that one."""


def of_region(course: Course, region: str) -> Step:
    """The one step of a request that reached the address."""
    request = course.request
    if request.port != 443 or request.transport != "tcp":
        return course.ended(STAGE, "none", "API Gateway answers at port 443 alone", outcome=REFUSED)
    if request.is_flow or request.scheme != "https":
        return course.ended(STAGE, f"API Gateway in {region}", "its address takes every connection", outcome=CONNECTED)
    host = request.host_header.partition(":")[0].lower()
    found = _by_domain(course.snapshot, region, host, request.path) or _by_name(
        course.snapshot, region, host, request.path
    )
    if found is None:
        because = f"no HTTP API and no custom domain of {region} has the host {host} and that path"
        return course.ended(STAGE, f"API Gateway in {region}", because, unsure="a REST API may have it")
    return _routed(course, *found)


def _by_domain(snapshot: Snapshot, region: str, host: str, path: str) -> _Found | None:
    for name in (host, f"*.{host.partition('.')[2]}"):
        for domain in (each for each in snapshot.every(DomainName) if (each.region, each.id) == (region, name)):
            mappings = [each for each in snapshot.list(ApiMapping, domain.account, region) if each.domain == domain.id]
            for mapping in sorted(mappings, key=lambda each: -len(each.key_path)):
                rest = below(path, mapping.key_path)
                api = snapshot.get(Api, domain.account, region, mapping.api_id)
                if rest is not None and api is not None:
                    stage = snapshot.get(Stage, api.account, region, f"{api.id}/{mapping.stage}")
                    return api, stage, rest, f"the domain name {name} maps /{mapping.key_path} to it"
    return None


def _by_name(snapshot: Snapshot, region: str, host: str, path: str) -> _Found | None:
    id, _, rest = host.partition(".")
    if rest != f"execute-api.{region}.amazonaws.com":
        return None
    for api in (each for each in snapshot.every(Api) if (each.region, each.id) == (region, id)):
        first, slash, behind = path[1:].partition("/")
        stage = snapshot.get(Stage, api.account, region, f"{id}/{first}") if first != DEFAULT else None
        if stage is not None:
            return api, stage, slash + behind or "/", "the host is its own name"
        return api, snapshot.get(Stage, api.account, region, f"{id}/{DEFAULT}"), path, "the host is its own name"
    return None


def _routed(course: Course, api: Api, stage: Stage | None, path: str, why: str) -> Step:
    content = _deployed(course.snapshot, stage)
    name = f"API {api.config['Name']}"
    if stage is None or content is None:
        return course.ended(STAGE, name, f"{why}; it has no stage there", outcome=ANSWER, statuses=(404,))
    chosen = RouteTable(content.routes).choose(course.request.method, path)
    if chosen is None:
        because = f"{why}; no route of stage {stage.own_id} fits {course.request.method} {path}"
        return course.ended(STAGE, name, because, outcome=ANSWER, statuses=(404,))
    authorization = chosen.config["AuthorizationType"]
    guarded = "" if authorization == "NONE" else f", guarded by {authorization}"
    because = f"{why}; of stage {stage.own_id} the most specific route that fits {course.request.method} {path}"
    leads = _asked(content.integrations.get(chosen.config.get("Target", "").partition("/")[2], {}))
    return course.ended(
        STAGE, f"{name}, route {chosen.config['RouteKey']} → {leads}{guarded}", because, outcome=ANSWER,
        unsure="what is behind the route answers",
    )  # fmt: skip


def _deployed(snapshot: Snapshot, stage: Stage | None) -> Content | None:
    if stage is None:
        return None
    found = snapshot.get(Deployment, stage.account, stage.region, f"{stage.api_id}/{stage.deployment}")
    return found.content if found is not None else None


def _asked(integration: Mapping[str, str]) -> str:
    return integration.get("IntegrationSubtype") or integration.get("IntegrationUri") or "nothing"
