"""DNS query logs: a line for each question that a logged zone's name servers answered, for CloudWatch Logs.

"Public DNS query logging" in the developer guide: only what resolvers ask is logged (their caches answer the rest), to
a log stream per zone and edge location. As other logs here, lines are kept back, bounded in size, until somebody asks
CloudWatch Logs anything, and delivered before the answer.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from kunren.control.store import Key, Store
from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.dataplane.dns import names
from kunren.dataplane.dns.server import Asked
from kunren.dataplane.dns.zones import DNSKEY, NSEC, RECORD_TYPES, RRSIG
from kunren.services.lambda_.log_delivery import LogDelivery
from kunren.services.route53.model import QueryLoggingConfig

REGION = "us-east-1"
PRINCIPAL = "route53.amazonaws.com"
_VERSION = "1.0"
_NEEDED = ("logs:CreateLogStream", "logs:PutLogEvents")
_RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
_TYPES = {
    **{number: name for name, number in RECORD_TYPES.items()},
    DNSKEY: "DNSKEY", NSEC: "NSEC", RRSIG: "RRSIG",
}  # fmt: skip
# an airport near each place, as AWS codes its edge locations; the number is arbitrary there too
_AIRPORTS = {
    "virginia": "IAD", "tokyo": "NRT", "sydney": "SYD", "london": "LHR", "frankfurt": "FRA", "saopaulo": "GRU",
    "singapore": "SIN", "mumbai": "BOM", "oregon": "PDX", "california": "SFO", "ohio": "CMH", "dallas": "DFW",
    "montreal": "YUL", "mexico": "MEX", "ireland": "DUB", "paris": "CDG", "stockholm": "ARN", "milan": "MXP",
    "madrid": "MAD", "warsaw": "WAW", "dubai": "DXB", "telaviv": "TLV", "capetown": "CPT", "lagos": "LOS",
    "osaka": "KIX", "seoul": "ICN", "hongkong": "HKG", "jakarta": "CGK", "auckland": "AKL",
}  # fmt: skip


class QueryLogs:
    """Keeps what the configurations in the store want logged; `note` is the name servers' listener."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._delivery = LogDelivery(call, line_end="", makes_group=False)
        self.before = self._delivery.before
        self._configs: dict[str, QueryLoggingConfig] = {}
        store.subscribe(lambda keys: self._read(keys), wants=lambda kind: kind == QueryLoggingConfig.kind)
        self._read()

    def _read(self, keys: Iterable[Key] = ()) -> None:
        self._configs = {each.zone_id: each for each in self._store.snapshot().every(QueryLoggingConfig)}

    def wants(self, zone_id: str) -> bool:
        return zone_id in self._configs

    def note(self, asked: Asked) -> None:
        """One question, just answered."""
        config = self._configs.get(asked.zone_id)
        if config is None:
            return
        now, edge = self._clock.now(), edge_location(asked.client.location.name)
        self._delivery.take(
            config.account,
            REGION,
            log_group(config.log_group_arn),
            f"{asked.zone_id}/{edge}",
            [(int(now * 1000), line(asked, edge, now))],
        )


def edge_location(place: str) -> str:
    """The code of the edge location that answers a place: three letters and a number."""
    letters = "".join(each for each in place.upper() if each.isalpha())
    return f"{_AIRPORTS.get(place, (letters + 'XXX')[:3])}1"


def line(asked: Asked, edge: str, now: float) -> str:
    """One entry, as "Values that appear in DNS query logs" has it: `1.0 2017-12-13T08:16:02.130Z Z123 example.com A
    NOERROR UDP FRA6 192.168.1.1 -`."""
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    rtype = _TYPES.get(asked.rtype, f"TYPE{asked.rtype}")
    name = names.to_text(asked.name).removesuffix(".")
    protocol = "TCP" if asked.tcp else "UDP"
    return " ".join(
        (_VERSION, at, asked.zone_id, name, rtype, _RCODES[asked.rcode], protocol, edge, asked.client.address,
         asked.client.subnet or "-")
    )  # fmt: skip


def log_group(arn: str) -> str:
    """The name of the log group of an ARN (with or without `:*` at its end)."""
    parsed = parse_arn(arn)
    return parsed.resource.removeprefix("log-group:").removesuffix(":*") if parsed is not None else ""


def permits(policies: Iterable[str], arn: str) -> bool:
    """Whether resource policies of CloudWatch Logs let Route 53 write to a log group."""
    group = arn.removesuffix(":*")
    statements = [each for text in policies for each in _statements(text)]
    return all(
        any(
            each.get("Effect") == "Allow"
            and _of_route53(each.get("Principal"))
            and any(fnmatch.fnmatchcase(action.lower(), str(one).lower()) for one in _listed(each.get("Action")))
            and any(
                fnmatch.fnmatchcase(form, str(one))
                for one in _listed(each.get("Resource"))
                for form in (group, f"{group}:*", f"{group}:log-stream:x")
            )
            for each in statements
        )
        for action in _NEEDED
    )


def _statements(text: str) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(text)
    except ValueError:
        return []
    found = document.get("Statement") if isinstance(document, dict) else None
    return [each for each in _listed(found) if isinstance(each, dict)]


def _of_route53(principal: Any) -> bool:
    if isinstance(principal, dict):
        return PRINCIPAL in _listed(principal.get("Service"))
    return bool(principal == "*")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
