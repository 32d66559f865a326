"""Values in XML by the model: `XmlWriters` for answers (query, ec2, rest-xml), `XmlReaders` for rest-xml's bodies.

A writer appends text to a list of pieces; a reader takes the elements that carry one member's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kunren.wire.catalog import Member, Service, Shape
from kunren.wire.message import malformed_xml
from kunren.wire.protocols import scalars
from kunren.wire.protocols.xml import Element, escape

Writer = Callable[[Any, list[str]], None]
Reader = Callable[[Sequence[Element]], Any]


_ELSEWHERE = ("header", "headers", "statusCode")


def flat_name(member: Member, shape: Shape, tag: str) -> str:
    """The element that a flattened list repeats: the list's own where the member says so, else its elements'."""
    assert shape.member is not None
    return tag if member.flattened else shape.member.location_name or tag


def namespace_attribute(namespace: Mapping[str, str] | str | None) -> str:
    """` xmlns="..."` or nothing."""
    if not namespace:
        return ""
    if isinstance(namespace, str):
        return f' xmlns="{escape(namespace)}"'
    prefix = f":{namespace['prefix']}" if namespace.get("prefix") else ""
    return f' xmlns{prefix}="{escape(namespace["uri"])}"'


class XmlWriters:
    """Compiles writers for one service. `flat` lists and maps repeat their own element."""

    def __init__(self, service: Service, timestamp_default: str = scalars.ISO8601) -> None:
        self._service = service
        self._timestamp_default = timestamp_default
        self._made: dict[str, Writer] = {}

    def members(self, shape: Shape, only: frozenset[str] | None = None) -> Writer:
        """Writes a structure's members, without an element around them."""
        made = self._made.get(shape.name) if only is None else None
        if made is not None:
            return made
        writers: list[tuple[str, Writer]] = []

        def write(value: Mapping[str, Any], out: list[str]) -> None:
            get = value.get
            for name, writer in writers:
                item = get(name)
                if item is not None:
                    writer(item, out)

        if only is None:
            self._made[shape.name] = write
        for name, member in shape.members.items():
            if member.location not in _ELSEWHERE and not member.xml_attribute and (only is None or name in only):
                writers.append((name, self.element(member, member.location_name or name)))
        return write

    def element(self, member: Member, tag: str) -> Writer:
        """Writes one member as an element (or, flattened, as several)."""
        shape = self._service.target(member)
        if shape.type == "list":
            return self._list(member, shape, tag)
        if shape.type == "map":
            return self._map(member, shape, tag)
        opening = f"<{tag}{namespace_attribute(member.xml_namespace or shape.xml_namespace)}"
        closing = f"</{tag}>"
        if shape.type == "structure":
            return self._structure(shape, opening, closing)
        opening += ">"
        form = scalars.text_formatter(member, shape, self._timestamp_default)

        def write(value: Any, out: list[str]) -> None:
            out.append(f"{opening}{escape(form(value))}{closing}")

        return write

    def _structure(self, shape: Shape, opening: str, closing: str) -> Writer:
        inner = self.members(shape)
        attributes = [
            (name, member.location_name or name) for name, member in shape.members.items() if member.xml_attribute
        ]

        def write(value: Mapping[str, Any], out: list[str]) -> None:
            out.append(opening)
            for name, attribute in attributes:
                if value.get(name) is not None:
                    out.append(f' {attribute}="{escape(str(value[name]))}"')
            out.append(">")
            inner(value, out)
            out.append(closing)

        return write

    def _list(self, member: Member, shape: Shape, tag: str) -> Writer:
        assert shape.member is not None
        if shape.flattened or member.flattened:
            each = self.element(shape.member, flat_name(member, shape, tag))

            def write_flat(value: Any, out: list[str]) -> None:
                for item in value:
                    if item is not None:
                        each(item, out)

            return write_flat
        inner = self.element(shape.member, shape.member.location_name or "member")
        opening = f"<{tag}{namespace_attribute(member.xml_namespace or shape.xml_namespace)}>"
        closing = f"</{tag}>"

        def write(value: Any, out: list[str]) -> None:
            out.append(opening)
            for item in value:
                if item is not None:
                    inner(item, out)
            out.append(closing)

        return write

    def _map(self, member: Member, shape: Shape, tag: str) -> Writer:
        assert shape.key is not None and shape.value is not None
        flat = shape.flattened or member.flattened
        entry = tag if flat else "entry"
        key_writer = self.element(shape.key, shape.key.location_name or "key")
        value_writer = self.element(shape.value, shape.value.location_name or "value")
        attribute = namespace_attribute(member.xml_namespace or shape.xml_namespace)

        def write(value: Mapping[str, Any], out: list[str]) -> None:
            if not flat:
                out.append(f"<{tag}{attribute}>")
            for key, item in value.items():
                if item is not None:
                    out.append(f"<{entry}>")
                    key_writer(key, out)
                    value_writer(item, out)
                    out.append(f"</{entry}>")
            if not flat:
                out.append(f"</{tag}>")

        return write


class XmlReaders:
    """Compiles readers for one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[str, Callable[[Element], dict[str, Any]]] = {}

    def structure(self, shape: Shape, only: frozenset[str] | None = None) -> Callable[[Element], dict[str, Any]]:
        made = self._made.get(shape.name) if only is None else None
        if made is not None:
            return made
        members: dict[str, tuple[str, Reader]] = {}
        attributes: dict[str, str] = {}

        def read(element: Element) -> dict[str, Any]:
            grouped: dict[str, list[Element]] = {}
            for child in element.children:
                grouped.setdefault(child.name, []).append(child)
            out: dict[str, Any] = {}
            for wire_name, (name, reader) in members.items():
                if wire_name in grouped:
                    out[name] = reader(grouped[wire_name])
            for attribute, name in attributes.items():
                if attribute in element.attributes:
                    out[name] = element.attributes[attribute]
            return out

        if only is None:
            self._made[shape.name] = read
        for name, member in shape.members.items():
            if only is not None and name not in only:
                continue
            if member.xml_attribute:
                attributes[(member.location_name or name).rpartition(":")[2]] = name
                continue
            target = self._service.target(member)
            wire_name = member.location_name or name
            if target.type == "list" and (target.flattened or member.flattened) and target.member is not None:
                wire_name = flat_name(member, target, wire_name)
            members[wire_name] = (name, self.reader(member))
        return read

    def reader(self, member: Member) -> Reader:
        shape = self._service.target(member)
        if shape.type == "structure":
            return self._one_structure(shape)
        if shape.type == "list":
            return self._list(member, shape)
        if shape.type == "map":
            return self._map(member, shape)
        parse = scalars.text_parser(member, shape)

        def read(elements: Sequence[Element]) -> Any:
            element = _only(elements)
            if element.children:
                raise malformed_xml()
            try:
                return parse(element.text)
            except ValueError:
                raise malformed_xml() from None

        return read

    def _one_structure(self, shape: Shape) -> Reader:
        inner = self.structure(shape)

        def read(elements: Sequence[Element]) -> Any:
            return inner(_only(elements))

        return read

    def _list(self, member: Member, shape: Shape) -> Reader:
        assert shape.member is not None
        inner = self.reader(shape.member)
        flat = shape.flattened or member.flattened
        item_name = shape.member.location_name or "member"

        def read(elements: Sequence[Element]) -> list[Any]:
            if flat:
                return [inner([element]) for element in elements]
            return [inner([child]) for child in _only(elements).children if child.name == item_name]

        return read

    def _map(self, member: Member, shape: Shape) -> Reader:
        assert shape.key is not None and shape.value is not None
        inner = self.reader(shape.value)
        flat = shape.flattened or member.flattened
        key_name = shape.key.location_name or "key"
        value_name = shape.value.location_name or "value"

        def read(elements: Sequence[Element]) -> dict[str, Any]:
            entries = elements if flat else _only(elements).children
            out: dict[str, Any] = {}
            for entry in entries:
                key, value = entry.child(key_name), entry.child(value_name)
                if key is None:
                    raise malformed_xml()
                if value is not None:
                    out[key.text] = inner([value])
            return out

        return read


def _only(elements: Sequence[Element]) -> Element:
    if len(elements) != 1:
        raise malformed_xml()
    return elements[0]
