"""The names that AWS itself owns: service endpoints, name servers, and what is left of the internet.

Load balancers and the like publish their names (`Zones.named`); everything here follows from the name alone and the
world's address plan. Names of the public internet do not exist in this world: the root says so.
Refuses to know whether a service is running behind its endpoint.
"""

from __future__ import annotations

import re
import struct
from ipaddress import IPv4Address

from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import NOERROR, NXDOMAIN, Answer
from kunren.dataplane.dns.ec2_names import address_in, public_name, reversed_address
from kunren.dataplane.dns.zones import AAAA, ANY, NS, PTR, SOA, A, Node, Records, Routed, RRset, Zones
from kunren.world import addresses6
from kunren.world.addresses import (
    NAME_SERVERS,
    api_endpoint,
    customer_addresses,
    dynamodb_endpoint,
    endpoints,
    s3_endpoint,
    service_endpoint,
    website_endpoint,
)
from kunren.world.spec import WorldSpec

ENDPOINT_TTL_S = 60
NAME_SERVER_TTL_S = 172_800
NEGATIVE_TTL_S = 60
GLOBAL_REGION = "us-east-1"
TLDS = ("com", "net", "org", "co.uk")
SERVERS_PER_TLD = 512
SERVERS_PER_ADDRESS = 8
# services whose endpoint names carry no region (AWS general reference, "Service endpoints and quotas")
GLOBAL_SERVICES = frozenset(
    (
        "account", "artifact", "autoscaling", "billing", "budgets", "ce", "cloudformation", "cloudfront", "cur",
        "dynamodb", "ec2", "elasticbeanstalk", "elasticloadbalancing", "email", "globalaccelerator", "health", "iam",
        "importexport", "monitoring", "networkmanager", "organizations", "pricing", "queue", "rds", "route53",
        "route53domains", "s3", "sdb", "shield", "sns", "sqs", "sts", "support", "trustedadvisor", "waf",
    )
)  # fmt: skip
_NAME_SERVER = re.compile(r"ns-(\d{1,4})\.awsdns-(\d\d)\.(com|net|org|co\.uk)\.\Z")
_NAME_SERVER_DOMAIN = re.compile(r"(?:.+\.)?awsdns-\d\d\.(?:com|net|org|co\.uk)\.\Z")
_EC2_PUBLIC = (".compute-1.amazonaws.com.", ".compute.amazonaws.com.")
_S3_REGION = re.compile(r"(?:.+\.)?s3[-.](?:dualstack\.|website[-.])?([a-z0-9-]+)\.amazonaws\.com\.\Z")
_FUNCTION_URL = re.compile(r"[a-z0-9]{32}\.lambda-url\.([a-z0-9-]+)\.on\.aws\.\Z")
_LOGIN_KEYS = (b"public-keys", b"auth", b"elb")
_TRUST = tuple(names.to_wire(f"{service}.m01.amazontrust.com") for service in ("ocsp", "crl", "crt"))
_LOCALHOST = names.to_wire("localhost")
_VALIDATIONS = names.to_wire("acm-validations.aws")


def name_server(number: int) -> str:
    """The name of Route 53's name server of that number (0 to 2047): `ns-520.awsdns-01.net`."""
    tld, within = divmod(number, SERVERS_PER_TLD)
    return f"ns-{number}.awsdns-{within // SERVERS_PER_ADDRESS:02d}.{TLDS[tld]}"


def name_server_address(name: str) -> str | None:
    """The address of a name server of Route 53, by its name; None for any other name.

    The eight names of one `awsdns-NN` domain share an address, so that 2,048 names fit into the plan's 256 addresses.
    """
    found = _NAME_SERVER.match(name.rstrip(".") + ".")
    if found is None:
        return None
    number = int(found[1])
    if number >= SERVERS_PER_TLD * len(TLDS) or name_server(number) != name.rstrip("."):
        return None
    return str(NAME_SERVERS[number // SERVERS_PER_ADDRESS])


def aws_answer(zones: Zones, spec: WorldSpec, name: bytes, rtype: int) -> Answer | None:
    """The answer for a name that AWS or the world itself owns; None for all others."""
    node = zones.named(name)
    if node is not None:
        return _from_node(node, name, rtype, _soa_owner(name))
    if name == _LOCALHOST:
        return _address("127.0.0.1", name, rtype, names.ROOT)
    if name.endswith(b"\x09amazonaws\x03com\0"):
        return _amazonaws(zones, spec, name, rtype)
    if name.endswith(b"\x03api\x03aws\0"):
        labels = names.labels_of(name)
        region = labels[-3].decode("latin-1") if len(labels) > 3 else ""
        return _endpoint(spec, GLOBAL_REGION if region == "global" else region, name, rtype)
    if name.endswith(b"\x02on\x03aws\0") and (found := _FUNCTION_URL.match(names.to_text(name))):
        return _endpoint(spec, found[1], name, rtype)
    if name in _TRUST:  # where ACM's certificates say that their status is to be found
        return _endpoint(spec, GLOBAL_REGION, name, rtype)
    if names.is_within(name, _VALIDATIONS):
        # ACM's own side of a validation CNAME: it exists, and has no records of its own
        return Answer(NOERROR, authority=(soa(_VALIDATIONS),))
    text = names.to_text(name)
    if _NAME_SERVER_DOMAIN.match(text):
        address = name_server_address(text)
        owner = list(names.suffixes(name))[-4 if text.endswith(".co.uk.") else -3]
        if address is not None:
            return _from_node(_name_server_node(spec, address), name, rtype, owner)
        return Answer(NOERROR if name == owner else NXDOMAIN, authority=(soa(owner),))
    if (customer := reversed_address(name)) is not None and (home := _region_of(spec, customer)) is not None:
        target = names.to_wire(public_name(str(customer), home))
        return _from_node({PTR: Records(ENDPOINT_TTL_S, (target,))}, name, rtype, names.parent(name))
    return None


def root_answer(zones: Zones, name: bytes, rtype: int) -> Answer:
    """What the root says of a name that nobody in this world has: only ancestors of existing names exist."""
    if name == names.ROOT and rtype in (NS, ANY):
        server = Records(518_400, (names.to_wire("a.root-servers.net"),))
        return Answer(NOERROR, answer=(RRset(name, NS, server.ttl, server.rdatas),))
    exists = name == names.ROOT or zones.is_above(name)
    return Answer(NOERROR if exists else NXDOMAIN, authority=(soa(names.ROOT),))


def _amazonaws(zones: Zones, spec: WorldSpec, name: bytes, rtype: int) -> Answer:
    text = names.to_text(name)
    labels = names.labels_of(name)
    if (address := address_in(name)) is not None and text.endswith(
        (".compute-1.amazonaws.com.", ".compute.amazonaws.com.")
    ):
        return _public_name(spec, address, name, rtype)
    if b"elb" in labels[:-2] and tuple(labels[:3]) != _LOGIN_KEYS:
        exists = zones.is_above(name)
        return Answer(NOERROR if exists else NXDOMAIN, authority=(soa(_soa_owner(name)),))
    if len(labels) > 3 and spec.region(labels[-3].decode("latin-1")):
        return _endpoint(spec, labels[-3].decode("latin-1"), name, rtype)
    if (found := _S3_REGION.match(text)) and spec.region(found[1]):
        return _endpoint(spec, found[1], name, rtype)
    if text.endswith(".queue.amazonaws.com.") and spec.region(labels[0].decode("latin-1")):
        return _endpoint(spec, labels[0].decode("latin-1"), name, rtype)
    service = labels[-3].decode("latin-1") if len(labels) > 2 else ""
    if service in GLOBAL_SERVICES and (len(labels) == 3 or service == "s3"):
        return _endpoint(spec, GLOBAL_REGION, name, rtype)
    exists = len(labels) == 2 or zones.is_above(name)
    return Answer(NOERROR if exists else NXDOMAIN, authority=(soa(_soa_owner(name)),))


def endpoint_region(spec: WorldSpec, address: str) -> str | None:
    """The region whose service endpoint has that address."""
    return next((each.name for at, each in enumerate(spec.regions) if address in endpoints(at)), None)


def _endpoint(spec: WorldSpec, region: str, name: bytes, rtype: int) -> Answer:
    for index, each in enumerate(spec.regions):
        if each.name == region:
            return _address(_service_address(name, index), name, rtype, _soa_owner(name))
    return Answer(NXDOMAIN, authority=(soa(_soa_owner(name)),))


def _service_address(name: bytes, index: int) -> str:
    """S3, its websites, DynamoDB and API Gateway's APIs have addresses of their own."""
    labels = names.labels_of(name)
    if b"execute-api" in labels:
        return api_endpoint(index)
    if any(label.startswith(b"s3-website") for label in labels):
        return website_endpoint(index)
    if any(label == b"s3" or label.startswith(b"s3-") for label in labels):
        return s3_endpoint(index)
    return dynamodb_endpoint(index) if b"dynamodb" in labels else service_endpoint(index)


def _name_server_node(spec: WorldSpec, address: str) -> Node:
    four = IPv4Address(address)
    node: Node = {A: Records(NAME_SERVER_TTL_S, (four.packed,))}
    if not spec.ipv6:
        return node
    six = addresses6.NAME_SERVERS[int(four) - int(NAME_SERVERS.network_address)]
    return {**node, AAAA: Records(NAME_SERVER_TTL_S, (six.packed,))}


def _address(address: str, name: bytes, rtype: int, owner: bytes, ttl: int = ENDPOINT_TTL_S) -> Answer:
    return _from_node({A: Records(ttl, (IPv4Address(address).packed,))}, name, rtype, owner)


def _public_name(spec: WorldSpec, address: IPv4Address, name: bytes, rtype: int) -> Answer:
    """`ec2-198-19-0-16.compute-1.amazonaws.com`: every customer's address of a region has a name in that region."""
    region = _region_of(spec, address)
    if region is None or names.to_wire(public_name(str(address), region)) != name:
        return Answer(NXDOMAIN, authority=(soa(_soa_owner(name)),))
    return _address(str(address), name, rtype, _soa_owner(name))


def _region_of(spec: WorldSpec, address: IPv4Address) -> str | None:
    """The region that gives this address to customers."""
    for index, each in enumerate(spec.regions):
        first, last = customer_addresses(index)
        if first <= address <= last:
            return each.name
    return None


def _from_node(node: Node, name: bytes, rtype: int, owner: bytes) -> Answer:
    if rtype == ANY and node:
        rtype = next(iter(node))
    found = node.get(rtype)
    while isinstance(found, Routed):  # by the zone of a client in a VPC, which this one is not
        found = found.options[-1].record_set
    if isinstance(found, Records):
        return Answer(NOERROR, answer=(RRset(name, rtype, found.ttl, found.rdatas),))
    return Answer(NOERROR, authority=(soa(owner),))


def _soa_owner(name: bytes) -> bytes:
    """The zone that a name of AWS would be in: its last two labels (`amazonaws.com`)."""
    return list(names.suffixes(name))[-3:][0]


def soa(owner: bytes) -> RRset:
    """The SOA that a negative answer of AWS's own names carries."""
    server = "a.root-servers.net" if owner == names.ROOT else "ns-2.amzndns.com"
    mailbox = "nstld.verisign-grs.com" if owner == names.ROOT else "awsdns-hostmaster.amazon.com"
    numbers = struct.pack("!IIIII", 1, 7200, 900, 1_209_600, NEGATIVE_TTL_S)
    return RRset(owner, SOA, NEGATIVE_TTL_S, (names.to_wire(server) + names.to_wire(mailbox) + numbers,))
