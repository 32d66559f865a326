"""aws-chunked and gzip bodies, undone."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.aws_chunked import decode_chunked, decode_gzip, is_chunked
from kunren.core.errors import WireError

# The example of "Signature calculations: transferring payload in multiple chunks" has chunks of this form.
SIGNED = b"5;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\nhello\r\n0;chunk-signature=b6c6\r\n\r\n"


def test_signed_chunks_are_put_together() -> None:
    assert decode_chunked(SIGNED, 5) == (b"hello", {})


def test_trailers_come_out_as_headers() -> None:
    body = b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    assert decode_chunked(body) == (b"abcde", {"x-amz-checksum-crc32": "AAAAAA=="})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5\r\nhel",
        b"5\r\nhelloXX0\r\n\r\n",
        b"zz\r\n\r\n",
        b"-1\r\n\r\n",
        b"+1\r\na\r\n0\r\n\r\n",
        b"5\r\nhello\r\n",
    ],
)
def test_a_body_cut_short_or_without_sizes_is_incomplete(body: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode_chunked(body)
    assert caught.value.code == "IncompleteBody"


def test_another_length_than_told_is_incomplete() -> None:
    with pytest.raises(WireError):
        decode_chunked(SIGNED, 6)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
def test_any_split_gives_the_body_back(pieces: list[bytes]) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    assert decode_chunked(body) == (b"".join(pieces), {})


def test_the_form_is_told_by_encoding_or_hash() -> None:
    assert is_chunked({"content-encoding": "aws-chunked"})
    assert is_chunked({"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"})
    assert not is_chunked({"content-encoding": "gzip", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"})


def test_gzip_is_inflated_up_to_a_limit() -> None:
    assert decode_gzip(gzip.compress(b"x" * 100), 100) == b"x" * 100
    for body, code in ((gzip.compress(b"x" * 101), "RequestEntityTooLarge"), (b"plain", "SerializationException"),
                       (gzip.compress(b"x" * 50)[:-4], "SerializationException")):  # fmt: skip
        with pytest.raises(WireError) as caught:
            decode_gzip(body, 100)
        assert caught.value.code == code
