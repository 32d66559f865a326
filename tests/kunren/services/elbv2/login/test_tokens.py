"""Bearer tokens: what is good, and the reason for each that is not."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import example, given
from hypothesis import strategies as st

from kunren.services.elbv2.login.tokens import Refused, UnknownKey, bearer, keys_of, verify

NOW = 1_760_000_000.0
CONFIG = {"JwksEndpoint": "https://login.test/keys", "Issuer": "https://login.test"}
CLAIMS = {"iss": "https://login.test", "exp": NOW + 60, "iat": NOW - 5, "nbf": NOW - 5, "sub": "robot"}
KEYS = {kid: generate_private_key(65537, 2048) for kid in ("one", "two")}

# RFC 7515, A.2: the key and the signed token of the RFC itself
RFC_KEY = {
    "kty": "RSA", "e": "AQAB",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS"
    "-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg"
    "665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyu"
    "XpoQ",
}  # fmt: skip
RFC_TOKEN = (
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1d"
    "nZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwus"
    "C-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)  # fmt: skip


def encoded(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwk(kid, key=None):
    numbers = (key or KEYS[kid]).public_key().public_numbers()
    parts = {
        name: encoded(number.to_bytes(256, "big").lstrip(b"\0"))
        for name, number in (("n", numbers.n), ("e", numbers.e))
    }
    return {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", **parts}


def token(claims=None, kid="one", signer=None, **head):
    head = {"alg": "RS256", "typ": "JWT", **({"kid": kid} if kid else {}), **head}
    text = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps({**CLAIMS, **(claims or {})}).encode())}"
    return f"{text}.{encoded(KEYS[signer or kid or 'one'].sign(text.encode(), PKCS1v15(), SHA256()))}"


SET = keys_of({"keys": [jwk("one"), jwk("two"), {"kty": "EC", "kid": "curve"}]})


def reason(given, config=CONFIG, keys=SET):
    with pytest.raises(Refused) as caught:
        verify(given, keys, config, NOW)
    return str(caught.value)


def claim(form, *values, name="scope"):
    return {**CONFIG, "AdditionalClaims": [{"Name": name, "Format": form, "Values": list(values)}]}


def test_the_rfc_s_own_token_is_good_until_it_expires():
    keys = keys_of({"keys": [RFC_KEY]})
    verify(RFC_TOKEN, keys, {"Issuer": "joe"}, 1_300_819_379.0)
    with pytest.raises(Refused, match="JWTClaimValueInvalid"):
        verify(RFC_TOKEN, keys, {"Issuer": "joe"}, 1_300_819_380.0)


def test_good_tokens_of_any_key_of_the_set():
    for kid in ("one", "two"):
        verify(token(kid=kid), SET, CONFIG, NOW)
    verify(token({"iat": NOW, "nbf": NOW}), SET, CONFIG, NOW)
    verify(token(kid=None), keys_of({"keys": [jwk("one")]}), CONFIG, NOW)  # which key, if there is one only


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("abc", "JWTRequestFormatInvalid"),
        ("a.b.c", "JWTRequestFormatInvalid"),
        (token() + ".more", "JWTRequestFormatInvalid"),
        (token(signer="two"), "JWTSignatureValidationError"),
        (token()[:-8] + "AAAAAAAA", "JWTSignatureValidationError"),
        (token().rpartition(".")[0] + ".", "JWTSignatureValidationError"),
        (token(alg="none"), "JWTSignatureValidationError"),
        (token(alg="HS256"), "JWTSignatureValidationError"),
        (token({"exp": NOW}), "JWTClaimValueInvalid"),
        (token({"nbf": NOW + 1}), "JWTClaimValueInvalid"),
        (token({"iat": NOW + 1}), "JWTClaimValueInvalid"),
        (token({"exp": "soon"}), "JWTClaimFormatInvalid"),
        (token({"exp": True}), "JWTClaimFormatInvalid"),
        (token({"iss": "https://other.test"}), "JWTClaimValueInvalid"),
        (token({"iss": ["https://login.test"]}), "JWTClaimFormatInvalid"),
    ],
)
def test_why_a_token_is_refused(given, why):
    assert reason(given) == why


def test_claims_that_must_be_there():
    for name in ("exp", "iss"):
        rest = {key: value for key, value in CLAIMS.items() if key != name}
        text = f"{encoded(json.dumps({'alg': 'RS256', 'kid': 'one'}).encode())}.{encoded(json.dumps(rest).encode())}"
        signed = f"{text}.{encoded(KEYS['one'].sign(text.encode(), PKCS1v15(), SHA256()))}"
        assert reason(signed) == "JWTClaimNotPresent"


@pytest.mark.parametrize(
    ("has", "config", "why"),
    [
        ("admin", claim("single-string", "admin"), None),
        ("admins", claim("single-string", "admin"), "JWTClaimValueInvalid"),
        (["admin"], claim("single-string", "admin"), "JWTClaimFormatInvalid"),
        ("write read:api email", claim("space-separated-values", "read:api", "write"), None),
        ("write", claim("space-separated-values", "read:api", "write"), "JWTClaimValueInvalid"),
        (["a", "b", "c"], claim("string-array", "c", "a"), None),
        (["a"], claim("string-array", "c", "a"), "JWTClaimValueInvalid"),
        ("a", claim("string-array", "a"), "JWTClaimFormatInvalid"),
        ([1], claim("string-array", "1"), "JWTClaimFormatInvalid"),
        ("x", claim("single-string", "x", name="tenant"), "JWTClaimNotPresent"),
    ],
)
def test_additional_claims_by_their_formats(has, config, why):
    given = token({"scope": has})
    if why is None:
        verify(given, SET, config, NOW)
    else:
        assert reason(given, config) == why


def test_a_key_that_is_not_in_the_set_may_be_a_new_one():
    with pytest.raises(UnknownKey, match="JWTSignatureValidationError"):
        verify(token(kid="two"), keys_of({"keys": [jwk("one")]}), CONFIG, NOW)
    with pytest.raises(UnknownKey):
        verify(token(kid=None), keys_of({"keys": [jwk("one"), {**jwk("two"), "kid": None}]}), CONFIG, NOW)


def test_keys_of_other_algorithms_are_not_taken():
    assert list(keys_of({"keys": [jwk("one"), {**jwk("two"), "alg": "RS512"}]})) == ["one"]
    with pytest.raises(Refused, match="JWTSignatureValidationError"):
        verify(token(alg="RS512"), SET, CONFIG, NOW)


def test_headers():
    assert bearer("Bearer a.b.c") == bearer("bearer  a.b.c ") == "a.b.c"
    for header, why in (
        (None, "JWTHeaderNotPresent"),
        ("Basic eA==", "JWTRequestFormatInvalid"),
        ("Bearer", "JWTRequestFormatInvalid"),
    ):
        with pytest.raises(Refused, match=why):
            bearer(header)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"keys": "x"},
        {"keys": [1]},
        {"keys": [{"kty": "RSA", "kid": "a"}]},
        {"keys": [jwk("one")] * 11},
        {"keys": [{**jwk("one"), "n": "é"}]},
    ],
)
def test_what_is_no_key_set_or_too_large_a_one(content):
    with pytest.raises(ValueError):
        keys_of(content)


@given(st.text())
@example("..")
@example("e30.e30.")
@example("é.é.é")
def test_no_text_is_taken_for_a_token(text):
    with pytest.raises(Refused):
        verify(text, SET, CONFIG, NOW)
