"""What all groups of operations share."""

from __future__ import annotations

from typing import Protocol

from kunren.control.store import Snapshot, Tx
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns.geography import Geography
from kunren.dataplane.dns.zones import Zones
from kunren.services.route53.errors import NoSuchDelegationSet, NoSuchHostedZone
from kunren.services.route53.model import DelegationSet, HostedZone
from kunren.services.route53.shapes import bare_id
from kunren.services.route53.store import GLOBAL, Route53Store


class ServedDns(Protocol):
    """The part of `DnsServer` that the API reads."""

    @property
    def zones(self) -> Zones: ...
    @property
    def geography(self) -> Geography: ...


class Base:
    """`records` is the service's store; `dns` shows what is served."""

    def __init__(self, records: Route53Store, clock: Clock, entropy: Entropy, dns: ServedDns) -> None:
        self._records = records
        self._store = records.store
        self._clock = clock
        self._entropy = entropy
        self._dns = dns

    def _zone(self, reader: Snapshot | Tx, account: str, given: str) -> HostedZone:
        zone = reader.get(HostedZone, account, GLOBAL, bare_id(given))
        if zone is None:
            raise NoSuchHostedZone(bare_id(given))
        return zone

    def _delegation_set(self, reader: Snapshot | Tx, account: str, given: str) -> DelegationSet:
        found = reader.get(DelegationSet, account, GLOBAL, bare_id(given))
        if found is None:
            raise NoSuchDelegationSet(bare_id(given))
        return found
