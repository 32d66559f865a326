"""Form parameters of the query and ec2 protocols: `A.member.1.B=x` as a tree, and the tree as parameters.

`parse_form` splits and decodes, refusing bad UTF-8, parameters given twice, and names too deep. A tree is a plain
text (a leaf) or a dictionary of trees. `FormReaders` turns a tree into parameters by the model; the two protocols
differ in how members and list elements are named, which is `naming`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from kunren.core.errors import WireError
from kunren.wire.catalog import Member, Service, Shape
from kunren.wire.message import Message, malformed_input
from kunren.wire.protocols import scalars

Tree = dict[str, Any]
Reader = Callable[[Any], Any]
MAX_DEPTH = 64
MAX_PARAMETERS = 20_000
KEPT_BYTES_MAX = 65536


def decode_component(text: bytes) -> str:
    """One percent-encoded name or value, `+` meaning a space. Raises WireError where it is no UTF-8."""
    if b"+" in text:
        text = text.replace(b"+", b" ")
    if b"%" in text:
        text = unquote_to_bytes(text)
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise WireError("MalformedQueryString", "The query string contains bytes that are not UTF-8", 400) from None


def parse_pairs(text: bytes, into: dict[str, str]) -> dict[str, str]:
    """Add the pairs of a form body or query string. A parameter given twice with two values is refused."""
    if not text:
        return into
    count = text.count(b"&") + 1
    if count > MAX_PARAMETERS:
        raise WireError("MalformedQueryString", f"The query string contains more than {MAX_PARAMETERS} parameters", 400)
    if b"%" not in text and b"+" not in text:  # nothing is encoded: decoded once, as a whole
        pairs = [part.partition("=")[::2] for part in decode_component(text).split("&") if part]
    else:
        halves = (part.partition(b"=") for part in text.split(b"&") if part)
        pairs = [(decode_component(name), decode_component(value)) for name, _, value in halves]
    for name, value in pairs:
        if into.setdefault(name, value) != value:
            raise WireError("InvalidQueryParameter", f"The parameter {name} is given more than once", 400)
    return into


def form_pairs(request: Message) -> dict[str, str]:
    """The parameters of the query string and, for a POST, of the body; not to be changed by the caller.

    The router needs the action and the protocol needs the rest, one right behind the other: the last ones are kept.
    """
    body = request.body if request.method == "POST" else b""
    read = _pairs if len(body) <= KEPT_BYTES_MAX else _pairs.__wrapped__
    return read(body, request.query)


@lru_cache(maxsize=1)
def _pairs(body: bytes, query: str) -> dict[str, str]:
    return parse_pairs(body, parse_pairs(query.encode("utf-8", "surrogateescape"), {}))


def tree_of(pairs: Mapping[str, str]) -> Tree:
    """Dotted names as nested dictionaries. Raises MalformedInput where a name is both a value and a structure."""
    root: Tree = {}
    for name, value in pairs.items():
        if "." not in name:
            _leaf(root, name, value)
            continue
        *parents, last = name.split(".")
        if len(parents) > MAX_DEPTH:
            raise malformed_input("The request is nested too deeply")
        node = root
        for parent in parents:
            below = node.get(parent)
            if below.__class__ is not dict:
                if below:
                    raise malformed_input("Start of structure or map found where not expected.")
                below = node[parent] = {}
            node = below
        _leaf(node, last, value)
    return root


def _leaf(node: Tree, name: str, value: str) -> None:
    if name in node and node[name].__class__ is dict:
        if value:
            raise malformed_input("Start of structure or map found where not expected.")
        return
    node[name] = value


class Naming:
    """How the query protocol names things; ec2 differs (see `Ec2Naming`)."""

    def member(self, name: str, member: Member) -> str:
        return member.location_name or name

    def list_step(self, shape: Shape, member: Member) -> str | None:
        """The extra step between a list's name and its indices."""
        assert shape.member is not None
        if shape.flattened or member.flattened:
            return None
        return shape.member.location_name or "member"

    def map_step(self, shape: Shape, member: Member) -> str | None:
        return None if shape.flattened or member.flattened else "entry"

    def flattened_name(self, shape: Shape) -> str | None:
        """A flattened list of named elements goes under the elements' name instead of its own."""
        assert shape.member is not None
        return shape.member.location_name if shape.flattened else None


class FormReaders:
    """Compiles readers of trees for one service."""

    def __init__(self, service: Service, naming: Naming) -> None:
        self._service = service
        self._naming = naming
        self._made: dict[tuple[str, bool], Reader] = {}

    def structure(self, shape: Shape) -> Reader:
        members: dict[str, tuple[str, Reader]] = {}

        def read(tree: Any) -> dict[str, Any]:
            if tree.__class__ is not dict:
                if tree == "":
                    return {}
                raise malformed_input("Unexpected value where a structure is expected")
            out = {}
            for key, item in tree.items():
                known = members.get(key)
                if known is not None:
                    out[known[0]] = known[1](item)
            return out

        self._made[(shape.name, False)] = read
        for name, member in shape.members.items():
            target = self._service.target(member)
            wire_name = self._naming.member(name, member)
            if target.type == "list":
                wire_name = self._naming.flattened_name(target) or wire_name
            members[wire_name] = (name, self.reader(member, wire_name))
        return read

    def reader(self, member: Member, name: str) -> Reader:
        shape = self._service.target(member)
        if shape.type in ("structure", "list", "map"):
            flat = shape.flattened or member.flattened
            made = self._made.get((shape.name, flat))
            if made is not None:
                return made
            if shape.type == "structure":
                return self._made.get((shape.name, False)) or self.structure(shape)
            return self._list(shape, member, flat) if shape.type == "list" else self._map(shape, member, flat)
        return scalar_reader(scalars.text_parser(member, shape), name, shape.type)

    def _list(self, shape: Shape, member: Member, flat: bool) -> Reader:
        assert shape.member is not None
        inner: Reader
        step = self._naming.list_step(shape, member)

        def read(tree: Any) -> list[Any]:
            if tree.__class__ is not dict:
                if tree == "":
                    return []
                raise malformed_input("Start of list expected")
            below = tree.get(step, tree) if step is not None else tree
            if below == "":
                return []
            return [inner(below[index]) for index in _indices(below)]

        self._made[(shape.name, flat)] = read
        inner = self.reader(shape.member, step or "member")
        return read

    def _map(self, shape: Shape, member: Member, flat: bool) -> Reader:
        assert shape.key is not None and shape.value is not None
        inner: Reader
        step = self._naming.map_step(shape, member)
        key_name = shape.key.location_name or "key"
        value_name = shape.value.location_name or "value"

        def read(tree: Any) -> dict[str, Any]:
            if tree.__class__ is not dict:
                if tree == "":
                    return {}
                raise malformed_input("Start of map expected")
            below = tree.get(step, tree) if step is not None else tree
            if below == "":
                return {}
            out: dict[str, Any] = {}
            for index in _indices(below):
                entry = below[index]
                if entry.__class__ is not dict or entry.get(key_name).__class__ is not str:
                    raise malformed_input("A map entry has no key")
                if value_name in entry:
                    out[entry[key_name]] = inner(entry[value_name])
            return out

        self._made[(shape.name, flat)] = read
        inner = self.reader(shape.value, "value")
        return read


def _indices(tree: Any) -> list[str]:
    """A list's keys in order. Raises MalformedInput where one is no number."""
    if tree.__class__ is not dict:
        raise malformed_input("Start of list expected")
    try:
        return sorted(tree, key=_index)
    except ValueError:
        raise malformed_input("A list index is not a number") from None


def _index(key: str) -> int:
    if not (key.isascii() and key.isdigit() and len(key) < 10):
        raise ValueError(key)
    return int(key)


def scalar_reader(parse: Callable[[str], Any], name: str, kind: str) -> Reader:
    """A reader of a leaf; `BadScalar` tells the protocol which parameter was wrong."""
    if parse is str:

        def read_text(tree: Any) -> str:
            if tree.__class__ is not str:
                raise malformed_input("Start of structure or map found where not expected.")
            return tree

        return read_text

    def read(tree: Any) -> Any:
        if tree.__class__ is not str:
            raise malformed_input("Start of structure or map found where not expected.")
        try:
            return parse(tree)
        except ValueError:
            raise BadScalar(name, tree, kind) from None

    return read


class BadScalar(WireError):
    """A parameter's text is not of its type; each protocol has its own code for it."""

    def __init__(self, name: str, text: str, kind: str) -> None:
        super().__init__("MalformedInput", f"{text} can not be converted to {_KINDS.get(kind, kind)}", 400)
        self.name = name
        self.text = text
        self.kind = kind


_KINDS = {
    "integer": "an Integer",
    "long": "a Long",
    "boolean": "a Boolean",
    "timestamp": "a Timestamp",
    "double": "a Double",
    "float": "a Float",
    "blob": "a Blob",
}
