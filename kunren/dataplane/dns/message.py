"""DNS messages on the hot path: questions read with `struct`, answers assembled from prepared bytes.

Only what a name server needs (RFC 1035 section 4.1, EDNS of RFC 6891, client subnets of RFC 7871). A packet that is no
question gives None (to be met with silence) or a `Bad` with the code to answer. dnspython is used where speed does not
matter, and in tests.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import FORMERR, NOTIMP, REFUSED, Answer
from kunren.dataplane.dns.zones import RRSIG, RRset

UDP_PLAIN_MAX = 512
UDP_EDNS_MAX = 4096
TCP_MAX = 65535
BADVERS = 16
SUBNET_BITS_MAX = {4: 24, 16: 48}
"""How much of a client's subnet counts, by the size of its address: no answer differs within it."""
_IN, _OPT, _CLIENT_SUBNET = 1, 41, 8
_QR, _AA, _TC, _RD, _RA, _CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
_TRANSFERS = frozenset((249, 250, 251, 252, 253, 254))  # TKEY, TSIG, IXFR, AXFR, MAILB, MAILA
_header = struct.Struct("!HHHHHH")
_fixed = struct.Struct("!HHIH")
_pair = struct.Struct("!HH")


@dataclass(slots=True)
class Query:
    """A well-formed question. `question` is its bytes as sent (the case of letters comes back), `name` lower-case.
    `subnet` is the client subnet as text, `client_subnet` the option's bytes (without scope), which come back too; a
    prefix of no bits names no subnet."""

    id: int
    flags: int
    question: bytes
    name: bytes
    rtype: int
    udp_size: int = UDP_PLAIN_MAX
    edns: bool = False
    do: bool = False
    subnet: str | None = None
    client_subnet: bytes = b""


@dataclass(slots=True)
class Bad:
    """A packet to be refused with a bare header (and OPT where the extended code needs it)."""

    id: int
    flags: int
    rcode: int
    question: bytes = b""


def parse_query(packet: bytes) -> Query | Bad | None:
    """Read a question; never raises. None: not a query at all (too short, or itself a response)."""
    if len(packet) < 12:
        return None
    id, flags, questions, answers, authorities, additionals = _header.unpack_from(packet)
    if flags & _QR:
        return None
    if flags & 0x7800:
        return Bad(id, flags, NOTIMP)
    if questions != 1 or answers:
        return Bad(id, flags, FORMERR)
    end = _name_end(packet, 12)
    if end is None or end + 4 > len(packet):
        return Bad(id, flags, FORMERR)
    rtype, rclass = _pair.unpack_from(packet, end)
    question = packet[12 : end + 4]
    if rclass != _IN or rtype in _TRANSFERS or rtype == _OPT:
        return Bad(id, flags, REFUSED, question)
    query = Query(id, flags, question, packet[12:end].lower(), rtype)
    if authorities or additionals:
        rcode = _read_additional(query, packet, end + 4, authorities, additionals)
        if rcode is not None:
            return Bad(id, flags, rcode, question)
    return query


def _name_end(packet: bytes, position: int) -> int | None:
    start = position
    while position < len(packet):
        length = packet[position]
        if not length:
            return position + 1 if position + 1 - start <= names.NAME_LENGTH_MAX else None
        if length > names.LABEL_LENGTH_MAX:
            return None  # a compression pointer has nothing to point to in a question
        position += 1 + length
    return None


def _read_additional(query: Query, packet: bytes, position: int, authorities: int, additionals: int) -> int | None:
    """Find EDNS among the trailing records; the code to answer where they are malformed."""
    for index in range(authorities + additionals):
        end = owner_end(packet, position)
        if end is None or end + 10 > len(packet):
            return FORMERR
        rtype, rclass, ttl, length = _fixed.unpack_from(packet, end)
        position = end + 10 + length
        if position > len(packet):
            return FORMERR
        if rtype != _OPT or index < authorities:
            continue
        if query.edns or end != position - 10 - length or packet[end - 1]:
            return FORMERR
        query.edns = True
        query.udp_size = min(max(rclass, UDP_PLAIN_MAX), UDP_EDNS_MAX)
        query.do = bool(ttl & 0x8000)
        if (ttl >> 16) & 0xFF:
            return BADVERS
        if length and not _read_options(query, packet[end + 10 : position]):
            return FORMERR
    return None


def owner_end(packet: bytes, position: int) -> int | None:
    """Where the owner name of a record ends; None where it is none."""
    while position < len(packet):
        length = packet[position]
        if not length:
            return position + 1
        if length >= 0xC0:
            return position + 2
        if length > names.LABEL_LENGTH_MAX:
            return None
        position += 1 + length
    return None


def _read_options(query: Query, options: bytes) -> bool:
    """Note the client subnet; False where the options are malformed (RFC 7871 section 7.1.2: bits beyond the prefix, a
    scope in a question)."""
    position = 0
    while position < len(options):
        if position + 4 > len(options):
            return False
        code, length = _pair.unpack_from(options, position)
        body = options[position + 4 : position + 4 + length]
        position += 4 + length
        if len(body) != length:
            return False
        if code == _CLIENT_SUBNET and not _read_client_subnet(query, body):
            return False
    return True


def _read_client_subnet(query: Query, body: bytes) -> bool:
    if len(body) < 4:
        return False
    size = {1: 4, 2: 16}.get(int.from_bytes(body[:2], "big"))
    prefix, scope, address = body[2], body[3], body[4:]
    if size is None:
        return True  # a family that nobody here knows is no reason to refuse
    if scope or prefix > size * 8 or len(address) != (prefix + 7) // 8:
        return False
    if prefix % 8 and address[-1] & (0xFF >> prefix % 8):
        return False
    query.client_subnet = body
    if prefix:
        most = SUBNET_BITS_MAX[size]
        packed = address.ljust(size, b"\0"), prefix
        network = IPv4Network(packed) if size == 4 else IPv6Network(packed)
        query.subnet = str(network.supernet(new_prefix=most) if prefix > most else network)
    return True


def build_bad(bad: Bad) -> bytes:
    flags = _QR | (bad.flags & (0x7800 | _RD)) | (bad.rcode & 0xF)
    if bad.rcode <= 0xF:
        return _header.pack(bad.id, flags, bool(bad.question), 0, 0, 0) + bad.question
    opt = b"\0" + _fixed.pack(_OPT, UDP_EDNS_MAX, (bad.rcode >> 4) << 24, 0)
    return _header.pack(bad.id, flags, bool(bad.question), 0, 0, 1) + bad.question + opt


def build_response(query: Query, answer: Answer, *, recursive: bool, limit: int) -> bytes:
    """The answer as a packet of at most `limit` bytes; where it does not fit, TC is set and the answer left out."""
    flags = _QR | (query.flags & (_RD | _CD)) | answer.rcode
    if answer.authoritative and not recursive:
        flags |= _AA
    if recursive:
        flags |= _RA
    opt = _opt(query, answer) if query.edns else b""
    writer = _Writer(query.name, 12 + len(query.question), limit - len(opt))
    counts = [0, 0, 0]
    for section, rrsets in enumerate((answer.answer, answer.authority, answer.additional)):
        for rrset in rrsets:
            if not writer.add(rrset):
                if section == 0 or not answer.answer:
                    return _header.pack(query.id, flags | _TC, 1, 0, 0, 1 if opt else 0) + query.question + opt
                break  # what is not asked for may be left out (RFC 2181 section 9)
            counts[section] += len(rrset.rdatas) + len(rrset.signatures)
    header = _header.pack(query.id, flags, 1, counts[0], counts[1], counts[2] + (1 if opt else 0))
    return b"".join((header, query.question, *writer.parts, opt))


def _opt(query: Query, answer: Answer) -> bytes:
    """EDNS, with the client subnet where one was sent: its scope says for how large a subnet the answer is."""
    options = b""
    if body := query.client_subnet:
        located = answer.located and query.subnet is not None
        scope = SUBNET_BITS_MAX[4 if body[1] == 1 else 16] if located else 0
        options = _pair.pack(_CLIENT_SUBNET, len(body)) + body[:3] + bytes((scope,)) + body[4:]
    return b"\0" + _fixed.pack(_OPT, UDP_EDNS_MAX, 0x8000 if query.do else 0, len(options)) + options


class _Writer:
    """Appends record sets, compressing their owner names against those written before (RFC 1035 section 4.1.4)."""

    def __init__(self, qname: bytes, size: int, limit: int) -> None:
        self.parts: list[bytes] = []
        self._size = size
        self._limit = limit
        self._qname = qname
        self._offsets: dict[bytes, int] | None = None

    def add(self, rrset: RRset) -> bool:
        """Append the whole set with its signatures, or nothing where it does not fit."""
        name = rrset.name
        if name == self._qname:
            owner = b"\xc0\x0c"
        elif len(name) > 1 and names.is_within(self._qname, name):  # the usual case: the zone that the question is in
            owner = _pointer(12 + len(self._qname) - len(name))
        else:
            owner = self._owner(name)
        records = [_fixed.pack(rrset.rtype, _IN, rrset.ttl, len(rdata)) + rdata for rdata in rrset.rdatas]
        if rrset.signatures:
            records += [_fixed.pack(RRSIG, _IN, rrset.ttl, len(rdata)) + rdata for rdata in rrset.signatures]
        first = self._size
        after = owner if len(owner) == 2 or first >= 0x4000 else _pointer(first)
        size = first + len(owner) + sum(map(len, records)) + len(after) * (len(records) - 1)
        if size > self._limit:
            return False
        if len(owner) != 2 and self._offsets is not None and first < 0x4000:
            self._offsets.setdefault(name, first)
        self.parts.append(owner + after.join(records))
        self._size = size
        return True

    def _owner(self, name: bytes) -> bytes:
        if self._offsets is None:
            self._offsets = {}
            position = 12
            for suffix in names.suffixes(self._qname):
                if len(suffix) > 1:
                    self._offsets[suffix] = position
                    position += 1 + suffix[0]
        position = 0
        while name[position]:
            offset = self._offsets.get(name[position:])
            if offset is not None:
                return name[:position] + _pointer(offset)
            position += 1 + name[position]
        return name


def _pointer(offset: int) -> bytes:
    return (0xC000 | offset).to_bytes(2, "big")
