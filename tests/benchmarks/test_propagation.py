"""The watcher's questions."""

from __future__ import annotations

from benchmarks.propagation import question


def test_a_dns_question_is_as_the_rfc_has_it() -> None:
    # id, flags, one question; www.a.test; type A, class IN
    assert question("www.a.test") == (
        b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x03www\x01a\x04test\x00" + b"\x00\x01\x00\x01"
    )
