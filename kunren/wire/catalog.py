"""AWS's service models, as botocore ships them: which services there are, and every shape they speak.

How it works. Two levels, so that 400 services cost nothing at start. The *index* has a line of metadata for every
service (a committed table, `services.json`, made by `python -m kunren.wire.catalog`; where the installed botocore is
another version, the first kilobytes of each model are read instead). A *model* is read when its service is first
asked for: gunzipped and decoded straight into structs, so that documentation never becomes an object. Corrections to
what a model mis-states come from `model_patches.json`.

What it refuses to know: bytes on the wire, and `import botocore` (only its data folder is used).
"""

from __future__ import annotations

import gzip
import importlib.util
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

_HERE = Path(__file__).parent
INDEX_FILE = _HERE / "services.json"
PATCHES_FILE = _HERE / "model_patches.json"


class UnknownService(LookupError):
    """No model has that name."""


class Member(msgspec.Struct, rename="camel", gc=False):
    """A reference to a shape: a structure's member, a list's member, a map's key or value, an operation's input."""

    shape: str
    location: str | None = None
    location_name: str | None = None
    query_name: str | None = None
    flattened: bool = False
    streaming: bool = False
    jsonvalue: bool = False
    xml_attribute: bool = False
    xml_namespace: dict[str, str] | str | None = None
    timestamp_format: str | None = None
    idempotency_token: bool = False
    host_label: bool = False
    enum: list[str] | None = None
    result_wrapper: str | None = None
    eventpayload: bool = False


class ErrorTrait(msgspec.Struct, rename="camel", gc=False):
    code: str | None = None
    http_status_code: int | None = None
    sender_fault: bool = False


class Shape(msgspec.Struct, rename="camel"):
    """One shape of a model. `name` is filled in after decoding."""

    type: str
    name: str = ""
    members: dict[str, Member] = {}
    required: list[str] = []
    member: Member | None = None
    key: Member | None = None
    value: Member | None = None
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    enum: list[str] | None = None
    payload: str | None = None
    flattened: bool = False
    streaming: bool = False
    sparse: bool = False
    wrapper: bool = False
    union: bool = False
    document: bool = False
    sensitive: bool = False
    eventstream: bool = False
    exception: bool = False
    fault: bool = False
    error: ErrorTrait | None = None
    timestamp_format: str | None = None
    location_name: str | None = None
    xml_namespace: dict[str, str] | str | None = None
    box: bool = False


class Http(msgspec.Struct, rename="camel", gc=False):
    method: str = "POST"
    request_uri: str = "/"
    response_code: int = 200


class Endpoint(msgspec.Struct, rename="camel", gc=False):
    host_prefix: str | None = None


class Operation(msgspec.Struct, rename="camel"):
    """One operation of a model; `input` and `output` name shapes."""

    name: str
    http: Http = msgspec.field(default_factory=Http)
    input: Member | None = None
    output: Member | None = None
    errors: list[Member] = []
    endpoint: Endpoint | None = None
    deprecated: bool = False


class Metadata(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """A model's own description, as far as routing needs it."""

    api_version: str
    endpoint_prefix: str
    protocol: str
    protocols: list[str] = []
    service_id: str = ""
    service_full_name: str = ""
    signing_name: str = ""
    target_prefix: str = ""
    json_version: str = ""
    xml_namespace: str = ""
    global_endpoint: str = ""
    aws_query_compatible: dict[str, Any] | None = None

    @property
    def signs_as(self) -> str:
        return self.signing_name or self.endpoint_prefix

    @property
    def speaks(self) -> list[str]:
        return self.protocols or [self.protocol]


class _Model(msgspec.Struct):
    metadata: Metadata
    operations: dict[str, Operation]
    shapes: dict[str, Shape]


class Service:
    """One service's model: `operations` and `shapes` by name, and `patches`, what `model_patches.json` says of it."""

    __slots__ = ("_by_error_code", "metadata", "name", "operations", "patches", "shapes")

    def __init__(self, name: str, model: _Model, patches: Mapping[str, Any]) -> None:
        self.name = name
        self.metadata = model.metadata
        self.operations = model.operations
        self.shapes = model.shapes
        self.patches = patches
        self._by_error_code: dict[str, Shape] | None = None
        for shape_name, shape in self.shapes.items():
            shape.name = shape_name
        for operation_name, operation in self.operations.items():
            operation.name = operation_name  # CloudFront's models add a date inside

    def target(self, member: Member) -> Shape:
        """The shape that a reference names."""
        return self.shapes[member.shape]

    def input_shape(self, operation: Operation) -> Shape | None:
        return self.shapes[operation.input.shape] if operation.input is not None else None

    def output_shape(self, operation: Operation) -> Shape | None:
        return self.shapes[operation.output.shape] if operation.output is not None else None

    def error_shape(self, code: str) -> Shape | None:
        """The modelled error of that name, or with that wire code; None where the model has none."""
        if self._by_error_code is None:
            found: dict[str, Shape] = {}
            for shape in self.shapes.values():
                if shape.exception or shape.error is not None:
                    if shape.error is not None and shape.error.code:
                        found.setdefault(shape.error.code, shape)
                    found[shape.name] = shape
            self._by_error_code = found
        return self._by_error_code.get(code)


class Catalog:
    """All services. One for the whole process is enough: models never change once read."""

    def __init__(self, data_dir: Path | None = None) -> None:
        self.data_dir = data_dir or botocore_data_dir()
        self._services: dict[str, Service] = {}
        self._index: dict[str, Metadata] | None = None
        self._patches: dict[str, Any] | None = None

    @property
    def index(self) -> Mapping[str, Metadata]:
        """Every service's metadata by the name of its folder in botocore."""
        if self._index is None:
            version, index = read_index()
            self._index = index if version == botocore_version(self.data_dir) else scan(self.data_dir)
        return self._index

    @property
    def patches(self) -> Mapping[str, Any]:
        if self._patches is None:
            loaded: dict[str, Any] = msgspec.json.decode(PATCHES_FILE.read_bytes())
            self._patches = loaded
        return self._patches

    def service(self, name: str) -> Service:
        """The model of a service, read at the first call. Raises UnknownService."""
        found = self._services.get(name)
        if found is None:
            found = self._services[name] = self._read(name)
        return found

    def _read(self, name: str) -> Service:
        path = latest_model(self.data_dir / name) if name and "/" not in name and "." not in name else None
        if path is None:
            raise UnknownService(name)
        raw = path.read_bytes()
        model = _DECODER.decode(gzip.decompress(raw) if path.suffix == ".gz" else raw)
        patches = self.patches.get("services", {}).get(name, {})
        for shape_name, patch in patches.get("shapes", {}).items():
            _patch(model.shapes[shape_name], patch)
        for shape_name, code in patches.get("errorCodes", {}).items():
            if shape_name in model.shapes:
                trait = model.shapes[shape_name].error or ErrorTrait()
                model.shapes[shape_name].error = msgspec.structs.replace(trait, code=code)
        return Service(name, model, patches)


_DECODER = msgspec.json.Decoder(_Model)


def service_from_description(name: str, description: Mapping[str, Any]) -> Service:
    """A service from a model given as a dictionary (conformance suites)."""
    return Service(name, msgspec.convert(description, _Model, strict=False), {})


def _patch(target: Any, patch: Mapping[str, Any]) -> None:
    """Set attributes; `members` goes one level down, a member that is not there is added."""
    for name, value in patch.items():
        if name != "members":
            setattr(target, name, value)
            continue
        for member, change in value.items():
            if member in target.members:
                _patch(target.members[member], change)
            else:
                target.members[member] = msgspec.convert(change, Member)


def botocore_data_dir() -> Path:
    """Where the installed botocore keeps its models, without importing it."""
    spec = importlib.util.find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("botocore is not installed; `pip install botocore` brings AWS's service models")
    return Path(spec.submodule_search_locations[0]) / "data"


def botocore_version(data_dir: Path) -> str:
    """The version in botocore's own source, or "" where it cannot be found."""
    source = data_dir.parent / "__init__.py"
    if not source.exists():
        return ""
    with source.open() as lines:
        for line in lines:
            if line.startswith("__version__"):
                return line.split("=", 1)[1].strip().strip("'\"")
    return ""


def latest_model(folder: Path) -> Path | None:
    """The newest `service-2.json(.gz)` of a service's folder."""
    if not folder.is_dir():
        return None
    for version in sorted((each for each in folder.iterdir() if each.is_dir()), reverse=True):
        for name in ("service-2.json.gz", "service-2.json"):
            if (version / name).exists():
                return version / name
    return None


def read_index(path: Path = INDEX_FILE) -> tuple[str, dict[str, Metadata]]:
    """The committed table: (the botocore version it was made from, metadata by service)."""
    table = msgspec.json.decode(path.read_bytes(), type=_Index)
    return table.botocore, table.services


class _Index(msgspec.Struct):
    botocore: str
    services: dict[str, Metadata]


def scan(data_dir: Path) -> dict[str, Metadata]:
    """Metadata of every service, from the first kilobytes of its model (`metadata` comes before `operations`)."""
    found: dict[str, Metadata] = {}
    for folder in sorted(data_dir.iterdir()):
        path = latest_model(folder)
        if path is not None:
            found[folder.name] = _read_metadata(path)
    return found


def _read_metadata(path: Path) -> Metadata:
    if path.suffix == ".gz":
        with path.open("rb") as file:
            head = zlib.decompressobj(31).decompress(file.read(4096), 16384)
        start, end = head.find(b'"metadata"'), head.find(b'"operations"')
        if 0 <= start < end:
            text = head[start:end].rstrip().rstrip(b",")
            return msgspec.json.decode(b"{" + text + b"}", type=_OnlyMetadata).metadata
        return msgspec.json.decode(gzip.decompress(path.read_bytes()), type=_OnlyMetadata).metadata
    return msgspec.json.decode(path.read_bytes(), type=_OnlyMetadata).metadata


class _OnlyMetadata(msgspec.Struct):
    metadata: Metadata


def main() -> None:
    """Write `services.json` from the installed botocore."""
    data_dir = botocore_data_dir()
    table = _Index(botocore_version(data_dir), scan(data_dir))
    lines = [f'{{"botocore": "{table.botocore}", "services": {{']
    lines.append(",\n".join(f'"{name}": {_line(meta)}' for name, meta in table.services.items()))
    lines.append("}}")
    INDEX_FILE.write_text("\n".join(lines) + "\n")
    sys.stdout.write(f"{INDEX_FILE}: {len(table.services)} services of botocore {table.botocore}\n")


def _line(metadata: Metadata) -> str:
    return msgspec.json.encode(metadata).decode()


if __name__ == "__main__":
    main()
