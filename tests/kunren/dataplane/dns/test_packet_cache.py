from __future__ import annotations

from kunren.dataplane.dns.packet_cache import ENTRIES_MAX, PACKET_BYTES_MAX, PacketCache


def test_an_answer_comes_back_under_the_new_packets_id_until_its_time() -> None:
    cache = PacketCache()
    cache.put(b"\0\1question", b"\0\1answer", 10.0)
    assert cache.get(b"\0\2question", 9.9) == b"\0\2answer"
    assert cache.get(b"\0\2question", 10.0) is None
    assert cache.get(b"\0\2Question", 9.9) is None


def test_it_holds_no_more_than_its_limits() -> None:
    cache = PacketCache()
    cache.put(b"x" * (PACKET_BYTES_MAX + 1), b"\0\1answer", 10.0)
    assert cache.get(b"x" * (PACKET_BYTES_MAX + 1), 0.0) is None
    for each in range(ENTRIES_MAX + 1):
        cache.put(b"\0\0" + each.to_bytes(4, "big"), b"\0\0a", 10.0)
    assert cache.get(b"\0\0" + (0).to_bytes(4, "big"), 0.0) is None
    assert cache.get(b"\0\0" + ENTRIES_MAX.to_bytes(4, "big"), 0.0) is not None
