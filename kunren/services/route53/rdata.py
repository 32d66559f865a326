"""Record values: the text that Route 53 accepts, checked by type and made into DNS's bytes.

`to_wire` is the only judge of a value: what it accepts is what is served. Formats are those of the developer guide,
"Supported DNS record types". The codes for addresses, names and quoted text are AWS's own as users have met them; for
the rarer types AWS documents none, and the code is formed alike.
"""

from __future__ import annotations

import functools
import re
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from kunren.dataplane.dns import names
from kunren.dataplane.dns.zones import RECORD_TYPES

STRING_LENGTH_MAX = 255
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\Z|"((?:[^"\\]|\\.)*)"(?=[ \t])', re.S)
_OCTAL = re.compile(r"[0-3][0-7]{2}")


class BadValue(ValueError):
    """A value that its type does not allow; the text is what follows "Invalid Resource Record:"."""

    def __init__(self, problem: str, explanation: str, value: str) -> None:
        super().__init__(f"FATAL problem: {problem} ({explanation}) encountered with '{value}'")


@functools.lru_cache(maxsize=65536)
def to_wire(rtype: str, value: str) -> bytes:
    """The value as rdata. Raises BadValue."""
    parse = _PARSERS.get(rtype)
    return parse(value) if parse is not None else _by_dnspython(rtype, value)


def _a(value: str) -> bytes:
    _single(value)
    try:
        return IPv4Address(value).packed
    except ValueError:
        raise BadValue("ARRDATAIllegalIPv4Address", "Value is not a valid IPv4 address", value) from None


def _aaaa(value: str) -> bytes:
    _single(value)
    try:
        if "%" in value:
            raise ValueError("a scope is not part of an address")
        return IPv6Address(value).packed
    except ValueError:
        raise BadValue("AAAARRDATAIllegalIPv6Address", "Value is not a valid IPv6 address", value) from None


def _single(value: str) -> None:
    if any(each.isspace() for each in value):
        raise BadValue("RRDATANotSingleField", "Value contains spaces", value)


def _name(value: str) -> bytes:
    _single(value)
    try:
        return names.to_wire(value)
    except names.BadName as error:
        raise BadValue(error.problem, error.explanation, error.text) from None


def _fields(rtype: str, value: str, count: int, words: str) -> list[str]:
    fields = value.split()
    if len(fields) != count:
        raise BadValue(f"{rtype}RRDATANot{words}Fields", f"Value does not have {words.lower()} fields", value)
    return fields


def _number(rtype: str, text: str, most: int, value: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise BadValue(f"{rtype}RRDATAIllegalNumber", f"Value is not a number between 0 and {most}", value)
    return int(text)


def _mx(value: str) -> bytes:
    preference, host = _fields("MX", value, 2, "Two")
    return struct.pack("!H", _number("MX", preference, 65535, value)) + _name(host)


def _srv(value: str) -> bytes:
    *numbers, host = _fields("SRV", value, 4, "Four")
    return struct.pack("!HHH", *(_number("SRV", each, 65535, value) for each in numbers)) + _name(host)


def _soa(value: str) -> bytes:
    server, mailbox, *numbers = _fields("SOA", value, 7, "Seven")
    packed = struct.pack("!IIIII", *(_number("SOA", each, 0xFFFFFFFF, value) for each in numbers))
    return _name(server) + _name(mailbox) + packed


def _txt(value: str) -> bytes:
    """One or more quoted strings of at most 255 bytes, separated by white space; `\\"`, `\\\\` and `\\ooo` inside."""
    out, position = bytearray(), 0
    text = value.strip(" \t")
    if not text:
        raise BadValue("InvalidCharacterString", "Value should be enclosed in quotation marks", value)
    while position < len(text):
        found = _QUOTED.match(text, position)
        if found is None:
            raise BadValue("InvalidCharacterString", "Value should be enclosed in quotation marks", value)
        string = _unescaped(found[1] if found[1] is not None else found[2], value)
        if len(string) > STRING_LENGTH_MAX:
            raise BadValue("CharacterStringTooLong", "Value is too long", value)
        out.append(len(string))
        out += string
        position = found.end()
        while position < len(text) and text[position] in " \t":
            position += 1
    return bytes(out)


def _unescaped(text: str, value: str) -> bytes:
    out, position = bytearray(), 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "\\":
            if octal := _OCTAL.match(text, position):
                out.append(int(octal[0], 8))
                position += 3
                continue
            char = text[position]
            position += 1
        if not " " <= char <= "~" and char != "\t":
            raise BadValue("UnsupportedCharacter", "Value contains unsupported characters", value)
        out.append(ord(char))
    return bytes(out)


_CAA = re.compile(r'(\d{1,3})[ \t]+([A-Za-z0-9]{1,15})[ \t]+("(?:[^"\\]|\\.)*")\Z', re.S)


def _caa(value: str) -> bytes:
    found = _CAA.match(value.strip())
    if found is None:
        raise BadValue("CAARRDATAInvalid", "Value should be flags, a tag and a quoted value", value)
    flags = _number("CAA", found[1], 255, value)
    return bytes((flags, len(found[2]))) + found[2].encode() + _unescaped(found[3][1:-1], value)


def _by_dnspython(rtype: str, value: str) -> bytes:
    """DS, NAPTR, SSHFP, TLSA, SVCB and HTTPS; names in them need no trailing dot, as everywhere in Route 53."""
    import dns.exception  # slow to import, and rare
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    try:
        kind = dns.rdatatype.from_text(rtype)
        rdata = dns.rdata.from_text(dns.rdataclass.IN, kind, value, origin=dns.name.root, relativize=False)
        wire = rdata.to_wire(origin=dns.name.root)
    except (dns.exception.DNSException, ValueError, UnicodeError) as error:
        reason = str(error) or "Value is malformed"
        raise BadValue(f"{rtype}RRDATAInvalid", f"Value is not a valid {rtype} record: {reason}", value) from None
    assert wire is not None
    return wire


_PARSERS: dict[str, Callable[[str], bytes]] = {
    "A": _a,
    "AAAA": _aaaa,
    "CNAME": _name,
    "NS": _name,
    "PTR": _name,
    "MX": _mx,
    "SRV": _srv,
    "SOA": _soa,
    "TXT": _txt,
    "SPF": _txt,
    "CAA": _caa,
}


def to_text(rtype: int, rdata: bytes) -> str:
    """Rdata in presentation form, names with a trailing dot."""
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), rdata, 0, len(rdata)).to_text()


def type_number(rtype: str) -> int:
    return RECORD_TYPES[rtype]
