"""CBOR (RFC 8949), as much of it as smithy-rpc-v2-cbor uses: items to plain values and back.

Tag 1 (epoch time) decodes to a datetime; bignums (tags 2 and 3) to integers; other tags are dropped from their item.
Anything malformed, cut short, too deep, or followed by more bytes raises ValueError.
"""

from __future__ import annotations

import struct
from datetime import datetime
from typing import Any

from kunren.wire.protocols import scalars

MAX_DEPTH = 128
_BREAK = object()


class Timestamp(float):
    """Seconds since 1970 that go out under tag 1."""

    __slots__ = ()


def decode(data: bytes) -> Any:
    """The one item that `data` holds. Raises ValueError."""
    reader = _Reader(data)
    value = reader.item(0)
    if value is _BREAK or reader.position != len(data):
        raise ValueError("not one CBOR item")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise ValueError("CBOR ends too early")
        out = self._data[self.position : end]
        self.position = end
        return out

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise ValueError("reserved CBOR length")
        return int.from_bytes(self._take(1 << (info - 24)), "big")

    def item(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError("CBOR nested too deeply")
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            return self._simple(info)
        if info == 31:
            return self._indefinite(major, depth)
        argument = self._argument(info)
        match major:
            case 0:
                return argument
            case 1:
                return -1 - argument
            case 2:
                return self._take(argument)
            case 3:
                return self._take(argument).decode()
            case 4:
                self._plausible(argument)
                return [self._value(depth) for _ in range(argument)]
            case 5:
                self._plausible(2 * argument)
                return self._pairs(argument, depth)
            case _:
                return self._tagged(argument, depth)

    def _plausible(self, count: int) -> None:
        if count > len(self._data) - self.position:
            raise ValueError("CBOR ends too early")

    def _value(self, depth: int) -> Any:
        value = self.item(depth + 1)
        if value is _BREAK:
            raise ValueError("CBOR break out of place")
        return value

    def _pairs(self, count: int, depth: int) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for _ in range(count):
            key = self._value(depth)
            out[self._key(key)] = self._value(depth)
        return out

    @staticmethod
    def _key(key: Any) -> Any:
        if not isinstance(key, str | int):
            raise ValueError("CBOR map key is no text")
        return key

    def _indefinite(self, major: int, depth: int) -> Any:
        if major in (2, 3):
            pieces: list[Any] = []
            while (piece := self.item(depth + 1)) is not _BREAK:
                if not isinstance(piece, bytes if major == 2 else str):
                    raise ValueError("CBOR chunk of another type")
                pieces.append(piece)
            return b"".join(pieces) if major == 2 else "".join(pieces)
        if major == 4:
            items = []
            while (item := self.item(depth + 1)) is not _BREAK:
                items.append(item)
            return items
        if major == 5:
            out: dict[Any, Any] = {}
            while (key := self.item(depth + 1)) is not _BREAK:
                out[self._key(key)] = self._value(depth)
            return out
        raise ValueError("CBOR item cannot be indefinite")

    def _tagged(self, tag: int, depth: int) -> Any:
        value = self._value(depth)
        if tag == 1:
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise ValueError("CBOR timestamp is no number")
            return scalars.from_epoch(value)
        if tag in (2, 3):
            if not isinstance(value, bytes):
                raise ValueError("CBOR bignum is no byte string")
            number = int.from_bytes(value, "big")
            return number if tag == 2 else -1 - number
        return value

    def _simple(self, info: int) -> Any:
        match info:
            case 20:
                return False
            case 21:
                return True
            case 22 | 23:
                return None
            case 25:
                return struct.unpack(">e", self._take(2))[0]
            case 26:
                return struct.unpack(">f", self._take(4))[0]
            case 27:
                return struct.unpack(">d", self._take(8))[0]
            case 31:
                return _BREAK
            case _:
                raise ValueError("CBOR simple value unknown")


def encode(value: Any) -> bytes:
    out = bytearray()
    _encode(value, out)
    return bytes(out)


def _head(major: int, argument: int, out: bytearray) -> None:
    major <<= 5
    if argument < 24:
        out.append(major | argument)
    elif argument < 0x100:
        out += bytes((major | 24, argument))
    elif argument < 0x10000:
        out += struct.pack(">BH", major | 25, argument)
    elif argument < 0x1_0000_0000:
        out += struct.pack(">BI", major | 26, argument)
    else:
        out += struct.pack(">BQ", major | 27, argument)


def _encode(value: Any, out: bytearray) -> None:
    kind = value.__class__
    if kind is str:
        raw = value.encode("utf-8", "replace")
        _head(3, len(raw), out)
        out += raw
    elif kind is bool:
        out.append(0xF5 if value else 0xF4)
    elif kind is int:
        _encode_integer(value, out)
    elif kind is Timestamp:
        out.append(0xC1)
        out += struct.pack(">Bd", 0xFB, value)
    elif kind is float:
        out += struct.pack(">Bd", 0xFB, value)
    elif kind is dict:
        _head(5, len(value), out)
        for key, item in value.items():
            _encode(key, out)
            _encode(item, out)
    elif kind in (list, tuple):
        _head(4, len(value), out)
        for item in value:
            _encode(item, out)
    elif kind in (bytes, bytearray, memoryview):
        _head(2, len(value), out)
        out += value
    elif value is None:
        out.append(0xF6)
    elif isinstance(value, datetime):
        _encode(Timestamp(scalars.epoch(value)), out)
    else:
        raise TypeError(f"{kind.__name__} has no CBOR form here")


def _encode_integer(value: int, out: bytearray) -> None:
    magnitude = value if value >= 0 else -1 - value
    if magnitude >= 1 << 64:
        raw = magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big")
        out.append(0xC2 if value >= 0 else 0xC3)
        _head(2, len(raw), out)
        out += raw
        return
    _head(0 if value >= 0 else 1, magnitude, out)
