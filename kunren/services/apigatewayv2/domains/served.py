"""Custom domains as the front and DNS see them: by host, with TLS contexts of their own, at their regional names."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kunren.control.store import Key, Store
from kunren.core.ca import load_identity
from kunren.core.fronts import FrontRequest
from kunren.dataplane.apis.front import Domain
from kunren.dataplane.apis.front import Mapping as Led
from kunren.dataplane.dns.zones import NameRecords
from kunren.services.acm.material import certificate_material
from kunren.services.acm.model import Certificate
from kunren.services.apigatewayv2.domains.model import ApiMapping, DomainName
from kunren.world.addresses import api_endpoint
from kunren.world.spec import WorldSpec

log = logging.getLogger(__name__)
_KINDS = (DomainName.kind, ApiMapping.kind, Certificate.kind)
OWNER = "apigatewayv2/domains"


class Names(Protocol):
    """Where names of AWS's own are published."""

    def publish_names(self, owner: str, published: Mapping[str, NameRecords]) -> int: ...


class ServedDomains:
    """What `ApiFront.domains` is. `others(server_name)` has the contexts of names that are no custom domain's."""

    def __init__(
        self, store: Store, spec: WorldSpec, dns: Names, others: Callable[[str | None], ssl.SSLContext],
        serve: Callable[[str], None],
    ) -> None:  # fmt: skip
        """`serve(region)` has the region's API address answered."""
        self._store = store
        self._dns = dns
        self._others = others
        self._serve = serve
        self._addresses = {each.name: api_endpoint(index) for index, each in enumerate(spec.regions)}
        self._by_name: dict[str, dict[str, DomainName]] = {}
        self._domains: dict[tuple[str, str], Domain] = {}
        self._contexts: dict[tuple[str, str], tuple[Any, ssl.SSLContext]] = {}
        self._published: dict[str, NameRecords] = {}
        store.subscribe(self._changed, wants=lambda kind: kind in _KINDS)

    def start(self) -> None:
        """Take up what the store has."""
        self._read()

    def _changed(self, keys: frozenset[Key]) -> None:
        kinds = {key.kind for key in keys}
        if DomainName.kind in kinds:
            self._read()
        elif ApiMapping.kind in kinds:
            self._domains.clear()

    def _read(self) -> None:
        self._by_name = {}
        published = {}
        for each in self._store.snapshot().every(DomainName):
            if each.region in self._addresses:
                self._by_name.setdefault(each.id, {})[each.region] = each
                published[each.target] = NameRecords(a=(self._addresses[each.region],))
                self._serve(each.region)
        self._domains.clear()
        if published != self._published:
            self._dns.publish_names(OWNER, published)
            self._published = published

    # --- what the front asks

    def find(self, host: str, region: str | None) -> Domain | None:
        found = self._domain(host, region)
        if found is None:
            return None
        key = (found.region, found.id)
        domain = self._domains.get(key)
        if domain is None:
            led = [
                Led(each.key_path, each.api_id, each.stage)
                for each in self._store.snapshot().list(ApiMapping, found.account, found.region)
                if each.domain == found.id
            ]
            led.sort(key=lambda each: len(each.key), reverse=True)
            domain = self._domains[key] = Domain(found.region, tuple(led), found.trust is not None, found.id)
        return domain

    def _domain(self, host: str, region: str | None) -> DomainName | None:
        """The name itself, else the wildcard above it."""
        for name in (host, f"*.{host.partition('.')[2]}"):
            if (regions := self._by_name.get(name)) is not None:
                found = regions.get(region) if region is not None else next(iter(regions.values()))
                if found is not None:
                    return found
        return None

    def is_own_context(self, request: FrontRequest, domain: Domain) -> bool:
        made = self._contexts.get((domain.region, domain.name))
        return made is not None and request.tls is not None and request.tls.context is made[1]

    # --- TLS

    def contexts(self, region: str) -> Callable[[str | None], ssl.SSLContext]:
        """The contexts of a region's address, by the name that a client asks for."""

        def context_for(server_name: str | None) -> ssl.SSLContext:
            domain = self._domain((server_name or "").lower().rstrip("."), region)
            return (self._context(domain) if domain is not None else None) or self._default(region, server_name)

        return context_for

    def _default(self, region: str, server_name: str | None) -> ssl.SSLContext:
        """AWS's own certificate, which does not name what is none of its APIs."""
        own = f".execute-api.{region}.amazonaws.com"
        return self._others(server_name if (server_name or "").endswith(own) else f"api{own}")

    def _context(self, domain: DomainName) -> ssl.SSLContext | None:
        material = certificate_material(self._store.snapshot(), domain.certificate_arn)
        if material is None:
            return None
        made_of = (material, domain.trust, domain.security_policy)
        kept = self._contexts.get((domain.region, domain.id))
        if kept is not None and kept[0] == made_of:
            return kept[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        load_identity(context, material.private_key_pem + material.certificate_pem + material.chain_pem)
        if domain.trust is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=domain.trust.pem)
        self._contexts[domain.region, domain.id] = (made_of, context)
        return context
