"""What a line of a standard log says of a request, and what a file of them is called. Pure.

Developer Guide, "Standard logging reference" and "Configure standard logging (legacy)".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from kunren.dataplane.edge.locations import pop
from kunren.dataplane.edge.message import Headers, first, joined
from kunren.dataplane.edge.record import Record

_ENCODED = re.compile(rb"[\x00-\x20\x7f-\xff\"'#%<>\[\\\]^`{|}~]")
"""The octets that the reference lists."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/")
_VERSIONS = {"1.0": "HTTP/1.0", "1.1": "HTTP/1.1", "2.0": "HTTP/2.0", "3.0": "HTTP/3.0"}


def encoded(text: str | None) -> str:
    """As the log has what viewers wrote; `-` where they wrote nothing."""
    if not text:
        return "-"
    octets = text.encode("utf-8", "surrogateescape")
    return _ENCODED.sub(lambda found: b"%%%02X" % found.group()[0], octets).decode()


def _asked(record: Record) -> Headers:
    return record.request.asked.headers if record.request.asked is not None else []


def _sent(name: str) -> Callable[[Record], str]:
    return lambda record: encoded(joined(_asked(record), name))


def _answered(name: str) -> Callable[[Record], str]:
    return lambda record: encoded(first(record.answer.headers, name))


def _size(record: Record) -> int:
    """Of the request with its headers, as HTTP/1.1 has them."""
    asked = record.request.asked
    if asked is None:
        return 0
    first_line = len(f"{record.request.method} {asked.uri} HTTP/1.1\r\n") + (len(asked.query) + 1 if asked.query else 0)
    return first_line + sum(len(name) + len(value) + 4 for name, value in asked.headers) + 2 + asked.body_size


def _range(group: int) -> Callable[[Record], str]:
    def read(record: Record) -> str:
        found = _CONTENT_RANGE.match(first(record.answer.headers, "content-range") or "")
        return found.group(group) if found else "-"

    return read


def _result(record: Record) -> str:
    """Error where the viewer went away, whatever the answer was to be."""
    return "Error" if record.broken else record.answer.outcome


def _detail(record: Record) -> str:
    return record.broken or record.answer.detail or record.answer.outcome


def _first_byte_latency(record: Record) -> str:
    """Seconds between the edge and the origin."""
    upstream = record.request.upstream
    return f"{upstream.first_byte_ms / 1000:.3f}" if upstream is not None else "-"


def _moment(form: str) -> Callable[[Record], str]:
    return lambda record: datetime.fromtimestamp(record.at, UTC).strftime(form)


FIELDS: dict[str, Callable[[Record], str]] = {
    "date": _moment("%Y-%m-%d"),
    "time": _moment("%H:%M:%S"),
    "x-edge-location": lambda record: pop(record.request.viewer.edge),
    "sc-bytes": lambda record: str(record.sent),
    "c-ip": lambda record: record.request.viewer.address,
    "cs-method": lambda record: record.request.method,
    "cs(Host)": lambda record: record.site.domain_name,
    "cs-uri-stem": lambda record: encoded(record.request.asked.uri if record.request.asked else None),
    "sc-status": lambda record: f"{record.answer.status:03}",
    "cs(Referer)": _sent("referer"),
    "cs(User-Agent)": _sent("user-agent"),
    "cs-uri-query": lambda record: encoded(record.request.asked.query if record.request.asked else None),
    "cs(Cookie)": _sent("cookie"),
    "x-edge-result-type": _result,
    "x-edge-request-id": lambda record: record.request.id,
    "x-host-header": _sent("host"),
    "cs-protocol": lambda record: "https" if record.request.viewer.secure else "http",
    "cs-bytes": lambda record: str(_size(record)),
    "time-taken": lambda record: f"{record.taken_s:.3f}",
    "x-forwarded-for": _sent("x-forwarded-for"),
    "ssl-protocol": lambda record: record.request.viewer.tls or "-",
    "ssl-cipher": lambda record: record.request.viewer.cipher or "-",
    "x-edge-response-result-type": lambda record: record.answer.outcome,
    "cs-protocol-version": lambda record: _VERSIONS[record.request.viewer.http_version],
    "fle-status": lambda record: "-",
    "fle-encrypted-fields": lambda record: "-",
    "c-port": lambda record: str(record.request.viewer.port),
    "time-to-first-byte": lambda record: f"{record.first_byte_s:.3f}",
    "x-edge-detailed-result-type": _detail,
    "sc-content-type": _answered("content-type"),
    "sc-content-len": _answered("content-length"),
    "sc-range-start": _range(1),
    "sc-range-end": _range(2),
}
"""By name, in the order of the legacy files."""


MORE_FIELDS: dict[str, Callable[[Record], str]] = {
    "timestamp": lambda record: str(int(record.at)),
    "timestamp(ms)": lambda record: str(int(record.at * 1000)),
    "DistributionId": lambda record: record.site.id,
    "c-country": lambda record: record.request.viewer.where.country or "-",
    "cache-behavior-path-pattern": lambda record: record.request.pattern or "-",
    "origin-fbl": _first_byte_latency,
    "r-host": lambda record: record.request.origin_asked or "-",
    "sr-reason": lambda record: f"Failover:{record.request.failed_over}" if record.request.failed_over else "-",
    "primary-distribution-id": lambda record: record.site.primary[0] if record.site.primary else "-",
    "primary-distribution-dns-name": lambda record: record.site.primary[1] if record.site.primary else "-",
}
"""Those that only logs of the newer kind (v2) may have."""
PRIMARY_FIELDS = ("primary-distribution-id", "primary-distribution-dns-name")
"""Behind the others in the log of a staging distribution."""


def line(record: Record) -> str:
    cookies = record.site.logs_cookies
    said = ["-" if name == "cs(Cookie)" and not cookies else read(record) for name, read in FIELDS.items()]
    return "\t".join([*said, *(record.site.primary or ())])


def file(lines: Iterable[str], staging: bool = False) -> bytes:
    """A whole file, before it is compressed."""
    head = f"#Version: 1.0\n#Fields: {' '.join([*FIELDS, *(PRIMARY_FIELDS if staging else ())])}\n"
    return (head + "".join(f"{each}\n" for each in lines)).encode("utf-8", "replace")


def object_key(distribution: str, prefix: str, hour: int, unique: str) -> str:
    """The key of a file of the hour that begins at `hour` × 3600 s (AWS time)."""
    folder = prefix if not prefix or prefix.endswith("/") else prefix + "/"
    return f"{folder}{distribution}.{datetime.fromtimestamp(hour * 3600, UTC):%Y-%m-%d-%H}.{unique}.gz"
