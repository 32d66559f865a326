"""Checksums of objects: digesting what arrives, and what a whole object's follows from its parts'.

"Checking object integrity in Amazon S3". A checksum is full-object (of the content) or composite (of the parts' own
checksums, with their number behind a hyphen). CRCs of parts combine into the CRC of the whole (`combined`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

ALGORITHMS = (
    "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128",
)  # fmt: skip
DEFAULT = "CRC64NVME"
COMPOSITE, FULL_OBJECT = "COMPOSITE", "FULL_OBJECT"
_POLYNOMIALS = {"CRC32": (32, 0xEDB88320), "CRC32C": (32, 0x82F63B78), "CRC64NVME": (64, 0x9A6C9329AC4BC9B5)}


def member(algorithm: str) -> str:
    """The model's member for a checksum of that kind: ChecksumCRC32."""
    return f"Checksum{algorithm}"


class Hash(Protocol):
    def update(self, piece: Any, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A CRC as hashlib would have it."""

    def __init__(self, run: Callable[[Any, int], int], size: int) -> None:
        self._run, self._size, self._value = run, size, 0

    def update(self, piece: Any, /) -> None:
        self._value = self._run(piece, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


def new(algorithm: str) -> Hash:
    """An empty digest of one of `ALGORITHMS`."""
    if algorithm == "CRC32":
        return _Crc(zlib.crc32, 4)
    if algorithm in ("CRC32C", "CRC64NVME"):
        from awscrt import checksums as crt  # type: ignore[import-untyped]

        return _Crc(crt.crc32c, 4) if algorithm == "CRC32C" else _Crc(crt.crc64nvme, 8)
    if algorithm.startswith("XXHASH"):
        import xxhash

        made: Hash = {"XXHASH64": xxhash.xxh64, "XXHASH3": xxhash.xxh3_64, "XXHASH128": xxhash.xxh3_128}[algorithm]()
        return made
    return hashlib.new(algorithm.lower(), usedforsecurity=False)


def encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def well_formed(algorithm: str, text: str) -> bool:
    """Whether `text` could be a checksum of that kind."""
    try:
        return len(base64.b64decode(text, validate=True)) == len(new(algorithm).digest())
    except (binascii.Error, ValueError):
        return False


def type_for(algorithm: str, asked: str | None) -> str:
    """The checksum type of a multipart upload. Raises ValueError for one that the algorithm does not have."""
    able = {"CRC64NVME": (FULL_OBJECT,), "CRC32": (COMPOSITE, FULL_OBJECT), "CRC32C": (COMPOSITE, FULL_OBJECT)}
    types = able.get(algorithm, (COMPOSITE,))
    if asked and asked not in types:
        raise ValueError(asked)
    return asked or types[0]


class PartSum(NamedTuple):
    """A part's checksum and the part's size in bytes."""

    checksum: str
    size: int


def of_parts(algorithm: str, kind: str, parts: Sequence[PartSum]) -> str:
    """The checksum of an object from those of its parts, in order."""
    if kind == FULL_OBJECT:
        return combined(algorithm, parts)
    whole = new(algorithm)
    for each in parts:
        whole.update(base64.b64decode(each.checksum))
    return f"{encoded(whole.digest())}-{len(parts)}"


def combined(algorithm: str, parts: Iterable[PartSum]) -> str:
    """The CRC of contents that follow each other, from the CRC and size of each."""
    bits, polynomial = _POLYNOMIALS[algorithm]
    total = 0
    for each in parts:
        own = int.from_bytes(base64.b64decode(each.checksum), "big")
        total = _shifted(total, each.size, bits, polynomial) ^ own if total else own
    return encoded(total.to_bytes(bits // 8, "big"))


def _shifted(crc: int, count: int, bits: int, polynomial: int) -> int:
    """The CRC as `count` zero bytes would change it: multiplication by x^(8·count) modulo the polynomial."""
    power, square = 1 << (bits - 1), 1 << (bits - 1 - 8)  # x^0 and x^8, reflected
    while count:
        if count & 1:
            power = _product(power, square, bits, polynomial)
        square = _product(square, square, bits, polynomial)
        count >>= 1
    return _product(crc, power, bits, polynomial)


def _product(a: int, b: int, bits: int, polynomial: int) -> int:
    """a·b modulo the polynomial, all with their bits reflected."""
    out = 0
    for place in range(bits - 1, -1, -1):
        if a >> place & 1:
            out ^= b
        b = (b >> 1) ^ polynomial if b & 1 else b >> 1
    return out


def etag_of_parts(etags: Sequence[str]) -> str:
    """The entity tag of a multipart object: the MD5 of its parts' MD5s, and how many they are."""
    whole = hashlib.md5(b"".join(bytes.fromhex(each) for each in etags), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(etags)}"
