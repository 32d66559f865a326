import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kunren.dataplane.apis.jwt import Refused, UnknownKey, issuer_of, keys_of, scopes_of, verify

ISSUER, NOW = "https://issuer.test", 1_000_000
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def jwks(kid="one"):
    numbers = KEY.public_key().public_numbers()
    return {"keys": [{"kty": "RSA", "kid": kid, "use": "sig", "n": number(numbers.n), "e": number(numbers.e)}]}


def token(head=None, hash=hashes.SHA256, **claims):
    told = {"iss": ISSUER, "aud": "app", "exp": NOW + 60, "iat": NOW - 5, "scope": "read write", **claims}
    told = {name: value for name, value in told.items() if value is not None}
    head = {"alg": "RS256", "kid": "one", **(head or {})}
    text = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(told).encode())}"
    return f"{text}.{encoded(KEY.sign(text.encode(), padding.PKCS1v15(), hash()))}"


def checked(text, audiences=("app",), keys=None):
    return verify(text, keys or keys_of(jwks()), ISSUER, audiences, NOW)


def test_a_good_token_gives_its_claims():
    assert checked(token())["scope"] == "read write"
    assert checked(token({"alg": "RS512"}, hashes.SHA512))["aud"] == "app"
    assert checked(token(aud=["other", "app"]))
    assert checked(token(aud=None, client_id="app"))
    assert issuer_of(token()) == ISSUER
    assert scopes_of({"scope": "a b", "scp": ["c"]}) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://other.test"}, "issuer"),
        ({"aud": "other"}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": 5}, "audience"),
        ({"aud": [{}]}, "audience"),
        ({"aud": {"app": 1}}, "audience"),
        ({"exp": NOW}, "expired"),
        ({"exp": None}, "expiration"),
        ({"exp": "soon"}, "malformed"),
        ({"exp": float("nan")}, "malformed"),
        ({"nbf": NOW + 10}, "not valid yet"),
        ({"iat": NOW + 10}, "future"),
    ],
)
def test_claims_that_do_not_hold_are_refused(claims, why):
    with pytest.raises(Refused, match=why):
        checked(token(**claims))


@pytest.mark.parametrize("odd", [5, True, {"read": 1}, [5, {}, None]])
@pytest.mark.parametrize("name", ["scope", "scp"])
def test_scopes_of_odd_types_are_none(name, odd):
    assert scopes_of(checked(token(**{"scope": "a", name: odd}))) == (set() if name == "scope" else {"a"})


def test_a_token_that_names_no_key_has_the_only_one_or_that_without_a_name():
    nameless, named = jwks(None)["keys"][0], jwks("one")["keys"][0]
    assert checked(token({"kid": None}))
    assert checked(token({"kid": None}), keys=keys_of({"keys": [nameless, named]}))
    with pytest.raises(UnknownKey):
        checked(token({"kid": None}), keys=keys_of({"keys": [named, {**named, "kid": "two"}]}))


def test_signatures_must_be_by_a_known_rsa_key():
    with pytest.raises(UnknownKey):
        checked(token({"kid": "two"}))
    with pytest.raises(Refused, match="signing method"):
        checked(token({"alg": "HS256"}))
    with pytest.raises(Refused, match="signing method"):
        checked(token({"alg": "none"}))
    head, claims, signature = token().split(".")
    with pytest.raises(Refused, match="signature"):
        checked(f"{head}.{claims}.{signature[:-4]}AAAA")
    for text in ("", "a.b.c", "..", head, f"{head}.{claims}"):
        with pytest.raises(Refused):
            checked(text)


def test_what_is_no_key_set_is_refused():
    for content in ({}, {"keys": "x"}, {"keys": ["x"]}):
        with pytest.raises(ValueError, match="JSON Web Key Set"):
            keys_of(content)
    with pytest.raises(ValueError, match="JSON Web Key Set"):
        keys_of({"keys": jwks()["keys"] * 101})
    with pytest.raises(ValueError, match="name"):
        keys_of({"keys": [{**jwks()["keys"][0], "kid": ["a"]}]})
    assert list(keys_of({"keys": jwks()["keys"] * 99 + [{"kty": "RSA", "kid": "no number"}]})) == ["one"]
    assert keys_of({"keys": [{"kty": "EC"}, {"kty": "RSA", "use": "enc", "n": "AQ", "e": "AQ"}]}) == {}
