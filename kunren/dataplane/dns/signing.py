"""DNSSEC: the records a signed zone has, and the signatures that its answers get while they are given.

ECDSA on P-256 with SHA-256 (RFC 6605, algorithm 13), as Route 53 signs. An answer is signed as it leaves, with the
zone-signing key, so policies and aliases need no thought; the DNSKEY records carry the signatures that the key-signing
keys made elsewhere. What does not exist is denied by one record made up for the question: the name is there, with the
types it has or none, and nothing comes between it and its successor (RFC 9824; wildcards are signed as what they stand
for). Signatures of one UTC day share their dates, so that one made is good for the day. Dates are wall time: what a
validating client compares them with. Pure but for the kept signatures. Refuses to know how keys are kept.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import NOERROR, Answer, find_node
from kunren.dataplane.dns.zones import CNAME, DNSKEY, DS, MX, NS, NSEC, PTR, RRSIG, SOA, SRV, Records, RRset, Zone

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ALGORITHM, DIGEST = 13, 2
ZONE_KEY, SECURE_ENTRY_POINT = 256, 257
DNSKEY_TTL_S = 3600
DAY_S = 86_400
BEFORE_S = 3600
"""A client's clock may be slow by as much."""
VALID_S = 9 * DAY_S
"""From the beginning of the day of signing: a day of giving it out, and a week, the longest TTL of a signed record."""
SIGNATURES_KEPT_MAX = 20_000
_NAPTR = 35
_header = struct.Struct("!HBBIIIH")
_record = struct.Struct("!HHIH")
_IN = 1


def dnskey(flags: int, public_key: bytes) -> bytes:
    """A DNSKEY record's data; the key is the curve point, 64 bytes."""
    return struct.pack("!HBB", flags, 3, ALGORITHM) + public_key


def key_tag(rdata: bytes) -> int:
    """RFC 4034 appendix B."""
    total = sum(each << 8 if index % 2 == 0 else each for index, each in enumerate(rdata))
    return (total + (total >> 16)) & 0xFFFF


def ds_digest(owner: bytes, rdata: bytes) -> bytes:
    """What a DS record says of a DNSKEY record (RFC 4509)."""
    return hashlib.sha256(owner + rdata).digest()


def rrsig_head(rrset: RRset, signer: bytes, tag: int, inception: int, expiration: int) -> bytes:
    """All of an RRSIG record's data but the signature (RFC 4034 section 3.1)."""
    labels = names.label_count(rrset.name) - rrset.name.startswith(b"\x01*")
    numbers = _header.pack(rrset.rtype, ALGORITHM, labels, rrset.ttl, expiration, inception, tag)
    return numbers + signer


def expiration(rrsig: bytes) -> int:
    """When an RRSIG record's signature expires, in wall time (RFC 4034 section 3.1.5)."""
    return int(_header.unpack_from(rrsig)[4])


def to_sign(head: bytes, rrset: RRset) -> bytes:
    """The bytes that a signature is over (RFC 4034 section 3.1.8.1)."""
    owner = rrset.name
    records = sorted({canonical(rrset.rtype, each) for each in rrset.rdatas})
    return head + b"".join(owner + _record.pack(rrset.rtype, _IN, rrset.ttl, len(each)) + each for each in records)


def canonical(rtype: int, rdata: bytes) -> bytes:
    """The data with the names in it in lower case, for the types of RFC 4034 section 6.2. No length of a label is a
    letter, so a name is lowered as one."""
    if rtype in (NS, CNAME, PTR):
        return rdata.lower()
    if rtype == SOA:
        return rdata[:-20].lower() + rdata[-20:]
    numbers = {MX: 2, SRV: 6}.get(rtype)
    if rtype == _NAPTR:
        numbers = 4
        for _ in range(3):
            numbers += 1 + rdata[numbers]
    return rdata[:numbers] + rdata[numbers:].lower() if numbers is not None else rdata


def raw_signature(der: bytes) -> bytes:
    """A signature as DNS has it, r and s of 32 bytes each (RFC 6605 section 4), from the form that others give it."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    r, s = decode_dss_signature(der)
    return r.to_bytes(32) + s.to_bytes(32)


class ZoneSigner:
    """The zone-signing key (PEM, PKCS 8), and the data of the RRSIG records that the DNSKEY records carry. Keeps
    signatures of the day."""

    def __init__(self, zone: bytes, private_key_pem: str, key_signatures: tuple[bytes, ...]) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key: EllipticCurvePrivateKey = load_pem_private_key(private_key_pem.encode(), None)  # type: ignore[assignment]
        self._zone = zone
        self._key = key
        self._algorithm = ec.ECDSA(SHA256())
        self._tag = key_tag(dnskey(ZONE_KEY, public_point(key)))
        self.key_signatures = key_signatures
        self._day = 0
        self._kept: dict[tuple[bytes, int, int, frozenset[bytes]], bytes] = {}

    def sign(self, rrset: RRset, now: float) -> RRset:
        """The records with their signatures, as of that wall time."""
        if rrset.rtype == DNSKEY:
            return rrset._replace(signatures=self.key_signatures)
        day = int(now // DAY_S)
        if day != self._day or len(self._kept) >= SIGNATURES_KEPT_MAX:
            self._kept.clear()
            self._day = day
        key = rrset.name, rrset.rtype, rrset.ttl, frozenset(rrset.rdatas)
        signature = self._kept.get(key)
        if signature is None:
            begin = day * DAY_S
            head = rrsig_head(rrset, self._zone, self._tag, begin - BEFORE_S, begin + VALID_S)
            signature = head + raw_signature(self._key.sign(to_sign(head, rrset), self._algorithm))
            self._kept[key] = signature
        return rrset._replace(signatures=(signature,))


def public_point(key: EllipticCurvePrivateKey) -> bytes:
    """The 64 bytes that a DNSKEY record has of the key's public half."""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32) + numbers.y.to_bytes(32)


def day_ends(now: float) -> float:
    """Until when, in wall time, signatures made now stay the ones to be given."""
    return (now // DAY_S + 1) * DAY_S


def signed(zone: Zone, rtype: int, name: bytes, reply: Answer, now: float) -> Answer:
    """The zone's answer to the question as one gets it who wants DNSSEC; as it is, where the zone is not signed."""
    signer = zone.signing
    if signer is None:
        return reply
    answer = tuple(signer.sign(each, now) for each in reply.answer)
    kinds = [each.rtype for each in reply.authority]
    if SOA in kinds:
        if reply.answer:
            name = reply.answer[-1].rdatas[0].lower()  # where the last CNAME led
        denial = _denial(zone, name, rtype, min(each.ttl for each in reply.authority))
        if rtype == NSEC:
            return replace(reply, rcode=NOERROR, answer=(*answer, signer.sign(denial, now)), authority=())
        authority = tuple(signer.sign(each, now) for each in (*reply.authority, denial))
        return replace(reply, rcode=NOERROR, answer=answer, authority=authority)
    if NS in kinds and reply.authority[0].name in zone.cuts:
        return replace(reply, answer=answer, authority=(*reply.authority, _delegation(zone, signer, reply, now)))
    return replace(reply, answer=answer, authority=tuple(signer.sign(each, now) for each in reply.authority))


def _delegation(zone: Zone, signer: ZoneSigner, reply: Answer, now: float) -> RRset:
    """Whether the zone below is signed: its DS records, or the word that there are none. Its NS records are its own to
    sign."""
    cut, _, ttl, *_ = reply.authority[0]
    found = zone.nodes[cut].get(DS)
    if isinstance(found, Records):
        return signer.sign(RRset(cut, DS, found.ttl, found.rdatas), now)
    return signer.sign(_denial(zone, cut, DS, ttl), now)


def _denial(zone: Zone, name: bytes, rtype: int, ttl: int) -> RRset:
    node = find_node(zone, name) or {}
    present = {NS, DS} & set(node) if name in zone.cuts else set(node)
    types = (present - {rtype, CNAME}) | {RRSIG, NSEC}
    return RRset(name, NSEC, ttl, (successor(name) + type_bitmap(types),))


def successor(name: bytes) -> bytes:
    """The name that comes right after in canonical order (RFC 4034 section 6.1): the least one below it, or, below a
    name that is too long for that, the next beside it."""
    if len(name) + 2 <= names.NAME_LENGTH_MAX:
        return b"\x01\0" + name
    end = name[0]
    follows = name[end] + 1 if name[end] + 1 not in range(ord("A"), ord("Z") + 1) else ord("Z") + 1
    return name[:end] + bytes((min(follows, 0xFF),)) + name[end + 1 :]


def type_bitmap(types: Iterable[int]) -> bytes:
    """RFC 4034 section 4.1.2."""
    windows: dict[int, bytearray] = {}
    for each in sorted(types):
        window = windows.setdefault(each >> 8, bytearray())
        window.extend(bytes(((each & 0xFF) >> 3) + 1 - len(window)))
        window[(each & 0xFF) >> 3] |= 0x80 >> (each & 7)
    return b"".join(bytes((number, len(bits))) + bytes(bits) for number, bits in windows.items())
