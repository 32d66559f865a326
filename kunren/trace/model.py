"""A traced request: what was asked, the steps it takes with their reasons, what is expected, what was observed."""

from __future__ import annotations

from typing import Any

import msgspec


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`headers` are those the caller named; `host` is the URL's, `source` the address that the request comes from."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    query: str | None
    method: str
    headers: tuple[tuple[str, str], ...]
    place: str
    source: str
    server_name: str | None = None
    """What the TLS handshake names, where that is not the host."""

    @property
    def transport(self) -> str:
        """What the URL's scheme goes over: "tcp" or "udp"."""
        return "udp" if self.scheme == "udp" else "tcp"

    @property
    def is_flow(self) -> bool:
        """Whether a connection, or a datagram, is all that is asked for."""
        return self.scheme in ("tcp", "udp")

    @property
    def host_header(self) -> str:
        """The Host header as a client sends it: the port only where it is not the scheme's own."""
        named = next((value for name, value in self.headers if name.lower() == "host"), None)
        if named is not None:
            return named
        default = 443 if self.scheme == "https" else 80
        return self.host if self.port == default else f"{self.host}:{self.port}"

    @property
    def target(self) -> str:
        """What stands in the request line."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    def led_on(self, source: str, port: int) -> Request:
        """The request as what is behind an edge location sees it: from that address, to that port."""
        others = tuple(each for each in self.headers if each[0].lower() != "host")
        headers = self.headers if self.is_flow else (("Host", self.host_header), *others)
        return msgspec.structs.replace(self, source=source, port=port, headers=headers)


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """An option that a step looked at: whether it was taken, and why or why not."""

    what: str
    taken: bool
    because: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One stage: what was chosen there and why. `ends` is true where the request goes no further."""

    stage: str
    chosen: str
    because: str
    considered: tuple[Considered, ...] = ()
    ends: bool = False


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One that may answer: the group's name, who it is (ADDRESS:PORT or a function's ARN) and how probable it is."""

    group: str
    id: str
    probability: float


# how a request may end
ANSWER = "answer"
CONNECTED = "connected"
NO_ADDRESS = "no address"
UNREACHABLE = "unreachable"
TIMEOUT = "timeout"
REFUSED = "refused"
TLS_FAILURE = "TLS failure"
CLOSED = "closed without an answer"


class Expected(msgspec.Struct, kw_only=True):
    """What should come of it. None: not to be foretold from the configuration (the target decides, or Kunren's trace
    does not know this part yet; `unsure` says which). `edge` is the place whose edge location is reached, `endpoints`
    are the addresses to which an accelerator may lead the flow, by endpoint group's region."""

    outcome: str | None = None
    rcode: str | None = None
    addresses: tuple[str, ...] | None = None
    statuses: tuple[int, ...] | None = None
    location: str | None = None
    certificate: str | None = None
    fingerprint: str | None = None
    verified: bool | None = None
    answered_by: str | None = None
    edge: str | None = None
    endpoints: tuple[Target, ...] = ()
    distribution: str | None = None
    behaviour: str | None = None
    cache: tuple[str, ...] | None = None
    functions: tuple[str, ...] = ()
    origins: tuple[str, ...] | None = None
    targets: tuple[Target, ...] = ()
    unsure: str = ""


class Observed(msgspec.Struct, kw_only=True):
    """What came of it. `target` is who answered, from Envoy's own counts or the kernel's flows; None where nothing was
    counted, or more than one request was. `answered_by`: "load balancer", "target", "function", "edge location"; None:
    not known. `edge` and `endpoint` (ADDRESS:PORT) are where the kernel of an edge location has the flow and to whom it
    gave it. Of a distribution, `cache` is X-Cache and the rest is what the edge service noted of this request."""

    outcome: str
    rcode: str | None = None
    addresses: tuple[str, ...] = ()
    address: str | None = None
    source: str | None = None
    source_port: int | None = None
    certificate: tuple[str, ...] | None = None
    fingerprint: str | None = None
    verified: bool | None = None
    status: int | None = None
    location: str | None = None
    server: str | None = None
    request_id: str | None = None
    answered_by: str | None = None
    edge: str | None = None
    endpoint: str | None = None
    distribution: str | None = None
    behaviour: str | None = None
    cache: str | None = None
    functions: tuple[str, ...] = ()
    origins: tuple[str, ...] | None = None
    target: str | None = None
    seconds: float = 0.0
    error: str = ""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    what: str
    expected: str
    observed: str


class Report(msgspec.Struct, kw_only=True):
    """`agrees` is None where nothing was sent."""

    request: Request
    steps: tuple[Step, ...]
    expected: Expected
    observed: Observed | None = None
    agrees: bool | None = None
    differences: tuple[Difference, ...] = ()


def as_json(report: Report) -> Any:
    """The report as plain values."""
    return msgspec.to_builtins(report)
