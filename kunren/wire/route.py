"""Which service and operation a request is for, in which protocol, and for whom: pure decisions, one order for all.

The order: credential scope (header or presigned query), `X-Amz-Target`, the rpc-v2-cbor path, `Action`, then host name
and path templates. What a request says of its service twice must agree; a request that says nothing is refused, never
handed to some other service. `Router.route` gives a `Route`; refusals are `Unroutable`, with the protocol in which the
caller can read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kunren.core.context import DEFAULT_REGION, account_of
from kunren.core.errors import WireError
from kunren.wire import hosts
from kunren.wire.catalog import Catalog, Metadata
from kunren.wire.message import Message
from kunren.wire.paths import PathTable
from kunren.wire.protocols.form import form_pairs, parse_pairs
from kunren.wire.protocols.rest import query_values
from kunren.wire.sigv4 import Credential, parse_credential

_FORM = "application/x-www-form-urlencoded"
_NO_LABELS: Mapping[str, str] = {}
_FAMILY = {"rds": ("rds", "docdb", "neptune")}
KNOWN_MAX = 4096


class Route(NamedTuple):
    """Where a request goes. `operation` is "" where only the service could be told (data planes)."""

    service: str
    operation: str
    protocol: str
    account: str
    region: str
    access_key: str
    labels: Mapping[str, str]


class Unroutable(WireError):
    """No service or no operation: AWS's own error, in `protocol`, of `service` ("" where it is not known)."""

    def __init__(
        self, code: str, message: str, status: int, protocol: str, service: str = "", operation: str = ""
    ) -> None:
        super().__init__(code, message, status)
        self.protocol = protocol
        self.service = service
        self.operation = operation


class Router:
    """Reads the catalog's index at the first request; path tables are made per service when first needed."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._tables: dict[str, PathTable] = {}
        self._by_signing: dict[str, tuple[str, ...]] = {}
        self._by_endpoint: dict[str, tuple[str, ...]] = {}
        self._by_target: dict[str, tuple[str, ...]] = {}
        self._known: dict[tuple[str, Credential], Route] = {}
        self._rest: dict[tuple[str, ...], list[str]] = {}
        self._actions: dict[tuple[str, str, tuple[str, ...]], tuple[str, str]] = {}  # → service and protocol

    def _load(self) -> None:
        signing: dict[str, list[str]] = {}
        endpoint: dict[str, list[str]] = {}
        target: dict[str, list[str]] = {}
        for name, metadata in self._catalog.index.items():
            signing.setdefault(metadata.signs_as, []).append(name)
            endpoint.setdefault(metadata.endpoint_prefix, []).append(name)
            if metadata.target_prefix:
                target.setdefault(metadata.target_prefix, []).append(name)
        self._by_signing = {key: tuple(names) for key, names in signing.items()}
        self._by_signing.setdefault("s3express", ("s3",))
        self._by_endpoint = {key: tuple(names) for key, names in endpoint.items()}
        self._by_target = {key: tuple(names) for key, names in target.items()}

    def credential(self, request: Message) -> Credential | None:
        return parse_credential(request.headers, request.query)

    def route(self, request: Message, credential: Credential | None) -> Route:
        """The request's route. Raises Unroutable."""
        headers = request.headers
        target = headers.get("x-amz-target")
        if target is not None and credential is not None and credential.region:
            known = self._known.get((target, credential))
            if known is not None:
                return known
        if not self._by_signing:
            self._load()
        says = hosts.NOTHING
        host = headers.get("host", "")
        if host and not host.startswith(("127.", "localhost")):
            says = hosts.read_host(_without_port(host), self._by_endpoint)
        key = credential.access_key if credential is not None else ""
        region = (credential.region if credential is not None else "") or says.region or DEFAULT_REGION
        who = (account_of(key), region.replace("*", "") or DEFAULT_REGION, key)
        if target is not None:
            found = self._by_target_header(target, credential, who)
            if credential is not None and credential.region:
                if len(self._known) >= KNOWN_MAX:
                    self._known.clear()
                self._known[(target, credential)] = found
            return found
        if request.path.startswith("/service/") and ("smithy-protocol" in headers or "/operation/" in request.path):
            rpc = self._by_rpc_path(request, who)
            if rpc is not None:
                return rpc
        if says.data_plane:
            return self._data_plane(request, says.data_plane, who)
        candidates = self._candidates(request, credential, says)
        if says.bucket or candidates == ("s3",):
            return self._s3(request, says.bucket, who)
        action = self._action(request, candidates)
        if action is not None:
            return self._by_action(*action, candidates, who)
        return self._by_path(request, candidates, who)

    def _data_plane(self, request: Message, service: str, who: tuple[str, str, str]) -> Route:
        """A host that carries users' traffic, not API calls; but `/STAGE/@connections/ID` is API Gateway's own API."""
        place = request.path.find("/@connections/")
        if service == "execute-api" and place >= 0:
            found = self.table("apigatewaymanagementapi").match(request.method, request.path[place:], {}, {})
            if found is not None:
                return Route("apigatewaymanagementapi", found.operation, "rest-json", *who, found.labels)
        return Route(service, "", "rest-json", *who, _NO_LABELS)

    # --- which service --------------------------------------------------------------------------------------------

    def _candidates(self, request: Message, credential: Credential | None, says: hosts.HostSays) -> tuple[str, ...]:
        """Services that the credential scope names, else those that the host names."""
        if credential is not None and credential.service:
            found = self._by_signing.get(credential.service)
            if found is None and credential.service in self._catalog.index:
                found = (credential.service,)
            if found is None:
                raise Unroutable(
                    "UnknownService", f"No service signs its requests as '{credential.service}'", 404, guess(request)
                )
            if says.services and len(found) > 1:
                narrowed = tuple(name for name in found if name in says.services)
                return narrowed or found
            return found
        if says.services:
            return says.services
        if _has_action(request):
            return ()
        raise Unroutable(
            "MissingAuthenticationToken",
            "The request names no service: it has neither a signature, nor X-Amz-Target, nor an AWS host name",
            403,
            guess(request),
        )

    def _by_target_header(self, target: str, credential: Credential | None, who: tuple[str, str, str]) -> Route:
        prefix, _, name = target.rpartition(".")
        services = self._by_target.get(prefix, ())
        if len(services) > 1:
            services = tuple(each for each in services if name in self._catalog.service(each).operations) or services
        if not services:
            raise Unroutable("UnknownOperationException", f"No service has the target {target[:256]}", 400, "json")
        service = services[0]
        if credential is not None and credential.service:
            signed = self._by_signing.get(credential.service, (credential.service,))
            if service not in signed:
                raise Unroutable(
                    "UnknownOperationException",
                    f"{credential.service} has no target {target[:256]}",
                    400,
                    "json",
                    signed[0] if signed[0] in self._catalog.index else "",
                )
        if name not in self._catalog.service(service).operations:
            raise Unroutable(
                "UnknownOperationException",
                f"The operation {name[:256]} is not one of {service}'s",
                400,
                "json",
                service,
                name,
            )
        return Route(service, name, "json", *who, _NO_LABELS)

    def _by_rpc_path(self, request: Message, who: tuple[str, str, str]) -> Route | None:
        parts = request.path.split("/")
        if len(parts) != 5 or parts[3] != "operation":
            return None
        services = self._by_target.get(parts[2], ())
        if not services:
            raise Unroutable(
                "UnknownOperationException", f"No service has the target {parts[2][:256]}", 404, "smithy-rpc-v2-cbor"
            )
        service = next((each for each in services if parts[4] in self._catalog.service(each).operations), "")
        if not service or request.method != "POST":
            raise Unroutable(
                "UnknownOperationException",
                f"The operation {parts[4][:256]} is not one of {services[0]}'s",
                404,
                "smithy-rpc-v2-cbor",
                services[0],
                parts[4],
            )
        return Route(service, parts[4], "smithy-rpc-v2-cbor", *who, _NO_LABELS)

    # --- query and ec2 --------------------------------------------------------------------------------------------

    def _action(self, request: Message, candidates: tuple[str, ...]) -> tuple[str, str] | None:
        """(Action, Version) of a form request, or None where it is none of the query protocols'."""
        index = self._catalog.index
        speaks = not candidates or any(_query_protocol(index[each]) for each in candidates if each in index)
        if not speaks or request.method not in ("GET", "POST"):
            return None
        form = request.headers.get("content-type", "").startswith(_FORM)
        if not form and "Action=" not in request.query:
            only_query = all(_query_protocol(index[each]) for each in candidates)
            if only_query and candidates:
                raise self._missing_action(candidates)
            return None
        pairs = form_pairs(request) if form else parse_pairs(request.query.encode("utf-8", "surrogateescape"), {})
        action = pairs.get("Action")
        if not action:
            if candidates and not all(_query_protocol(index[each]) for each in candidates):
                return None
            raise self._missing_action(candidates)
        return action, pairs.get("Version", "")

    def _missing_action(self, candidates: tuple[str, ...]) -> Unroutable:
        service = candidates[0] if candidates else ""
        protocol = (_query_protocol(self._catalog.index[service]) or "query") if service else "query"
        return Unroutable("MissingAction", "The request must contain the parameter Action", 400, protocol, service)

    def _by_action(self, action: str, version: str, candidates: tuple[str, ...], who: tuple[str, str, str]) -> Route:
        if (known := self._actions.get((action, version, candidates))) is not None:
            return Route(known[0], action, known[1], *who, _NO_LABELS)
        index = self._catalog.index
        names = candidates or tuple(name for name, each in index.items() if each.api_version == version)
        able = [name for name in names if _query_protocol(index[name])]
        fitting = [name for name in able if index[name].api_version == version] or (able if not version else [])
        first = _family_order(fitting or able)
        if not first:
            raise Unroutable("InvalidAction", f"No service has the action {action[:256]}", 400, "query")
        for name in _family_order(fitting):
            if action in self._catalog.service(name).operations:
                found = self._actions[action, version, candidates] = (name, _query_protocol(index[name]))
                return Route(found[0], action, found[1], *who, _NO_LABELS)
        service = first[0]
        protocol = _query_protocol(index[service])
        if not fitting:
            versions = ", ".join(index[name].api_version for name in able)
            raise Unroutable(
                "NoSuchVersion",
                f"The requested version ({version[:64]}) of service {service} does not exist; known: {versions}",
                400,
                protocol,
                service,
            )
        text = f"The action {action[:256]} is not valid for this web service."
        if protocol == "query":
            text = f"Could not find operation {action[:256]} for version {version or index[service].api_version}"
        raise Unroutable("InvalidAction", text, 400, protocol, service, action)

    # --- REST -----------------------------------------------------------------------------------------------------

    def table(self, service: str) -> PathTable:
        found = self._tables.get(service)
        if found is None:
            found = self._tables[service] = PathTable(self._catalog.service(service))
        return found

    def _rest_of(self, candidates: tuple[str, ...]) -> list[str]:
        """Those whose operations are told by path; S3 last, since its templates fit everything."""
        found = self._rest.get(candidates)
        if found is None:
            index = self._catalog.index
            found = [name for name in candidates if name in index and index[name].protocol.startswith("rest")]
            found.sort(key=lambda name: name == "s3")
            self._rest[candidates] = found
        return found

    def _by_path(self, request: Message, candidates: tuple[str, ...], who: tuple[str, str, str]) -> Route:
        query = query_values(request.query)
        index = self._catalog.index
        rest = self._rest_of(candidates)
        for name in rest:
            if name == "s3":
                return self._s3(request, "", who)
            found = self.table(name).match(request.method, request.path, query, request.headers)
            if found is not None:
                return Route(name, found.operation, index[name].protocol, *who, found.labels)
        service = rest[0] if rest else (candidates[0] if candidates else "")
        protocol = index[service].protocol if service in index else guess(request)
        if not rest:
            raise Unroutable(
                "UnknownOperationException", f"The request names no operation of {service}", 400, protocol, service
            )
        raise Unroutable(
            "UnknownOperationException",
            f"{service} has no operation at {request.method} {request.path[:256]}",
            404,
            protocol,
            service,
        )

    def _s3(self, request: Message, bucket: str, who: tuple[str, str, str]) -> Route:
        """S3 by path style or, with `bucket`, by virtual host. The operation is "" where none fits."""
        path = request.path
        if bucket:
            path = f"/{bucket}" + (path if path != "/" else "")
        method = "GET" if request.method == "HEAD" and path == "/" else request.method
        query = query_values(request.query)
        if method == "OPTIONS":
            name, _, key = path[1:].partition("/")
            return Route("s3", "Preflight", "rest-xml", *who, {"Bucket": name, "Key": key})
        found = self.table("s3").match(method, path, query, request.headers)
        if found is None and request.method == "POST" and path.count("/") == 1:
            return Route("s3", "PostObject", "rest-xml", *who, {"Bucket": path[1:]})
        if found is None:
            raise Unroutable(
                "MethodNotAllowed", "The specified method is not allowed against this resource.", 405, "rest-xml", "s3"
            )
        return Route("s3", found.operation, "rest-xml", *who, found.labels)


def _query_protocol(metadata: Metadata) -> str:
    """The form protocol that the service speaks (services that moved on from it still answer it), or ""."""
    speaks = metadata.speaks
    if "ec2" in speaks:
        return "ec2"
    return "query" if "query" in speaks or metadata.aws_query_compatible is not None else ""


def _family_order(names: list[str]) -> list[str]:
    """Services that share everything else are asked in a fixed order: rds before docdb and neptune."""
    order = {name: place for family in _FAMILY.values() for place, name in enumerate(family)}
    return sorted(names, key=lambda name: order.get(name, 0))


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0][1:]
    return host.partition(":")[0]


def _has_action(request: Message) -> bool:
    return "Action=" in request.query or (
        request.method == "POST" and request.headers.get("content-type", "").startswith(_FORM)
    )


def guess(request: Message) -> str:
    """The protocol that a caller most likely reads, for errors before any service is known."""
    headers = request.headers
    if "x-amz-target" in headers:
        return "json"
    if "smithy-protocol" in headers:
        return "smithy-rpc-v2-cbor"
    if _has_action(request):
        return "query"
    kind = headers.get("content-type", "")
    if "x-amz-json" in kind:
        return "json"
    if "xml" in kind:
        return "rest-xml"
    return "rest-json"
