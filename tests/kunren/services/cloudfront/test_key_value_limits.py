"""What a key value store may hold: the quotas of the Developer Guide, and its file format."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.cloudfront.key_values.limits import BadFile, TooLarge, check_pair, check_update, read_file

texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.dictionaries(texts.filter(bool), texts))
def test_a_file_says_what_the_store_holds(values):
    listed = [{"key": key, "value": value} for key, value in values.items()]
    assert read_file(json.dumps({"data": listed}).encode()) == values


@pytest.mark.parametrize(
    "content",
    [
        b"\xff", b"no json", b"[]", b"{}", b'{"data": {"key": "a", "value": "b"}}', b'{"data": [{"key": "a"}]}',
        b'{"data": [{"key": "", "value": "b"}]}', b'{"data": [{"key": "a", "value": 1}]}',
        b'{"data": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}',
    ],
)  # fmt: skip
def test_a_file_of_another_form_or_with_a_key_twice_is_refused(content):
    with pytest.raises(BadFile):
        read_file(content)


def test_a_key_has_512_bytes_a_value_1024_a_store_5_megabytes():
    check_pair("é" * 256, "v" * 1024)
    with pytest.raises(TooLarge, match="512"):
        check_pair("é" * 257, "v")
    with pytest.raises(TooLarge, match="1024"):
        check_pair("k", "é" * 513)
    with pytest.raises(TooLarge):
        read_file(b" " * (5 * 1024 * 1024 + 1))


def test_an_update_has_50_keys():
    check_update({str(each): "v" for each in range(25)}, 25)
    with pytest.raises(TooLarge, match="50"):
        check_update({str(each): "v" for each in range(25)}, 26)
