"""Names and validation records of certificates."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.acm.errors import InvalidDomainValidationOptionsException, LimitExceededException
from kunren.services.acm.names import (
    belongs_to_amazon,
    certificate_names,
    same_name,
    validation_record,
    validations,
)

ACCOUNT = "111122223333"
LABEL = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\Z")
NAME = st.lists(LABEL, min_size=2, max_size=4).map(".".join)


@given(NAME)
def test_a_wildcard_shares_the_record_of_the_name_it_covers(name: str) -> None:
    assert validation_record(ACCOUNT, f"*.{name}") == validation_record(ACCOUNT, name)


@given(NAME)
def test_a_record_depends_on_account_and_name_only_and_has_acms_form(name: str) -> None:
    owner, value = validation_record(ACCOUNT, name)
    assert re.fullmatch(r"_[0-9a-f]{32}\." + re.escape(name) + r"\.", owner)
    assert re.fullmatch(r"_[0-9a-f]{32}\.[a-z]{10}\.acm-validations\.aws\.", value)
    assert (owner, value) == validation_record(ACCOUNT, name.upper())
    other_owner, other_value = validation_record("444455556666", name)
    assert other_owner != owner
    assert other_value != value


def test_names_are_kept_once_in_lower_case_with_the_domain_name_first() -> None:
    assert certificate_names("Example.com", ["www.example.com", "EXAMPLE.com", "*.example.com"]) == (
        "example.com",
        "www.example.com",
        "*.example.com",
    )
    assert certificate_names("example.com", None) == ("example.com",)


def test_the_first_name_has_at_most_64_characters() -> None:
    first = "a" * 52 + ".example.com"
    assert len(first) == 64
    assert certificate_names(first, ["a" * 60 + ".example.com"])[0] == first
    with pytest.raises(
        InvalidDomainValidationOptionsException, match=r"^The first domain name can be no longer than 64 characters\.$"
    ):
        certificate_names("a" + first, None)


def test_ten_names_are_allowed_counting_the_first() -> None:
    certificate_names("a.test", [f"a{index}.test" for index in range(9)])
    with pytest.raises(LimitExceededException, match=r"^Certificate has too many domains\.$"):
        certificate_names("a.test", [f"a{index}.test" for index in range(10)])


def test_validation_options_must_name_a_name_of_the_request_and_a_superdomain_of_it() -> None:
    names = ("www.example.com",)
    option = {"DomainName": "www.example.com", "ValidationDomain": "example.com"}
    assert validations(ACCOUNT, names, [option])[0].validation_domain == "example.com"
    assert validations(ACCOUNT, names)[0].validation_domain == "www.example.com"
    for bad in (
        {"DomainName": "other.example.com", "ValidationDomain": "example.com"},
        {"DomainName": "www.example.com", "ValidationDomain": "example.org"},
        {"DomainName": "www.example.com", "ValidationDomain": "ample.com"},
    ):
        with pytest.raises(InvalidDomainValidationOptionsException):
            validations(ACCOUNT, names, [bad])


def test_amazons_own_names_are_recognised() -> None:
    assert belongs_to_amazon("my.bucket.s3.amazonaws.com")
    assert belongs_to_amazon("*.cloudfront.net")
    assert not belongs_to_amazon("notamazonaws.com")


def test_letter_case_and_final_dot_do_not_make_another_name() -> None:
    assert same_name("A.Example.COM.", "a.example.com")
    assert not same_name("a.example.com", "b.example.com")
