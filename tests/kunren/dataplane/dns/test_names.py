from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.dns import names

LABELS = st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=6)


def wire(labels: list[bytes]) -> bytes:
    return (b"".join(bytes((len(each),)) + each for each in labels) + b"\0").lower()


@given(LABELS)
def test_text_and_wire_form_are_one_name(labels: list[bytes]) -> None:
    name = wire(labels)
    assert names.to_wire(names.to_text(name)) == name


@given(LABELS)
def test_a_sort_key_gives_its_name_back(labels: list[bytes]) -> None:
    name = wire(labels)
    assert names.from_sort_key(names.sort_key(name)) == name


@given(LABELS, LABELS)
def test_a_name_lies_within_a_zone_only_by_whole_labels(one: list[bytes], other: list[bytes]) -> None:
    name, zone = wire(one), wire(other)
    assert names.is_within(name, zone) == (names.labels_of(name)[-len(other) :] == names.labels_of(zone))


def test_unusual_bytes_are_shown_in_octal() -> None:
    assert names.to_text(names.to_wire("*.Example.com")) == "\\052.example.com."
    assert names.to_wire("\\052.example.com.") == names.to_wire("*.example.com")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "DomainNameEmpty"),
        ("a..b", "DomainLabelEmpty"),
        (".a", "DomainLabelEmpty"),
        ("a" * 64 + ".com", "DomainLabelTooLong"),
        (".".join(["a" * 60] * 5), "DomainNameTooLong"),
        ("caf\u00e9.com", "UnsupportedCharacter"),
        ("a b.com", "UnsupportedCharacter"),
        ("a\\9.com", "UnsupportedCharacter"),
    ],
)
def test_a_bad_name_is_refused_with_route_53s_word_for_it(text: str, problem: str) -> None:
    with pytest.raises(names.BadName) as caught:
        names.to_wire(text)
    assert caught.value.problem == problem


def test_names_sort_by_reversed_labels_with_the_trailing_dot() -> None:
    texts = ["b.example.com", "a-b.example.com", "a.example.com", "example.com", "x.a.example.com"]
    assert sorted(texts, key=lambda each: names.sort_key(names.to_wire(each))) == [
        "example.com",
        "a-b.example.com",
        "a.example.com",
        "x.a.example.com",
        "b.example.com",
    ]
