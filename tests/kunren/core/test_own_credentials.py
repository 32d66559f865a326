"""Keys that follow from the state folder's secret: known again, of their account, and nobody else's."""

from __future__ import annotations

import base64
import stat

from hypothesis import given
from hypothesis import strategies as st

from kunren.core.own_credentials import OwnCredentials, account_in, role_of_token, session_token

OWN = OwnCredentials(b"s" * 32)
ROLE = "arn:aws:iam::111122223333:role/app"


@given(st.integers(0, 10**12 - 1))
def test_a_root_keys_id_names_its_account_as_awss_own_do(number):
    account = f"{number:012d}"
    keys = OWN.root(account)
    assert keys.access_key.startswith("AKIA")
    assert len(keys.access_key) == 20
    assert len(keys.secret) == 40
    head = int.from_bytes(base64.b32decode(keys.access_key[4:])[:6], "big")  # as tools decode AWS's
    assert (head & 0x7FFFFFFFFF80) >> 7 == number
    assert OWN.account_of_root(keys.access_key) == account
    assert OwnCredentials(b"t" * 32).account_of_root(keys.access_key) is None


def test_other_keys_are_no_root_keys():
    for each in ("AKIAIOSFODNN7EXAMPLE", "test", "", "AKIA", "111122223333", "ASIA" + "Z" * 16):
        assert OWN.account_of_root(each) is None


def test_texts_that_nobody_made_are_nobodys():
    told = base64.urlsafe_b64encode(b'["one", 1]').decode()
    for role in ("a:b:c:d:account:f", "arn:aws:iam::-1:role/x", "arn:aws:iam::1:role/x", ROLE):
        for seal in ("00", "é"):
            assert OWN.session_of("ASIA" + "A" * 16, f"{session_token(role)}.{told}.{seal}") is None
    assert OWN.account_of_root("ÄÖÜß" + OWN.root("111122223333").access_key[4:]) is None


def test_a_session_says_whose_it_is_and_cannot_be_changed():
    keys = OWN.session(ROLE, "function", 1000.5)
    found = OWN.session_of(keys.access_key, keys.token)
    assert found is not None
    assert found[0] == keys
    assert found[1] == (ROLE, "function", 1000.5)
    assert account_in(keys.access_key) == "111122223333"
    assert role_of_token(keys.token) == role_of_token(session_token(ROLE)) == ROLE
    later = OWN.session(ROLE, "function", 9000.5)
    text, _, seal = keys.token.rpartition(".")
    for key, token in (
        (later.access_key, keys.token), (keys.access_key, later.token),
        (keys.access_key, f"{later.token.rpartition('.')[0]}.{seal}"), (keys.access_key, text), (keys.access_key, "x"),
        (keys.access_key, "kunren-role-x.y.z"), (keys.access_key, session_token("nothing") + ".WyJ4IiwgMV0=.00"),
    ):  # fmt: skip
        assert OWN.session_of(key, token) is None, token


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path):
    file = tmp_path / "own-credentials"
    first = OwnCredentials.open(file).root("111122223333")
    assert OwnCredentials.open(file).root("111122223333") == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
