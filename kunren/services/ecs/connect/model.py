"""What services offer in a namespace of Service Connect, and what a task's proxy is ("Service Connect concepts")."""

from __future__ import annotations

import msgspec

HTTP, HTTP2, GRPC, TCP = "http", "http2", "grpc", "tcp"


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A port of a service's tasks under a name and port that all of the namespace can use (its client alias).

    `registry` is the id of its Cloud Map service. Clients' proxies send to `ingress_port` of a task, where the task's
    proxy takes the traffic for `container_port` (0: to a port of the instance that is free when the task starts). Times
    are AWS's; 0 is none."""

    port_name: str
    discovery_name: str
    registry: str
    dns_name: str
    port: int
    protocol: str = TCP
    container: str = ""
    container_port: int
    ingress_port: int
    idle_s: float
    request_s: float
    test_header: str = ""
    """Requests that have it (with that value, if one is stated) are test traffic; empty where there is none."""
    test_value: str | None = None


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """Of a deployment: the namespace (its id) that its tasks are in, what they offer, and all that was offered when it
    began. Its tasks know that and no more, however late they start; who serves an offer is known at any time."""

    namespace: str
    offers: tuple[Offer, ...] = ()
    known: tuple[Offer, ...] = ()


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """Of a task: the id of its attachment, the proxy's name, and what the task offers through it. A task without an
    interface of its own is reached at its instance's `address`, by one of the `ports` for each offer."""

    id: str
    name: str
    offers: tuple[Offer, ...] = ()
    address: str = ""
    ports: tuple[int, ...] = ()
