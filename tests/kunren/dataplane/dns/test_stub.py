"""The stub resolver against a resolver of dnspython's making, over loopback."""

from __future__ import annotations

import asyncio
import socket

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.entropy import Entropy
from kunren.dataplane.dns import names, stub
from kunren.dataplane.dns.stub import Found, Stub, read_addresses


def asked(*questions, answer):
    """What the stub finds for each name, all asked at once; `answer(query)` gives the packets to send back."""

    async def story():
        loop = asyncio.get_running_loop()

        class Server(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, peer):
                for packet in answer(dns.message.from_wire(data)):
                    self.transport.sendto(packet, peer)

        server, _ = await loop.create_datagram_endpoint(Server, ("127.0.0.1", 0))
        opened = []

        async def open_socket():
            opened.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            opened[-1].setblocking(False)
            return opened[-1]

        asker = Stub(open_socket, server.get_extra_info("sockname"), Entropy(1))
        found = await asyncio.gather(*map(asker.addresses, questions))
        asker.close()
        server.close()
        assert len(opened) == 1
        return found

    return asyncio.run(story())


def reply(query, *sets, rcode=dns.rcode.NOERROR):
    made = dns.message.make_response(query)
    made.set_rcode(rcode)
    made.answer = [dns.rrset.from_text(*each) for each in sets]
    return made.to_wire()


def test_addresses_come_from_behind_cnames_and_answers_belong_to_their_questions():
    def answer(query):
        name = query.question[0].name.to_text()
        if name == "a.test.":
            return [reply(query, (name, 60, "IN", "CNAME", "b.test."), ("b.test.", 60, "IN", "A", "198.19.0.1"))]
        return [reply(query, (name, 60, "IN", "A", "198.19.0.2", "198.19.0.3"))]

    first, second = asked("a.test", "b.test.", answer=answer)
    assert first == Found(0, ("198.19.0.1",))
    assert (second.rcode, set(second.addresses)) == (0, {"198.19.0.2", "198.19.0.3"})


def test_no_such_name_is_told():
    assert asked("a.test", answer=lambda query: [reply(query, rcode=dns.rcode.NXDOMAIN)]) == [Found(3)]


def test_packets_that_are_no_answer_are_passed_over():
    def answer(query):
        other = dns.message.make_query("c.test", "A", id=query.id)
        good = reply(query, (query.question[0].name, 60, "IN", "A", "198.19.0.1"))
        return [b"", b"x", good[:20], query.to_wire(), reply(other), good]

    assert asked("a.test", answer=answer) == [Found(0, ("198.19.0.1",))]


def test_a_resolver_that_is_silent_is_asked_again_and_then_given_up(monkeypatch):
    monkeypatch.setattr(stub, "TIMEOUT_S", 0.05)
    seen = []
    assert asked("a.test", answer=lambda query: seen.append(query) or []) == [Found(None)]
    assert len(seen) == 2 and seen[0].flags & dns.flags.RD


@given(st.binary(min_size=12, max_size=80), st.booleans())
def test_no_packet_breaks_it(noise, question_kept):
    question = names.to_wire("a.test") + b"\0\1\0\1"
    packet = bytes(2) + b"\x81\x80\0\1\0\3" + bytes(4) + (question if question_kept else b"") + noise
    read_addresses(packet, question)
