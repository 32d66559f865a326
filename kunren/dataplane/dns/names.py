"""Domain names: the text that Route 53 shows and the bytes that DNS carries.

Inside the DNS data plane a name is always its wire form in lower case (RFC 1035, section 3.1): a label's length, the
label, and so on, ended by a zero byte. One bytes object is a dictionary key and can be cut at any label. As text, a
name is written as Route 53 writes it: lower case, a trailing dot, every byte but `a-z 0-9 - _` as `\\ooo` (octal).
Refuses to know what any name is for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ROOT = b"\0"
NAME_LENGTH_MAX = 255
LABEL_LENGTH_MAX = 63
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
_COMMON = re.compile(r"[A-Za-z0-9_\-*]+(?:\.[A-Za-z0-9_\-*]+)*\.?\Z")
_ESCAPE = re.compile(r"\\([0-3][0-7]{2})")


class BadName(ValueError):
    """The text is no domain name. `problem` and `explanation` are the words Route 53 has for it."""

    def __init__(self, problem: str, explanation: str, text: str) -> None:
        super().__init__(f"{problem} ({explanation}) encountered with '{text}'")
        self.problem = problem
        self.explanation = explanation
        self.text = text


def to_wire(text: str) -> bytes:
    """The name in wire form, lower-cased; the trailing dot may be absent. Raises BadName."""
    if text == ".":
        return ROOT
    if not text:
        raise BadName("DomainNameEmpty", "Domain name is empty", text)
    labels = text.removesuffix(".").encode("latin-1", "replace").split(b".") if _COMMON.match(text) else _labels(text)
    out = bytearray()
    for label in labels:
        if not label:
            raise BadName("DomainLabelEmpty", "Domain label is empty", text)
        if len(label) > LABEL_LENGTH_MAX:
            raise BadName("DomainLabelTooLong", "Domain label is too long", text)
        out.append(len(label))
        out += label
    out.append(0)
    if len(out) > NAME_LENGTH_MAX:
        raise BadName("DomainNameTooLong", "Domain name is too long", text)
    return bytes(out).lower()


def _labels(text: str) -> list[bytes]:
    labels, current, position = [], bytearray(), 0
    while position < len(text):
        char = text[position]
        if char == "\\":
            escape = _ESCAPE.match(text, position)
            if escape is None:
                raise BadName("UnsupportedCharacter", "Value contains unsupported characters", text)
            current.append(int(escape[1], 8))
            position += 4
            continue
        if char == ".":
            labels.append(bytes(current))
            current = bytearray()
        elif "!" <= char <= "~":
            current.append(ord(char))
        else:
            raise BadName("UnsupportedCharacter", "Value contains unsupported characters", text)
        position += 1
    if current or not text.endswith("."):
        labels.append(bytes(current))
    return labels


def labels_of(name: bytes) -> list[bytes]:
    """The labels of a wire name, leftmost first, without the root's empty one."""
    labels, position = [], 0
    while length := name[position]:
        labels.append(name[position + 1 : position + 1 + length])
        position += 1 + length
    return labels


def to_text(name: bytes) -> str:
    """A wire name as Route 53 writes it, with the trailing dot."""
    if name == ROOT:
        return "."
    return "".join(_escaped(label) + "." for label in labels_of(name))


def _escaped(label: bytes) -> str:
    if label.replace(b"-", b"").replace(b"_", b"").isalnum():
        return label.decode().lower()
    return "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in label.lower())


def suffixes(name: bytes) -> Iterator[bytes]:
    """The name itself, its parent, and so on; the root is the last."""
    position = 0
    while length := name[position]:
        yield name[position:]
        position += 1 + length
    yield ROOT


def parent(name: bytes) -> bytes:
    """The name without its leftmost label; the root's parent is the root."""
    return name[1 + name[0] :] or ROOT


def label_count(name: bytes) -> int:
    count = position = 0
    while length := name[position]:
        position += 1 + length
        count += 1
    return count


def is_within(name: bytes, zone: bytes) -> bool:
    """Whether the name is the zone's apex or lies below it, by whole labels."""
    if not name.endswith(zone):
        return False
    position, start = 0, len(name) - len(zone)
    while position < start:
        position += 1 + name[position]
    return position == start


def sort_key(name: bytes) -> str:
    """What Route 53 sorts names by: the labels reversed, joined and ended by dots ("com.example.www."), byte by byte.

    A dot or backslash inside a label is written out as its escape, so that keys of different names differ.
    """
    return "".join(_keyed(label) + "." for label in reversed(labels_of(name)))


def _keyed(label: bytes) -> str:
    return label.replace(b"\\", b"\\134").replace(b".", b"\\056").decode("latin-1")


def from_sort_key(key: str) -> bytes:
    """The wire name that `sort_key` was made from."""
    keyed = [label.encode("latin-1") for label in key.split(".")[:-1]]
    labels = [label.replace(b"\\056", b".").replace(b"\\134", b"\\") for label in keyed]
    return b"".join(bytes((len(label),)) + label for label in reversed(labels)) + ROOT
