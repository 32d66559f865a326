"""Credentials as requests carry them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.context import account_of
from kunren.core.errors import WireError
from kunren.wire.sigv4 import Credential, parse_credential, signature_fields

SIGNED = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host, Signature=5d67"


def test_the_example_of_the_signing_guide_is_read() -> None:
    assert parse_credential({"authorization": SIGNED}, "") == Credential(
        "AKIDEXAMPLE", "20150830", "us-east-1", "iam", False
    )
    assert signature_fields(SIGNED)["SignedHeaders"] == "content-type;host"


def test_commas_without_spaces_are_read_too() -> None:
    assert parse_credential({"authorization": SIGNED.replace(", ", ",")}, "") == parse_credential(
        {"authorization": SIGNED}, ""
    )


def test_a_presigned_query_is_read() -> None:
    query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=0"
    assert parse_credential({}, query) == Credential("AK", "20260101", "eu-west-1", "s3", True)


def test_version_2_is_s3_unless_it_is_a_query_api() -> None:
    assert parse_credential({"authorization": "AWS AK:sig"}, "") == Credential("AK", "", "", "s3", False)
    assert parse_credential({}, "AWSAccessKeyId=AK&Expires=1&Signature=x") == Credential("AK", "", "", "s3", True)
    told = parse_credential({}, "Action=A&AWSAccessKeyId=AK&SignatureVersion=2")
    assert told is not None and told.service == ""


def test_version_4a_has_no_region() -> None:
    header = "AWS4-ECDSA-P256-SHA256 Credential=AK/20260101/s3/aws4_request, SignedHeaders=host, Signature=0"
    assert parse_credential({"authorization": header}, "") == Credential("AK", "20260101", "", "s3", False)


def test_no_signature_is_none() -> None:
    assert parse_credential({}, "a=b") is None
    assert parse_credential({"authorization": "Bearer token"}, "") is None


@given(st.text(alphabet="AKIDab0123456789/,=; -_", max_size=80))
def test_noise_is_none_or_refused(text: str) -> None:
    try:
        parse_credential({"authorization": f"AWS4-HMAC-SHA256 {text}"}, "")
    except WireError as error:
        assert error.code == "IncompleteSignature"


@pytest.mark.parametrize(
    ("key", "account"),
    [
        ("123456789012", "123456789012"),
        ("test", "000000000000"),
        ("", "000000000000"),
        ("AKIAIOSFODNN7EXAMPLE", "000000000000"),
        ("ASIAIOSFODNN7EXAMPLE", "000000000000"),
        ("ASIARZPUZDIKL3HII773", "123456789012"),  # temporary keys hold their account
        ("ASIAQAAAAAAAABCDEFGH", "000000000000"),
    ],
)
def test_keys_have_their_accounts(key: str, account: str) -> None:
    assert account_of(key) == account


def test_any_other_key_has_an_account_of_its_own() -> None:
    assert account_of("team-a") == account_of("team-a") != account_of("team-b")
    assert len(account_of("team-a")) == 12 and account_of("team-a").isdigit()
