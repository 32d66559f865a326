from __future__ import annotations

import asyncio
import socket

import dns.message

from kunren.dataplane.dns import client


def test_following_stops_at_the_end_of_a_chain_at_a_referral_and_at_a_loop() -> None:
    def followed(sections: str, chain: list[str] | None = None) -> client._Followed:
        reply = dns.message.from_text("id 1\nopcode QUERY\nrcode NOERROR\nflags QR\n" + sections)
        return client._follow(
            reply, reply.question[0].name, reply.question[0].rdtype, chain if chain is not None else []
        )

    question = ";QUESTION\na.test. IN A\n"
    end = followed(question + ";ANSWER\na.test. 60 IN CNAME b.test.\nb.test. 60 IN A 10.0.0.1\n")
    assert end.values == ("10.0.0.1",)
    onward = followed(question + ";ANSWER\na.test. 60 IN CNAME b.test.\n")
    assert onward.name is not None and onward.name.to_text() == "b.test."
    assert followed(question + ";ANSWER\na.test. 60 IN CNAME b.test.\n", ["b.test."]) == client._Followed()
    assert followed(question + ";AUTHORITY\ntest. 60 IN NS ns.test.\n").referral == ("ns.test.",)


def test_a_silent_server_ends_in_a_timeout(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(client, "TIMEOUT_S", 0.02)

    async def main() -> client.QueryResult:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))

            async def open_socket(kind: int) -> socket.socket:
                return socket.socket(socket.AF_INET, kind)

            return await client.ask(open_socket, lambda name: ["127.0.0.1"], "a.test", "A", silent.getsockname()[1])

    assert asyncio.run(main()).rcode == "TIMEOUT"
