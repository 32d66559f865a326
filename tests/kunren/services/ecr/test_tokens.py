"""Authorization tokens: known again, over after twelve hours, and never made by others."""

from __future__ import annotations

import base64
import json

import pytest

from kunren.services.ecr.tokens import BadToken, Expired, Holder, basic, issue, verify

SECRET, OTHER = "11" * 32, "22" * 32
HOLDER = Holder("123456789012", "AKIAEXAMPLE", 1000.0)


def test_a_token_says_whose_it_is_until_it_is_over():
    token = issue(SECRET, HOLDER)
    assert verify(SECRET, token, 999.9) == HOLDER
    assert json.loads(base64.b64decode(token)).keys() == {"payload", "datakey", "version", "type", "expiration"}
    with pytest.raises(Expired):
        verify(SECRET, token, 1000.0)


def test_a_token_that_was_changed_is_none():
    document = json.loads(base64.b64decode(issue(SECRET, HOLDER)))
    forged = issue(OTHER, HOLDER._replace(expires_at=9e9))
    for changed in (
        {**document, "payload": json.loads(base64.b64decode(forged))["payload"]}, {**document, "datakey": 1}, [], {},
    ):  # fmt: skip
        with pytest.raises(BadToken):
            verify(SECRET, base64.b64encode(json.dumps(changed).encode()).decode(), 0)
    for text in ("", "x", "ä", forged, base64.b64encode(b"[1]").decode()):
        with pytest.raises(BadToken):
            verify(SECRET, text, 0)


def test_basic_authentication_is_read():
    header = "Basic " + base64.b64encode(b"AWS:a:b").decode()
    assert basic(header) == ("AWS", "a:b")
    assert basic("Bearer x") is None and basic("Basic ???") is None and basic("") is None


def test_what_is_for_one_layer_is_no_password():
    token = issue(SECRET, HOLDER._replace(layer="1.r/web@sha256:a"))
    assert verify(SECRET, token, 0, "1.r/web@sha256:a").account == HOLDER.account
    for other in ("", "1.r/web@sha256:b", "2.r/web@sha256:a"):
        with pytest.raises(BadToken):
            verify(SECRET, token, 0, other)
    with pytest.raises(BadToken):
        verify(SECRET, issue(SECRET, HOLDER), 0, "1.r/web@sha256:a")
    with pytest.raises(BadToken):
        verify(SECRET, base64.b64encode(b"[" * 100_000).decode(), 0)
