"""What a record of a real-time log says of a request. Pure.

Developer Guide, "Real-time log configuration fields": the names, and the order in which records have them. A field that
nobody here knows anything for says `-`, as do those that the request has nothing for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import parse_qs

from kunren.dataplane.edge.message import Asked, joined
from kunren.dataplane.edge.record import Record
from kunren.services.cloudfront.logs.lines import FIELDS as STANDARD
from kunren.services.cloudfront.logs.lines import MORE_FIELDS, encoded

Tell = Callable[[Record], str]
TRUNCATED_BYTES = 800
"""Of cookies and headers; the guide says to how much."""


def _unknown(record: Record) -> str:
    return "-"


def _cut(tell: Tell) -> Tell:
    return lambda record: tell(record)[:TRUNCATED_BYTES]


def _sent(name: str) -> Tell:
    return lambda record: encoded(joined(record.request.asked.headers, name) if record.request.asked else None)


def _whole_uri(record: Record) -> str:
    """With the query string, unlike in standard logs."""
    asked = record.request.asked
    return encoded(asked.uri + (f"?{asked.query}" if asked.query else "") if asked is not None else None)


def _headers(record: Record) -> str:
    asked = record.request.asked
    return encoded("".join(f"{name}:{value}\n" for name, value in asked.headers) if asked is not None else None)


def _header_names(record: Record) -> str:
    asked = record.request.asked
    return encoded("".join(f"{name}\n" for name, _ in asked.headers) if asked is not None else None)


def _header_count(record: Record) -> str:
    return str(len(record.request.asked.headers)) if record.request.asked is not None else "-"


_CMCD = {
    "cmcd-encoded-bitrate": "br", "cmcd-buffer-length": "bl", "cmcd-buffer-starvation": "bs", "cmcd-content-id": "cid",
    "cmcd-object-duration": "d", "cmcd-deadline": "dl", "cmcd-measured-throughput": "mtp",
    "cmcd-next-object-request": "nor", "cmcd-next-range-request": "nrr", "cmcd-object-type": "ot",
    "cmcd-playback-rate": "pr", "cmcd-requested-maximum-throughput": "rtp", "cmcd-streaming-format": "sf",
    "cmcd-session-id": "sid", "cmcd-stream-type": "st", "cmcd-startup": "su", "cmcd-top-bitrate": "tb",
    "cmcd-version": "v",
}  # fmt: skip
"""By field: the key that a media player sends (CTA-5004, Common Media Client Data)."""


def cmcd(asked: Asked) -> dict[str, str]:
    """What a media player says of itself, by key: in the query argument CMCD, or in the headers CMCD-..."""
    told = parse_qs(asked.query).get("CMCD", []) if "CMCD" in asked.query else []
    told += [value for name, value in asked.headers if name.lower().startswith("cmcd-")]
    found = {}
    for pair in (each.strip() for text in told for each in text.split(",")):
        key, _, value = pair.partition("=")
        if key:
            found[key] = value.strip('"') or "true"
    return found


def _media(key: str) -> Tell:
    return lambda record: encoded(cmcd(record.request.asked).get(key) if record.request.asked is not None else None)


FIELDS: dict[str, Tell] = {
    "timestamp": lambda record: f"{record.at:.3f}",
    "c-ip": STANDARD["c-ip"],
    "s-ip": lambda record: record.request.viewer.reached or "-",
    "time-to-first-byte": STANDARD["time-to-first-byte"],
    "sc-status": STANDARD["sc-status"],
    "sc-bytes": STANDARD["sc-bytes"],
    "cs-method": STANDARD["cs-method"],
    "cs-protocol": STANDARD["cs-protocol"],
    "cs-host": _sent("host"),
    "cs-uri-stem": _whole_uri,
    "cs-bytes": STANDARD["cs-bytes"],
    "x-edge-location": STANDARD["x-edge-location"],
    "x-edge-request-id": STANDARD["x-edge-request-id"],
    "x-host-header": lambda record: record.site.domain_name,
    "time-taken": STANDARD["time-taken"],
    "cs-protocol-version": STANDARD["cs-protocol-version"],
    "c-ip-version": lambda record: "IPv6" if ":" in record.request.viewer.address else "IPv4",
    "cs-user-agent": STANDARD["cs(User-Agent)"],
    "cs-referer": STANDARD["cs(Referer)"],
    "cs-cookie": _cut(STANDARD["cs(Cookie)"]),
    "cs-uri-query": STANDARD["cs-uri-query"],
    "x-edge-response-result-type": STANDARD["x-edge-response-result-type"],
    "x-forwarded-for": STANDARD["x-forwarded-for"],
    "ssl-protocol": STANDARD["ssl-protocol"],
    "ssl-cipher": STANDARD["ssl-cipher"],
    "x-edge-result-type": STANDARD["x-edge-result-type"],
    "fle-encrypted-fields": _unknown,
    "fle-status": _unknown,
    "sc-content-type": STANDARD["sc-content-type"],
    "sc-content-len": STANDARD["sc-content-len"],
    "sc-range-start": STANDARD["sc-range-start"],
    "sc-range-end": STANDARD["sc-range-end"],
    "c-port": STANDARD["c-port"],
    "x-edge-detailed-result-type": STANDARD["x-edge-detailed-result-type"],
    "c-country": MORE_FIELDS["c-country"],
    "cs-accept-encoding": _sent("accept-encoding"),
    "cs-accept": _sent("accept"),
    "cache-behavior-path-pattern": MORE_FIELDS["cache-behavior-path-pattern"],
    "cs-headers": _cut(_headers),
    "cs-header-names": _cut(_header_names),
    "cs-headers-count": _header_count,
    "primary-distribution-id": MORE_FIELDS["primary-distribution-id"],
    "primary-distribution-dns-name": MORE_FIELDS["primary-distribution-dns-name"],
    "origin-fbl": MORE_FIELDS["origin-fbl"],
    "origin-lbl": _unknown,
    "asn": _unknown,  # the world has no autonomous systems
    **{field: _media(key) for field, key in _CMCD.items()},
    "r-host": MORE_FIELDS["r-host"],
    "sr-reason": MORE_FIELDS["sr-reason"],
    "x-edge-mqcs": _unknown,
    "distribution-tenant-id": _unknown,
    "connection-id": _unknown,
}
"""By name, in the documented order."""
_PLACES = {name: place for place, name in enumerate(FIELDS)}


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """The fields as records have them, each once. Raises KeyError with the name of a field that there is not."""
    return tuple(sorted(set(names), key=_PLACES.__getitem__))


def line(record: Record, names: Iterable[str]) -> str:
    """A record's text: values separated by tabs."""
    return "\t".join([FIELDS[name](record) for name in names]) + "\n"
