"""The server over real packets, on port 53 of a namespace of its own, asked by dnspython and by dig."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.rcode

from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.dataplane.dns import client, names
from kunren.dataplane.dns.server import DnsServer
from kunren.dataplane.dns.vpc_names import VpcNames
from kunren.dataplane.dns.zones import NS, SOA, TXT, A, NameRecords, Records, Zone
from kunren.world.spec import Region, WorldSpec

SPEC = WorldSpec(places=(), regions=(Region("us-east-1", "abcdef", 0, 0),))
n = names.to_wire
RESOLVER, AUTHORITY = "198.18.0.2", "198.18.1.65"
SERVER_NAME = n("ns-520.awsdns-01.net")
SOA_RDATA = SERVER_NAME + n("h.amazon.com") + b"".join(x.to_bytes(4) for x in (1, 7200, 900, 1209600, 86400))


def zone() -> Zone:
    nodes: dict[bytes, Any] = {
        n("example.com"): {NS: Records(172800, (SERVER_NAME,)), SOA: Records(900, (SOA_RDATA,))},
        n("www.example.com"): {A: Records(60, (b"\x0a\0\0\1",))},
        n("big.example.com"): {TXT: Records(60, tuple(bytes((200,)) + bytes((65 + i,)) * 200 for i in range(26)))},
    }
    return Zone.build("Z", n("example.com"), nodes, addresses=frozenset({AUTHORITY}))


@asynccontextmanager
async def serving(namespace: Any, **options: Any) -> AsyncIterator[DnsServer]:
    server = DnsServer(namespace, SystemClock(), Entropy(1), SPEC, **options)
    await server.start()
    server.publish("test", {"Z": zone()})
    try:
        yield server
    finally:
        await server.stop()


def run(namespace: Any, body: Callable[[DnsServer], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with serving(namespace, **options) as server:
            await asyncio.wait_for(body(server), 30)

    asyncio.run(main())


async def exchange(namespace: Any, address: str, name: str, rtype: str, **options: Any) -> dns.message.Message:
    async def opener(kind: int) -> socket.socket:
        return await namespace.open_socket("internet", socket.AF_INET, kind)

    query = dns.message.make_query(name, rtype, **options)
    return await client._udp(opener, address, query, 53)


def test_dig_gets_answers_from_resolver_and_name_server_over_udp_and_tcp(namespace: Any) -> None:
    async def body(server: DnsServer) -> None:
        for extra in ((), ("+tcp",), ("+noedns",)):
            text = await namespace.dig_async(f"@{RESOLVER}", "www.example.com", *extra)
            assert "status: NOERROR" in text and "flags: qr rd ra" in text, text
            assert "www.example.com.\t60\tIN\tA\t10.0.0.1" in text
            text = await namespace.dig_async(f"@{AUTHORITY}", "www.example.com", "+norec", *extra)
            assert "flags: qr aa;" in text, text
            assert f"SERVER: {AUTHORITY}#53" in text
        assert "status: NXDOMAIN" in await namespace.dig_async(f"@{RESOLVER}", "nothing.example.com")
        assert "status: REFUSED" in await namespace.dig_async(f"@{AUTHORITY}", "www.example.net")
        assert "status: REFUSED" in await namespace.dig_async("@198.18.1.66", "www.example.com")

    run(namespace, body)


def test_resolver_and_name_servers_answer_over_ipv6_from_the_address_that_was_asked(namespace: Any) -> None:
    async def body(server: DnsServer) -> None:
        for extra in ((), ("+tcp",)):
            text = await namespace.dig_async("@3fff::2", "www.example.com", *extra)
            assert "www.example.com.\t60\tIN\tA\t10.0.0.1" in text and "SERVER: 3fff::2#53" in text, text
            text = await namespace.dig_async("@3fff:0:1::41", "www.example.com", "+norec", *extra)
            assert "flags: qr aa;" in text and "SERVER: 3fff:0:1::41#53" in text, text
        assert "status: REFUSED" in await namespace.dig_async("@3fff:0:1::42", "www.example.com")
        text = await namespace.dig_async("@3fff::2", "ns-520.awsdns-01.net", "AAAA", "+short")
        assert text.strip() == "3fff:0:1::41"

    run(namespace, body)


def test_a_large_answer_is_truncated_over_udp_and_whole_over_tcp(namespace: Any) -> None:
    async def body(server: DnsServer) -> None:
        reply = await exchange(namespace, RESOLVER, "big.example.com", "TXT")
        assert reply.flags & dns.flags.TC and not reply.answer
        reply = await exchange(namespace, RESOLVER, "big.example.com", "TXT", use_edns=0, payload=65000)
        assert reply.flags & dns.flags.TC, "5,200 bytes are more than the 4,096 that EDNS is given"
        result = await server.query("big.example.com", "TXT")
        assert len(result.values) == 26

    run(namespace, body)


def test_pipelined_questions_over_one_tcp_connection_are_answered_in_order(namespace: Any) -> None:
    async def body(server: DnsServer) -> None:
        loop = asyncio.get_running_loop()
        sock = await namespace.open_socket("internet")
        await loop.sock_connect(sock, (RESOLVER, 53))
        queries = [dns.message.make_query("www.example.com", "A", id=each) for each in range(1, 21)]
        wires = [each.to_wire() for each in queries]
        stream = b"".join(len(each).to_bytes(2, "big") + each for each in wires)
        await loop.sock_sendall(sock, stream[:7])
        await loop.sock_sendall(sock, stream[7:])
        buffer, found = bytearray(), []
        while len(found) < 20:
            buffer += await loop.sock_recv(sock, 65535)
            while len(buffer) >= 2 and len(buffer) >= 2 + (size := int.from_bytes(buffer[:2], "big")):
                found.append(dns.message.from_wire(bytes(buffer[2 : 2 + size])).id)
                del buffer[: 2 + size]
        assert found == list(range(1, 21))
        await loop.sock_sendall(sock, b"\0\3abc")
        assert await loop.sock_recv(sock, 10) == b"", "a stub of a message ends the connection"
        sock.close()

    run(namespace, body)


def test_garbage_is_survived(namespace: Any) -> None:
    async def body(server: DnsServer) -> None:
        sock = await namespace.open_socket("internet", socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect((RESOLVER, 53))
        for packet in (b"", b"\0", b"\xff" * 40, b"\0" * 12, b"\0\1\0\0\0\1" + b"\0" * 6 + b"\xc0\x0c\0\1\0\1"):
            sock.send(packet)
        sock.close()
        reply = await exchange(namespace, RESOLVER, "www.example.com", "A")
        assert reply.answer
        assert server.status()["queries"]["malformed"] >= 3

    run(namespace, body)


class TwoNamespaces:
    """`open_socket` that has the internet in one namespace and a VPC in another."""

    def __init__(self, internet: Any, vpc: Any) -> None:
        self._internet, self._vpc = internet, vpc

    async def open_socket(self, name: str, *arguments: Any, **options: Any) -> socket.socket:
        opener = self._internet if name == "internet" else self._vpc
        found: socket.socket = await opener.open_socket(name, *arguments, **options)
        return found


def test_a_vpc_has_a_resolver_of_its_own_until_it_is_stopped(namespace: Any, other_namespace: Any) -> None:
    async def body(server: DnsServer) -> None:
        await server.serve_vpc(VpcNames("vpc-1"), ("10.0.0.2", "169.254.169.253"))
        await server.serve_vpc(VpcNames("vpc-1"), ("10.0.0.2", "169.254.169.253"))
        for address in ("10.0.0.2", "169.254.169.253"):
            assert (await exchange(other_namespace, address, "www.example.com", "A")).answer
        await server.serve_vpc(VpcNames("vpc-1"), ("10.1.0.2",))
        assert (await exchange(other_namespace, "10.1.0.2", "www.example.com", "A")).answer
        assert "connection refused" in await other_namespace.dig_async("@10.0.0.2", "www.example.com")
        await server.stop_vpc("vpc-1")
        assert server.status()["vpcs"] == 0
        assert "connection refused" in await other_namespace.dig_async("@10.1.0.2", "www.example.com")

    run(TwoNamespaces(namespace, other_namespace), body)


def test_query_asks_the_authority_and_sees_no_stale_answer(namespace: Any) -> None:
    async def body(server: DnsServer) -> None:
        assert (await server.query("new.example.com", cached=True)).rcode == "NXDOMAIN"
        assert await server.resolve("new.example.com") == []
        changed = zone().with_nodes({n("new.example.com"): {A: Records(60, (b"\x0a\0\0\2",))}}, 2)
        server.publish("test", {"Z": changed})
        assert (await server.query("new.example.com")).values == ("10.0.0.2",)
        assert (await server.query("new.example.com", cached=True)).rcode == "NXDOMAIN"
        assert await server.resolve("new.example.com") == []

    run(namespace, body)


def test_a_new_delegation_is_seen_at_once(namespace: Any) -> None:
    async def body(server: DnsServer) -> None:
        server.publish("test", {})
        assert (await server.query("www.example.com", cached=True)).rcode == "NXDOMAIN"
        server.publish("test", {"Z": zone()})
        assert (await server.query("www.example.com", cached=True)).values == ("10.0.0.1",)

    run(namespace, body)


def test_looking_up_a_service_endpoint_tells_its_region_and_load_balancers_answer(namespace: Any) -> None:
    asked: list[str] = []

    async def body(server: DnsServer) -> None:
        server.publish_names("elb", {"lb.us-east-1.elb.amazonaws.com": NameRecords(a=("198.19.0.16", "198.19.0.17"))})
        result = await server.query("lb.us-east-1.elb.amazonaws.com")
        assert sorted(result.values) == ["198.19.0.16", "198.19.0.17"]
        assert asked == []
        await server.query("sqs.us-east-1.amazonaws.com")
        assert asked == ["us-east-1"]

    run(namespace, body, endpoint_asked=asked.append)


def test_who_looks_up_a_service_endpoint_is_answered_once_it_is_open(namespace: Any) -> None:
    told: list[asyncio.Future[None]] = []

    def asked(region: str) -> asyncio.Future[None]:
        told.append(told[0] if told else asyncio.get_running_loop().create_future())
        return told[0]

    async def body(server: DnsServer) -> None:
        name = "api.ecr.us-east-1.amazonaws.com"
        digging = [namespace.dig_async(f"@{RESOLVER}", name, "+short", *extra) for extra in ((), ("+tcp",))]
        asking = [asyncio.ensure_future(each) for each in (server.resolve(name), *digging)]
        while len(told) < 3:
            await asyncio.wait(asking, timeout=0.02)
        assert not any(each.done() for each in asking)
        told[0].set_result(None)
        addresses, *dug = await asyncio.gather(*asking)
        assert [each.split() for each in dug] == [addresses, addresses] == [["198.19.0.2"]] * 2

    run(namespace, body, endpoint_asked=asked)
