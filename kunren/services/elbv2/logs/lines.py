"""One entry of Envoy's as one line of AWS's logs. Pure: what a line needs besides the entry is in `Context`.

"Access log entries" and "Connection log entries" in the Application Load Balancer guide. A value that is unknown or
does not apply is "-", times of a request that reached no target are -1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kunren.services.elbv2.dataplane.routing import GROUP_HEADER

NONE = "-"
CLIENT_GONE = 460
REFUSED = (400, 405, 414, 463)
"""What the load balancer says of itself to requests that are not for any rule."""


class Served(NamedTuple):
    """A certificate of the listener: its ARN, DNS names in order, and whether its key is on an elliptic curve."""

    arn: str
    names: tuple[str, ...]
    elliptic: bool


@dataclass(frozen=True, slots=True)
class Context:
    """`balancer` is `app/NAME/ID`, `groups` what a target group's `NAME/ID` follows in its ARN; `aws` turns the wall
    clock's seconds into AWS time; `salt` makes connection ids of one Envoy differ from the next one's."""

    balancer: str
    dns_name: str
    protocol: str  # the listener's
    port: int
    groups: str
    aws: Callable[[float], float]
    salt: str
    new_trace: Callable[[float], str]
    certificates: tuple[Served, ...] = ()


def access_line(entry: Any, context: Context) -> str:
    """A line of the access log from an `HTTPAccessLogEntry`."""
    common, request, response = entry.common_properties, entry.request, entry.response
    tags = {each: common.custom_tags[each] for each in common.custom_tags}
    begun = _seconds(common.start_time)
    ended = begun + _seconds(common.duration)
    reason = _reason(tags)
    status, target_status = _statuses(entry, reason)
    target = _address(common.upstream_remote_address)
    refused = response.response_code_details == "lua_response" and response.response_code.value in REFUSED
    priority, actions = _route("" if refused else common.route_name)
    if response.response_code_details.startswith("ext_authz"):  # ended by the first of them
        actions = actions.partition(",")[0]
    secure = context.protocol == "HTTPS"
    headers = request.request_headers
    fields = [
        _type(entry, secure),
        _instant(context.aws(ended)),
        context.balancer,
        _address(common.downstream_direct_remote_address),
        target,
        *_times(common, actions),
        status,
        target_status,
        str(common.downstream_wire_bytes_received),
        str(common.downstream_wire_bytes_sent),
        _quoted(_request_line(entry, context, _path(request, tags))),
        _quoted(request.user_agent.replace('"', "\\x22") or NONE),
        tags.get("cipher", NONE),
        tags.get("protocol", NONE),
        _group(common.upstream_cluster, headers, context),
        _quoted(headers["x-amzn-trace-id"] if "x-amzn-trace-id" in headers else context.new_trace(context.aws(begun))),
        _quoted(common.tls_properties.tls_sni_hostname or NONE),
        _quoted(_certificate(tags, context) if secure else NONE),
        priority,
        _instant(context.aws(begun)),
        _quoted(actions),
        _quoted(response.response_headers["location"] if actions.endswith("redirect") else NONE),
        _quoted(reason),
        _quoted(target),
        _quoted(target_status),
        _quoted(NONE),  # classification
        _quoted(NONE),  # classification_reason
        _connection(tags, common, context),
        *_transformed(tags),
    ]
    return " ".join(fields)


def connection_line(entry: Any, context: Context) -> str:
    """A line of the connection log from a `TCPAccessLogEntry`."""
    common = entry.common_properties
    tags = {each: common.custom_tags[each] for each in common.custom_tags}
    secure = context.protocol == "HTTPS"
    client = common.downstream_direct_remote_address.socket_address
    validity = f"NotBefore={tags['not_before']};NotAfter={tags['not_after']}" if "not_after" in tags else NONE
    failure = common.downstream_transport_failure_reason
    shaken = "protocol" in tags
    latency = f"{float(tags.get('handshake_ms', '0')):.3f}" if shaken and not failure else NONE
    fields = [
        _instant(context.aws(_seconds(common.start_time))),
        client.address,
        str(client.port_value),
        str(context.port),
        tags.get("protocol", NONE),
        tags.get("cipher", NONE),
        latency,
        _quoted(tags["subject"]) if tags.get("subject") else NONE,
        validity,
        tags["serial"].upper() if tags.get("serial") else NONE,
        _verify_status(failure, shaken) if secure else NONE,
        _connection(tags, common, context),
        tags.get("group", NONE),
    ]
    return " ".join(fields)


_FAILURES = (
    ("revoked", "ClientCertCrlHit"),
    ("expired", "ClientCertExpired"),
    ("not yet valid", "ClientCertNotYetValid"),
    ("chain too long", "ClientCertMaxChainDepthExceeded"),
    ("unsupported", "ClientCertTypeUnsupported"),
    ("purpose", "ClientCertPurposeInvalid"),
    ("certificate verify failed", "ClientCertUntrusted"),
    ("certificate_verify_failed", "ClientCertUntrusted"),
)


def _verify_status(failure: str, shaken: bool) -> str:
    if not failure and shaken:
        return "Success"
    said = failure.lower()
    return "Failed:" + next((code for word, code in _FAILURES if word in said), "UnmappedConnectionError")


def _reason(tags: dict[str, str]) -> str:
    """Why the load balancer refused, or why a function did not answer."""
    told = (tags.get(name, NONE) for name in ("reason", "function"))
    return next((each for each in told if each not in ("", NONE)), NONE)


def _statuses(entry: Any, reason: str) -> tuple[str, str]:
    """(what the client got, what the target said: nothing, where there is a reason)."""
    common, response = entry.common_properties, entry.response
    code = response.response_code.value
    if code == 0 and common.response_flags.downstream_connection_termination:
        return str(CLIENT_GONE), NONE
    target = str(code) if response.response_code_details == "via_upstream" and reason == NONE else NONE
    return (str(code) if code else NONE), target


def _type(entry: Any, secure: bool) -> str:
    headers = entry.request.request_headers
    if entry.response.response_code.value == 101 and headers["upgrade"].lower() == "websocket":
        return "wss" if secure else "ws"
    if entry.protocol_version == 3:  # HTTP/2
        return "grpcs" if headers["content-type"].startswith("application/grpc") else "h2"
    return "https" if secure else "http"


_VERSIONS = {1: "HTTP/1.0", 2: "HTTP/1.1", 3: "HTTP/2.0", 4: "HTTP/3.0"}


def _request_line(entry: Any, context: Context, path: str) -> str:
    request = entry.request
    scheme = "https" if context.protocol == "HTTPS" else "http"
    method = {0: NONE}.get(request.request_method) or _method(request)
    if not path:
        return f"{NONE} {scheme}://{context.dns_name}:{context.port}{NONE} {NONE}"
    version = _VERSIONS.get(entry.protocol_version, NONE)
    return f"{method} {scheme}://{_host(request.authority)}:{context.port}{path} {version}".replace('"', "%22")


def _method(request: Any) -> str:
    field = request.DESCRIPTOR.fields_by_name["request_method"]
    return str(field.enum_type.values_by_number[request.request_method].name)


def _host(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    return host if colon and port.isdigit() else authority


def _times(common: Any, actions: str) -> tuple[str, str, str]:
    """Seconds until the request went to a target, until the target began to answer, until the client was sent that."""
    if not common.HasField("time_to_first_upstream_tx_byte"):
        return ("-1", "-1", "-1")
    sent, answered = common.time_to_first_upstream_tx_byte, common.time_to_first_upstream_rx_byte
    request = _seconds(sent)
    if not common.HasField("time_to_first_upstream_rx_byte"):
        return (f"{request:.3f}", "-1", "-1")
    last = min(_seconds(common.time_to_last_upstream_tx_byte), _seconds(answered))
    done = max(0.0, _seconds(common.time_to_first_downstream_tx_byte) - _seconds(answered))
    return (f"{request:.3f}", f"{_seconds(answered) - last:.3f}", f"{done:.3f}")


def _route(name: str) -> tuple[str, str]:
    """(priority of the rule that matched, the actions carried out) from a route's name, "10 forward"."""
    priority, _, actions = name.partition(" ")
    return (priority or NONE), (actions or NONE)


def _group(cluster: str, headers: Any, context: Context) -> str:
    if headers[GROUP_HEADER]:
        return str(headers[GROUP_HEADER])
    parts = cluster.split("/")
    return f"{context.groups}{'/'.join(parts[-2:])}" if len(parts) >= 5 else NONE


def _certificate(tags: dict[str, str], context: Context) -> str:
    """The ARN of the certificate that the client was shown: by its names, then by the key its cipher wants."""
    names = tuple(each.strip().lower() for each in tags.get("names", "").split(",") if each.strip())
    common = tags.get("subject", "").partition("CN=")[2].partition(",")[0].lower()
    found = [each for each in context.certificates if each.names == (names or (common,))]
    cipher = tags.get("cipher", "")
    if "-RSA-" in cipher:
        found.sort(key=lambda each: each.elliptic)
    else:
        found.sort(key=lambda each: not each.elliptic)
    return found[0].arn if found else NONE


def _connection(tags: dict[str, str], common: Any, context: Context) -> str:
    identity = f"{context.salt}|{tags.get('connection')}|{_address(common.downstream_direct_remote_address)}"
    return f"TID_{hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()}"


def _path(request: Any, tags: dict[str, str]) -> str:
    """The path and query that the client sent, before any transform."""
    before = tags.get("transform_path", NONE)
    return str(request.original_path or request.path) if before == NONE else before


def _transformed(tags: dict[str, str]) -> Sequence[str]:
    """ "transformed_host" "transformed_uri" "request_transform_status"."""
    return [_quoted(tags.get(f"transform_{each}", NONE) or NONE) for each in ("host", "uri", "status")]


def _address(address: Any) -> str:
    socket = address.socket_address
    host = f"[{socket.address}]" if ":" in socket.address else socket.address
    return f"{host}:{socket.port_value}" if socket.address else NONE


def _seconds(span: Any) -> float:
    """A protobuf Timestamp or Duration."""
    return float(span.seconds + span.nanos / 1e9)


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _quoted(text: str) -> str:
    return f'"{text}"'
