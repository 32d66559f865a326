"""The only writer of custom domain names and mappings. Both API Gateway APIs call this, each with its own shapes.

Names are unique among all accounts of a region. Raises what API Gateway says to both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.acm.material import certificate_state
from kunren.services.apigatewayv2.domains.model import ApiMapping, DomainName, TrustStore
from kunren.services.apigatewayv2.errors import BadRequestException, ConflictException, NotFoundException

MAPPINGS_MAX, DOMAINS_MAX, KEY_MAX = 200, 120, 300
"""Quotas: mappings of a domain name, custom domain names of an account and region, characters of a mapping's key."""
EDGE_REGION = "us-east-1"
"""Where the certificates of edge-optimized domain names are."""
NO_DOMAIN = "The domain name resource specified in the request was not found."
NO_MAPPING = "The api mapping resource specified in the request was not found."
_NAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_KEY = re.compile(r"[A-Za-z0-9$_.+!*'(),-]+(/[A-Za-z0-9$_.+!*'(),-]+)*")
View = Snapshot | Tx
StageExists = Callable[[View, str, str, str, str], bool]
"""Whether an API has a stage: `(view, account, region, api id, stage)`, of whatever kind the API is."""


class DomainState:
    """`stages` are asked in turn whether an API and stage exist: each kind of API adds its own."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self.stages: list[StageExists] = []
        self._store = store
        self._clock = clock
        self._entropy = entropy

    # --- domain names

    def create(
        self, account: str, region: str, name: str, certificate_arn: str, *, trust: TrustStore | None = None,
        tags: Mapping[str, str] | None = None, **more: Any,
    ) -> DomainName:  # fmt: skip
        """`more` are further fields of `DomainName`. Raises BadRequestException, ConflictException."""
        if not _NAME.fullmatch(name) or len(name) > 253:
            raise BadRequestException(f"The domain name to be created {name} is not valid.")
        with self._store.write() as tx:
            if any(each.id == name and each.region == region for each in tx.every(DomainName)):
                raise ConflictException("The domain name you provided already exists.")
            if len(tx.list(DomainName, account, region)) >= DOMAINS_MAX:
                raise BadRequestException("Maximum number of domain names reached.")
            edge = bool(more.get("edge"))
            check_certificate(tx, account, EDGE_REGION if edge else region, certificate_arn)
            made = DomainName(
                account=account,
                region=region,
                id=name,
                label=self._label(edge),
                certificate_arn=certificate_arn,
                uploaded=self._clock.now(),
                trust=trust,
                tags=dict(tags or {}),
                **more,
            )
            tx.put(made)
        return made

    def update(self, found: DomainName, **changes: Any) -> DomainName:
        """The domain name with changed fields. Raises BadRequestException for a certificate that won't do."""
        with self._store.write() as tx:
            edge = changes.get("edge", found.edge)
            if edge != found.edge:
                changes["label"] = self._label(edge)
            if "certificate_arn" in changes:
                region = EDGE_REGION if edge else found.region
                check_certificate(tx, found.account, region, changes["certificate_arn"])
                changes["uploaded"] = self._clock.now()
            changed = msgspec.structs.replace(find_domain(tx, found.account, found.region, found.id), **changes)
            tx.put(changed)
        return changed

    def _label(self, edge: bool) -> str:
        return f"d{self._entropy.lower(13)}" if edge else f"d-{self._entropy.lower(10)}"

    def delete(self, found: DomainName) -> None:
        """With its mappings."""
        with self._store.write() as tx:
            for each in mappings_of(tx, found):
                tx.delete(each)
            tx.delete(found)

    # --- mappings

    def map(self, domain: DomainName, key: str, api_id: str, stage: str) -> ApiMapping:
        """A new mapping. Raises BadRequestException, ConflictException, NotFoundException."""
        with self._store.write() as tx:
            self._check(tx, domain, key, api_id, stage)
            existing = mappings_of(tx, domain)
            if any(each.key_path == key for each in existing):
                raise ConflictException("ApiMapping key already exists for this domain name")
            if len(existing) >= MAPPINGS_MAX:
                raise BadRequestException("Maximum number of API mappings for this domain name has been reached.")
            made = ApiMapping(
                account=domain.account, region=domain.region, id=f"{domain.id}/{self._entropy.lower(6)}", key_path=key,
                api_id=api_id, stage=stage,
            )  # fmt: skip
            tx.put(made)
        return made

    def remap(self, domain: DomainName, mapping: ApiMapping, key: str, api_id: str, stage: str) -> ApiMapping:
        """Raises as `map`."""
        with self._store.write() as tx:
            self._check(tx, domain, key, api_id, stage)
            if any(each.key_path == key and each.id != mapping.id for each in mappings_of(tx, domain)):
                raise ConflictException("ApiMapping key already exists for this domain name")
            changed = msgspec.structs.replace(mapping, key_path=key, api_id=api_id, stage=stage)
            tx.put(changed)
        return changed

    def unmap(self, mapping: ApiMapping) -> None:
        with self._store.write() as tx:
            tx.delete(mapping)

    def _check(self, tx: Tx, domain: DomainName, key: str, api_id: str, stage: str) -> None:
        if key and (len(key) > KEY_MAX or not _KEY.fullmatch(key)):
            raise BadRequestException(
                "API mapping key should not start with a '/' and may contain letters, numbers and the following "
                "characters: $-_.+!*'()/"
            )
        if not any(exists(tx, domain.account, domain.region, api_id, stage) for exists in self.stages):
            raise BadRequestException("Invalid stage identifier specified")


def find_domain(view: View, account: str, region: str, name: str) -> DomainName:
    """Raises NotFoundException."""
    found = view.get(DomainName, account, region, name)
    if found is None:
        raise NotFoundException(NO_DOMAIN)
    return found


def find_mapping(view: View, domain: DomainName, own_id: str) -> ApiMapping:
    """Raises NotFoundException."""
    found = view.get(ApiMapping, domain.account, domain.region, f"{domain.id}/{own_id}")
    if found is None:
        raise NotFoundException(NO_MAPPING)
    return found


def mappings_of(view: View, domain: DomainName) -> list[ApiMapping]:
    return [each for each in view.list(ApiMapping, domain.account, domain.region) if each.domain == domain.id]


def mappings_to(view: View, account: str, region: str, api_id: str, stage: str | None = None) -> list[ApiMapping]:
    """The mappings that lead to an API, or to one stage of it."""
    return [
        each for each in view.list(ApiMapping, account, region) if each.api_id == api_id and stage in (None, each.stage)
    ]


def domains_with(view: View, certificate_arn: str) -> list[str]:
    """The ARNs of the domain names that serve with a certificate."""
    return [each.arn for each in view.every(DomainName) if each.certificate_arn == certificate_arn]


def check_certificate(view: View, account: str, region: str, arn: str) -> None:
    """Raises BadRequestException for a certificate that a domain name can't have; `region` is where it must be."""
    if not arn:
        raise BadRequestException("A certificate ARN is required for a domain name.")
    parts = arn.split(":")
    if len(parts) < 6 or parts[2] != "acm":
        raise BadRequestException("Invalid certificate ARN.")
    if parts[3] != region:
        raise BadRequestException(f"Invalid certificate ARN: {arn}. Certificate must be in '{region}'.")
    if certificate_state(view, account, arn) != "ISSUED":
        raise BadRequestException("The provided certificate does not exist or has not been issued.")
