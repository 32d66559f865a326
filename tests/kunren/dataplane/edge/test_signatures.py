"""Signed URLs and cookies: by botocore's own signer, and what must not get through."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.edge.message import Request, Viewer
from kunren.dataplane.edge.signatures import (
    DENIED,
    MALFORMED_POLICY,
    MALFORMED_SIGNATURE,
    MISSING_KEY,
    MISSING_POLICY,
    MISSING_SIGNATURE,
    UNKNOWN_KEY,
    public_key,
    refusal,
    unsigned,
)

RSA, ECDSA = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
NOW = 1_700_000_000


def pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip


KEYS = {"KRSA": pem(RSA), "KEC": pem(ECDSA)}


def signer(identity="KRSA", hashed=hashes.SHA1):
    if identity == "KEC":
        return CloudFrontSigner(identity, lambda text: ECDSA.sign(text, ec.ECDSA(hashed())))
    return CloudFrontSigner(identity, lambda text: RSA.sign(text, padding.PKCS1v15(), hashed()))


def at(moment):
    return datetime.fromtimestamp(moment, UTC)


def asked(url, *headers, address="198.18.65.10"):
    scheme, _, rest = url.partition("://")
    host, slash, target = rest.partition("/")
    path, _, query = (slash + target).partition("?")
    viewer = Viewer(address, 1, "tokyo", "JP", scheme == "https")
    return Request("GET", path, query, [("Host", host), *headers], viewer, "id")


def judge(url, *headers, now=NOW, **more):
    return refusal(KEYS, asked(url, *headers, **more), now)


def custom(resource="http*://d.test/*", url="https://d.test/a/b.jpg?x=1", **conditions):
    by = signer()
    policy = by.build_policy(resource, at(NOW + 60), **conditions)
    return by.generate_presigned_url(url, policy=policy)


@pytest.mark.parametrize("identity", ["KRSA", "KEC"])
@pytest.mark.parametrize("hashed", [hashes.SHA1, hashes.SHA256])
def test_a_canned_policy_holds_until_it_expires_for_its_url_alone(identity, hashed):
    more = "&Hash-Algorithm=SHA256" if hashed is hashes.SHA256 else ""
    url = signer(identity, hashed).generate_presigned_url("https://d.test/a.jpg?size=1", at(NOW + 60)) + more
    assert judge(url) is None
    assert judge(url, now=NOW + 60) == DENIED
    assert judge(url.replace("a.jpg", "b.jpg")) == DENIED
    assert judge(url.replace("https", "http")) == DENIED
    assert judge(url.replace("size=1", "size=2")) == DENIED
    assert judge(url.replace(f"Expires={NOW + 60}", f"Expires={NOW + 61}")) == DENIED
    assert judge(url.replace(identity, {"KRSA": "KEC", "KEC": "KRSA"}[identity])) == DENIED


def test_another_hash_than_the_signature_has_is_denied():
    url = signer().generate_presigned_url("https://d.test/a.jpg", at(NOW + 60))
    assert judge(url + "&Hash-Algorithm=SHA256") == DENIED
    assert judge(url + "&Hash-Algorithm=MD5") == DENIED


def test_a_custom_policy_holds_for_what_its_wildcards_match():
    assert judge(custom()) is None
    assert judge(custom("https://d.test/a/?.jpg?x=*")) is None
    assert judge(custom("*")) is None
    assert judge(custom("https://d.test/a/?.jpg")) == DENIED
    assert judge(custom("http://d.test/*")) == DENIED
    assert judge(custom("https://other.test/*")) == DENIED


def test_a_custom_policy_holds_between_its_times_and_for_its_addresses():
    late = custom(date_greater_than=at(NOW))
    assert [judge(late, now=each) for each in (NOW - 1, NOW, NOW + 1, NOW + 60)] == [DENIED, DENIED, None, DENIED]
    near = custom(ip_address="198.18.65.0/24")
    assert (judge(near), judge(near, address="198.18.66.1")) == (None, DENIED)
    assert judge(custom(ip_address="198.18.65.10")) is None


def test_cookies_sign_as_well_and_a_signed_url_goes_before_them():
    _, _, query = custom().partition("?x=1&")
    cookies = ("Cookie", "a=b; " + "; ".join(f"CloudFront-{each}" for each in query.split("&")))
    assert judge("https://d.test/other", cookies) is None
    assert judge("https://d.test/other?Key-Pair-Id=none", cookies) == UNKNOWN_KEY
    assert judge("https://e.test/other", cookies) == DENIED


def test_what_is_missing_or_malformed_is_told_by_name():
    signature = "Signature=AAAA&Key-Pair-Id=KRSA"
    never = base64.b64encode(json.dumps({"Statement": [{"Condition": {}}]}).encode()).decode().replace("=", "_")
    deep = base64.b64encode(b"[" * 5000).decode().replace("=", "_")
    assert judge("https://d.test/a") == MISSING_KEY
    assert judge("https://d.test/a?Key-Pair-Id=&Signature=x") == MISSING_KEY
    assert judge("https://d.test/a?Key-Pair-Id=K1&Signature=x") == UNKNOWN_KEY
    assert judge("https://d.test/a?Key-Pair-Id=KRSA") == MISSING_SIGNATURE
    assert judge("https://d.test/a?Key-Pair-Id=KRSA&Signature=!") == MALFORMED_SIGNATURE
    assert judge(f"https://d.test/a?{signature}") == MISSING_POLICY
    assert judge(f"https://d.test/a?Policy=e30_&{signature}") == MALFORMED_POLICY
    assert judge(f"https://d.test/a?Policy={never}&{signature}") == MALFORMED_POLICY
    assert judge(f"https://d.test/a?Policy={deep}&{signature}") == MALFORMED_POLICY
    assert judge(f"https://d.test/a?Expires={'9' * 5000}&{signature}") == MALFORMED_POLICY
    assert judge(f"https://d.test/a?Expires={NOW + 1}&{signature}") == DENIED


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_no_query_gets_through_or_breaks_anything(text):
    assert judge(f"https://d.test/a?{text}&Key-Pair-Id=KRSA") is not None


def test_what_signs_a_url_is_not_part_of_it():
    assert unsigned("a=1&Expires=1&Signature=x&b=2&Key-Pair-Id=k&Policy=p&Hash-Algorithm=SHA256&c") == "a=1&b=2&c"
    assert unsigned("Expires=1") == ""


def test_only_rsa_of_2048_bits_and_p_256_are_keys():
    assert public_key(pem(RSA)) is not None
    assert public_key(pem(ECDSA)) is not None
    assert public_key(pem(rsa.generate_private_key(65537, 1024))) is None
    assert public_key(pem(ec.generate_private_key(ec.SECP384R1()))) is None
    assert public_key("no key") is None
