"""Which names share a certificate."""

import ssl

import pytest

from kunren.gateway.certificates import LOOPBACK, CertificateContexts


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (None, LOOPBACK),
        ("localhost", LOOPBACK),
        ("bucket.localhost", LOOPBACK),
        ("127.0.0.1", LOOPBACK),
        ("sqs.us-east-1.amazonaws.com", ("us-east-1.amazonaws.com", "*.us-east-1.amazonaws.com")),
        ("B.s3.eu-west-1.amazonaws.com.", ("s3.eu-west-1.amazonaws.com", "*.s3.eu-west-1.amazonaws.com")),
        ("sts.amazonaws.com", ("amazonaws.com", "*.amazonaws.com")),
        ("example.test", ("example.test",)),
    ],
)
def test_names_are_grouped_under_their_parent(asked: str | None, names: tuple[str, ...]) -> None:
    def never(*names: str) -> ssl.SSLContext:
        raise AssertionError(names)

    assert CertificateContexts(never).names_for(asked) == names
