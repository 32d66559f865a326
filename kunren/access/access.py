"""Strict mode's two links in the chain of every request, and what endpoints beside AWS's API ask for.

`verify` finds out who signed, `authorize` whether policies let them. What Kunren does by itself never comes this way:
its services call each other inside (`gateway/inside.py`), and the edge signs as CloudFront (`Gateway.acting`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from kunren.access import presented as signed
from kunren.access.actions import Asked, Target, asked
from kunren.access.chunks import check_pieces
from kunren.access.containers import ecs_facts
from kunren.access.documents import wrong_with
from kunren.access.facts import Facts, facts_of, facts_of_service
from kunren.access.identities import Identities, KnownKey, statements_of
from kunren.access.named import has_other_names, with_arns
from kunren.access.presented import Message, Presented, Refused
from kunren.access.refusals import denied, refusal
from kunren.core import sigv2
from kunren.core.authorization import Caller, Statements, Verdict, denial, judge
from kunren.core.aws_chunked import Unframing
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.conditions import many
from kunren.core.errors import AwsError, NotImplementedByKunren, WireError
from kunren.core.fronts import FrontRequest
from kunren.core.policies import UNKNOWN
from kunren.gateway.chain import FALLBACK, Call
from kunren.wire.codecs import Codecs
from kunren.wire.hosts import read_host

TOKENS = frozenset({("sts", "AssumeRoleWithWebIdentity"), ("sts", "AssumeRoleWithSAML")})
"""Operations that nobody signs: a token of another issuer says who asks, and here nobody can tell a good one."""
FREE = frozenset({"GetCallerIdentity", "GetSessionToken"})
"""Operations of STS that need no policy to allow them."""
PolicyOf = Callable[[str], Statements]
"""A resource's policy by its ARN; empty where it has none."""


class Access:
    """Who may do what. `policies` has for a service its resources' policies."""

    def __init__(
        self, identities: Identities, clock: Clock, codecs: Codecs, call: CallService = nobody_answers
    ) -> None:
        self.identities = identities
        self._clock = clock
        self._codecs = codecs
        self.call = call
        self.policies: dict[str, PolicyOf] = {}
        self.refused = 0
        self.denied = 0

    def status(self) -> dict[str, Any]:
        return {"signatures_refused": self.refused, "calls_denied": self.denied}

    # --- who signed -----------------------------------------------------------------------------------------------

    def verify(self, call: Call) -> Awaitable[None] | None:
        """Raises AwsError where the signature is missing or wrong; S3 answers unsigned requests by its policies."""
        route = call.route
        assert route is not None
        if call.acting is not None:
            if route.service != "s3":
                raise refusal(Refused(signed.UNKNOWN_KEY), route.service, call.protocol)
            return None
        if (route.service, route.operation) in TOKENS:
            raise NotImplementedByKunren(route.service, f"{route.operation} in strict mode")
        try:
            told = signed.presented(call.arrived.headers, call.arrived.query)
            if told is None:
                if route.service == "s3":
                    return None
                raise Refused(signed.MISSING)
            known = self._at_hand(told)
            if known is None:
                if not self.identities.fresh:
                    return self._verify_later(call, told)
                raise Refused(signed.UNKNOWN_KEY, AWSAccessKeyId=told.access_key)
            self._check(call, told, known)
        except Refused as refused:
            raise self._refusal(refused, call) from None
        return None

    async def _verify_later(self, call: Call, told: Presented) -> None:
        await self.identities.load()
        try:
            known = self._at_hand(told)
            if known is None:
                raise Refused(signed.UNKNOWN_KEY, AWSAccessKeyId=told.access_key)
            self._check(call, told, known)
        except Refused as refused:
            raise self._refusal(refused, call) from None

    def _refusal(self, refused: Refused, call: Call) -> WireError:
        assert call.route is not None
        self.refused += 1
        return refusal(refused, call.route.service, call.protocol)

    def _at_hand(self, told: Presented) -> KnownKey | None:
        known = self.identities.key(told.access_key, told.token) if self.identities.fresh else None
        return known if known is not None else self.identities.root(told.access_key)

    def _check(self, call: Call, told: Presented, known: KnownKey) -> None:
        """Raises Refused."""
        arrived, route = call.arrived, call.route
        assert route is not None
        upload = arrived.upload
        body = None if upload is not None else arrived.body
        message = Message(arrived.method, arrived.path, arrived.query, arrived.headers, body)
        if told.algorithm == signed.VERSION_2:
            message = _of_old_form(call, message)
        payload = self._good(told, known, message)
        if signed.is_streamed(payload):
            framing = upload.framing() if upload is not None else _framing(arrived.body)
            check_pieces(told, known.secret, framing.pieces, framing.finish(), payload)
        call.caller = known.caller
        if route.account != known.caller.account:
            call.route = route._replace(account=known.caller.account)

    def _good(self, told: Presented, known: KnownKey, message: Message) -> str:
        """The payload's hash that a good signature signs. Raises Refused."""
        self._current(told, known)
        signed.check_time(told, self._clock.wall())
        return signed.check(told, known.secret, message)

    def _current(self, told: Presented, known: KnownKey) -> None:
        """Whether the token is the key's, and still good. Raises Refused."""
        if known.token != told.token:
            raise Refused(signed.BAD_TOKEN, **{"Token-0": told.token})
        if known.expires is not None and self._clock.now() >= known.expires:
            raise Refused(signed.EXPIRED_TOKEN, **{"Token-0": told.token})

    # --- what policies say ----------------------------------------------------------------------------------------

    def authorize(self, call: Call) -> Awaitable[None] | None:
        """Raises AwsError where a policy denies the operation, or none allows it. S3 asks by itself."""
        route, caller = call.route, call.caller
        assert route is not None
        if caller is None or route.service == "s3" or not route.operation:
            return None
        params = self._parameters(call) if call.owner is FALLBACK else call.params
        if route.service == "sts":
            if route.operation in FREE:
                return None
            if route.operation == "AssumeRole" and not self.identities.fresh:
                return self._authorize_later(call, caller, params)
        if not caller.root and has_other_names(route.service, route.operation, params):
            return self._authorize_named(call, caller, params)
        self._authorize(call, caller, params)
        return None

    async def _authorize_named(self, call: Call, caller: Caller, params: Mapping[str, Any]) -> None:
        route = call.route
        assert route is not None
        self._authorize(
            call, caller, await with_arns(self.call, caller.account, route.region, route.service, params)
        )  # fmt: skip

    async def _authorize_later(self, call: Call, caller: Caller, params: Mapping[str, Any]) -> None:
        await self.identities.load()
        self._authorize(call, caller, params)

    def _authorize(self, call: Call, caller: Caller, params: Mapping[str, Any]) -> None:
        route, request = call.route, call.request
        assert route is not None
        target = Target(
            route.service, route.operation, params, caller.account, route.region, request.method, request.path
        )
        if route.service == "sts":
            policy = params.get("Policy")
            if isinstance(policy, str) and (wrong := wrong_with(policy)) is not None:
                raise WireError("MalformedPolicyDocument", wrong, 400)
            if route.operation == "AssumeRole":
                self._assume(call, caller, params)
                return
        if caller.root and call.owner is FALLBACK:
            return

        def facts() -> Facts:
            known = facts_of(
                request.headers, source_ip=request.source_ip, secure=request.secure, region=route.region,
                now=self._clock.now(), service=route.service, params=params,
            )  # fmt: skip
            return {**known, **ecs_facts(target)} if route.service == "ecs" else known

        signs_as = self._codecs.catalog.index[route.service].signs_as
        for each in asked(target, signs_as, call.owner is not FALLBACK):
            verdict = self.verdict(caller, each, facts, route.service)
            if not verdict.allowed:
                self.denied += 1
                text = denial(caller.arn, each.action, _told_of(route.service, each), verdict)
                raise denied(text, route.service, call.protocol)

    def verdict(self, caller: Caller, wanted: Asked, facts: Callable[[], Facts], service: str) -> Verdict:
        if wanted.passed_to:
            return judge(
                caller, wanted.action, wanted.resource, lambda: {**facts(), "iam:passedtoservice": wanted.passed_to}
            )
        policy_of = self.policies.get(service)
        policy = policy_of(wanted.resource) if policy_of is not None and wanted.resource != UNKNOWN else ()
        return judge(
            caller, wanted.action, wanted.resource, facts, policy=policy or None, owner=_owner_of(wanted.resource)
        )

    def _assume(self, call: Call, caller: Caller, params: Mapping[str, Any]) -> None:
        """A role is assumed by whom its trust policy names. Raises AccessDenied."""
        arn = str(params.get("RoleArn", ""))
        request = call.request
        if caller.root:
            raise WireError("AccessDenied", "Roles may not be assumed by root accounts.", 403)
        role = self.identities.role(arn)
        if role is not None:
            known = facts_of(
                request.headers, source_ip=request.source_ip, secure=request.secure,
                region=call.route.region if call.route is not None else "", now=self._clock.now(), service="sts",
                params=params,
            )  # fmt: skip
            owner = arn.split(":")[4]
            verdict = judge(caller, "sts:AssumeRole", arn, lambda: known, policy=trust_of(role.trust), owner=owner,
                            policy_must_allow=True)  # fmt: skip
            if verdict.allowed:
                return
        self.denied += 1
        text = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        raise WireError("AccessDenied", text, 403)

    def _parameters(self, call: Call) -> Mapping[str, Any]:
        """The parameters of an operation that moto will read; what can't be read is moto's to refuse."""
        route = call.route
        assert route is not None
        try:
            found: Mapping[str, Any] = self._codecs.codec(route.service, route.operation, route.protocol).parse(
                call.request, route.labels
            )
        except (AwsError, RecursionError):
            return {}
        return found

    # --- endpoints beside AWS's API -------------------------------------------------------------------------------

    async def caller(self, request: FrontRequest, service: str, region: str) -> Caller | None:
        """Who signed a request to an endpoint of a user's, for that service and region; None for nobody. Raises
        AwsError, in the words of JSON services."""
        try:
            told = signed.presented(request.headers, request.query)
            if told is None:
                return None
            if told.service != service:
                text = f"Credential should be scoped to correct service: '{service}'."
                raise Refused(signed.WRONG_SCOPE, text)
            if not told.asymmetric and told.region != region:
                raise Refused(signed.WRONG_SCOPE, "Credential should be scoped to a valid region.")
            known = self._at_hand(told)
            if known is None:
                await self.identities.load()
                known = self._at_hand(told)
            if known is None:
                raise Refused(signed.UNKNOWN_KEY)
            self._good(told, known, Message(request.method, request.path, request.query, request.headers, request.body))
        except Refused as refused:
            self.refused += 1
            raise refusal(refused, service, "rest-json") from None
        return known.caller

    async def holder(self, access_key: str, role: str, session: str) -> Caller | None:
        """Who has a key that signs nothing here, or is in that session of a role (tokens of ECR's registry say so).
        None where nobody has it any more."""
        known = self.identities.root(access_key)
        if known is None:
            await self.identities.load()
            known = self.identities.key(access_key, "")
        if known is not None:
            return known.caller
        return self.identities.assumed(role, session, access_key) if role else None

    def assumable(self, role: str, service: str) -> bool:
        """Whether there is that role and its trust policy names the service (its principal)."""
        found = self.identities.role(role)
        allowed = [each for each in trust_of(found.trust) if each["Effect"] == "Allow"] if found is not None else ()
        principals = (each["Principal"] for each in allowed if isinstance(each.get("Principal"), dict))
        return any(service in many(each.get("Service")) for each in principals)

    async def why_not(
        self, service: str, role: str, session: str, region: str, action: str, resource: str
    ) -> str | None:  # fmt: skip
        """AWS's sentence where a session of that role may not do that; None where it may. For services that act in a
        role which a user gave them. Raises LookupError where it is none that the service may assume."""
        await self.identities.load()
        if not self.assumable(role, service):
            raise LookupError(role)
        caller = self.identities.assumed(role, session, "")
        facts = lambda: facts_of_service(region, self._clock.now())  # noqa: E731
        verdict = self.verdict(caller, Asked(action, resource), facts, action.partition(":")[0])
        if verdict.allowed:
            return None
        self.denied += 1
        return denial(caller.arn, action, resource, verdict)

    async def form_caller(self, fields: Mapping[str, str]) -> Caller:
        """Who signed the policy of a form for S3 (POST Object), by its fields in lower case. Raises AwsError."""
        try:
            told = signed.of_form(fields)
            if self._at_hand(told) is None:
                await self.identities.load()
            known = self._at_hand(told)
            if known is None:
                raise Refused(signed.UNKNOWN_KEY, AWSAccessKeyId=told.access_key)
            self._current(told, known)
            signed.check_form(told, known.secret, fields["policy"])
        except Refused as refused:
            self.refused += 1
            raise refusal(refused, "s3", "rest-xml") from None
        return known.caller

    def may(
        self, caller: Caller, action: str, resource: str, request: FrontRequest, region: str,
        policy: Statements | None = None, more: Mapping[str, str] | None = None,
    ) -> Verdict:  # fmt: skip
        """Whether policies let the caller do that; `policy` is the resource's, `more` further condition keys."""

        def facts() -> Facts:
            found = facts_of(
                request.headers, source_ip=request.source_ip, secure=request.secure, region=region,
                now=self._clock.now(),
            )  # fmt: skip
            return {**found, **(more or {})}

        verdict = judge(caller, action, resource, facts, policy=policy or None, owner=resource.split(":")[4] or None)
        self.denied += not verdict.allowed
        return verdict


@lru_cache(maxsize=4096)
def _owner_of(arn: str) -> str | None:
    """The account that an ARN names."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[4].isdigit() else None


def _of_old_form(call: Call, message: Message) -> Message:
    """The request as version 2 signs it, which S3 alone takes, in regions of before 2014. Raises Refused."""
    says = read_host(message.headers.get("host", "").partition(":")[0], {"s3": ("s3",)})
    if call.route is None or call.route.service != "s3" or (says.region and says.region not in sigv2.REGIONS):
        raise Refused(signed.UNSUPPORTED)
    return msgspec.structs.replace(message, bucket=says.bucket)


def trust_of(document: str) -> Statements:
    """A role's trust policy, which is about the role alone."""
    return tuple({**each, "Resource": "*"} for each in statements_of(document))


def _framing(body: bytes) -> Unframing:
    found = Unframing(keep_signatures=True)
    found.feed(body)
    return found


def _told_of(service: str, wanted: Asked) -> str:
    """The resource in the text: EC2 and Elastic Load Balancing leave out that there is none."""
    return UNKNOWN if wanted.resource == "*" and service in ("ec2", "elbv2") else wanted.resource
