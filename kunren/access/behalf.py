"""Strict mode for calls that a service makes for somebody (CloudFormation, Cloud Control API): each must be allowed to
whoever asked, or to the role that the service was handed. "Service roles", "Forward access sessions", "Grant
self-managed permissions"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from kunren.access.access import Access, trust_of
from kunren.access.actions import Asked, Target, asked
from kunren.access.facts import Facts, facts_of_service
from kunren.access.named import has_other_names, with_arns
from kunren.access.refusals import denied
from kunren.core.authorization import denial, judge
from kunren.core.calling import Actor
from kunren.core.clock import Clock
from kunren.core.errors import WireError
from kunren.wire.catalog import Catalog

SERVICE = "cloudformation.amazonaws.com"
"""Whom roles trust, and through whom calls come, also for Cloud Control API: no page of AWS's tells more."""
_S3 = {  # configurations, with the action that sets them and takes them away
    "BucketAccelerateConfiguration": "AccelerateConfiguration", "BucketCors": "BucketCORS",
    "BucketEncryption": "EncryptionConfiguration", "BucketLifecycle": "LifecycleConfiguration",
    "BucketLifecycleConfiguration": "LifecycleConfiguration", "BucketNotificationConfiguration": "BucketNotification",
    "BucketReplication": "ReplicationConfiguration", "BucketTagging": "BucketTagging",
    "ObjectLockConfiguration": "BucketObjectLockConfiguration", "PublicAccessBlock": "BucketPublicAccessBlock",
    "BucketOwnershipControls": "BucketOwnershipControls",
}  # fmt: skip


class Behalf:
    """`permit` is what `kunren.core.calling.Permit` promises. `moto` says which services moto answers for."""

    def __init__(self, access: Access, clock: Clock, catalog: Catalog, moto: Callable[[str], bool]) -> None:
        self._access, self._clock, self._catalog, self._moto = access, clock, catalog, moto

    async def permit(self, actor: Actor, region: str, service: str, operation: str, params: Mapping[str, Any]) -> None:
        caller = await self._access.holder(actor.access_key, actor.role, actor.session)
        if caller is None:
            raise WireError("AccessDenied", "The security token included in the request is invalid.", 403)
        if caller.root:
            return
        if not actor.access_key:
            self._check_assumable(actor, region)
        if has_other_names(service, operation, params):
            params = await with_arns(self._access.call, caller.account, region, service, params)
        model = self._catalog.service(service)
        http = model.operations[operation].http
        path = with_labels(http.request_uri, params)
        target = Target(service, operation, params, caller.account, region, http.method, path)
        signs_as = self._catalog.index[service].signs_as
        needed = of_s3(operation, params) if service == "s3" else asked(target, signs_as, not self._moto(service))

        def facts() -> Facts:
            found = facts_of_service(region, self._clock.now(), service, params)
            via = {} if not actor.access_key else dict.fromkeys(
                ("aws:calledvia", "aws:calledviafirst", "aws:calledvialast"), SERVICE
            )  # fmt: skip
            return {**found, **via}

        for each in needed:
            verdict = self._access.verdict(caller, each, facts, service)
            if not verdict.allowed:
                self._access.denied += 1
                raise denied(denial(caller.arn, each.action, each.resource, verdict), service, "json")

    def _check_assumable(self, actor: Actor, region: str) -> None:
        """Raises AccessDenied where the service can't get to the role."""
        if not self._access.assumable(actor.through or actor.role, actor.service or SERVICE):
            raise WireError("AccessDenied", f"Role {actor.through or actor.role} is invalid or cannot be assumed", 403)
        if not actor.through:
            return
        role = self._access.identities.role(actor.role)
        owner, name = actor.role.split(":")[4], actor.role.rpartition("/")[2]
        if role is not None:
            caller = self._access.identities.assumed(actor.through, actor.session, "")
            known = facts_of_service(region, self._clock.now(), "sts")
            verdict = judge(caller, "sts:AssumeRole", actor.role, lambda: known, policy=trust_of(role.trust),
                            owner=owner, policy_must_allow=True)  # fmt: skip
            if verdict.allowed:
                return
        through = actor.through.rpartition("/")[2]
        words = f"Account {owner} should have '{name}' role with trust relationship to Role '{through}'."
        raise WireError("AccessDenied", words, 403)


def with_labels(uri: str, params: Mapping[str, Any]) -> str:
    """A request's path, its labels filled in. Pure."""
    given = {name.lower(): str(value) for name, value in params.items()}
    path = uri.partition("?")[0]
    return re.sub(r"\{(\w+)\+?\}", lambda match: given.get(match[1].replace("_", "").lower(), "*"), path)


def of_s3(operation: str, params: Mapping[str, Any]) -> list[Asked]:
    """What an operation of S3 needs, where no request of it is there to ask. Pure."""
    key = f"/{params['Key']}" if params.get("Key") else ""
    verb, noun = re.match(r"(Put|Delete|[A-Z][a-z]+)(.*)", operation).groups()  # type: ignore[union-attr]
    action = f"Put{_S3[noun]}" if verb in ("Put", "Delete") and noun in _S3 else operation
    return [Asked(f"s3:{action}", f"arn:aws:s3:::{params.get('Bucket', '*')}{key}")]
