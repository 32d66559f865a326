"""XML in and out, as plain text and light trees.

Reading is expat with every door closed: a document type declaration, an entity of its own, a document too deep or
with too many elements is refused as malformed, so that neither billions of laughs nor external entities exist.
Names lose their namespace prefix, as AWS's parsers ignore it. Writing is string building; only text is escaped.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from kunren.wire.message import malformed_xml

MAX_DEPTH = 128
MAX_ELEMENTS = 500_000


class Element:
    """An element: its local name, attributes by local name, children in order and its text."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.text = ""

    def child(self, name: str) -> Element | None:
        return next((each for each in self.children if each.name == name), None)


class _Refused(Exception):
    pass


class _Builder:
    __slots__ = ("_count", "_open", "root")

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        above = self._open
        if len(above) >= MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise _Refused
        if attributes:
            attributes = {_local(key): value for key, value in attributes.items()}
        element = Element(_local(tag), attributes)
        if above:
            above[-1].children.append(element)
        else:
            self.root = element
        above.append(element)

    def end(self, tag: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text

    def refuse(self, *ignored: object) -> int:
        raise _Refused


def parse_xml(body: bytes) -> Element:
    """The root element. Raises MalformedXML."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    parser.ExternalEntityRefHandler = builder.refuse
    parser.buffer_size = max(len(body), 1)  # so that a text arrives in one piece, and appending stays cheap
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, _Refused, ValueError, LookupError):
        raise malformed_xml() from None
    if builder.root is None:
        raise malformed_xml()
    return builder.root


def _local(name: str) -> str:
    return name.rpartition(":")[2] if ":" in name else name


_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def escape(text: str) -> str:
    """Text for an element or attribute; characters that XML 1.0 cannot hold become U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found.group(), "\ufffd"), text)
