"""The table of the ACM User Guide, "Domain validation scope combinations", and the records."""

from __future__ import annotations

import pytest

from kunren.services.acm.acme.model import AcmeDomainValidation, DomainScope
from kunren.services.acm.acme.scope import allows, covering, validation_record

ENDPOINT = "arn:aws:acm:us-east-1:111122223333:acme-endpoint/00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("domain", "scope", "allowed", "refused"),
    [
        ("example.com", (True, False, False), "example.com", "www.example.com *.example.com"),
        ("example.com", (False, True, False), "sub.example.com a.b.example.com", "example.com *.example.com"),
        ("example.com", (False, False, True), "*.example.com", "example.com sub.example.com *.sub.example.com"),
        ("example.com", (True, True, True), "example.com a.b.example.com *.example.com", "anexample.com example.org"),
        ("internal.example.com", (True, True, False), "internal.example.com a.internal.example.com", "example.com"),
    ],
)
def test_a_scope_allows_what_the_user_guide_says(domain, scope, allowed, refused) -> None:
    given = DomainScope(exact_domain=scope[0], subdomains=scope[1], wildcards=scope[2])
    assert [name for name in allowed.split() if not allows(given, domain, name)] == []
    assert [name for name in refused.split() if allows(given, domain, name)] == []


def test_each_endpoint_has_its_own_record_for_a_domain() -> None:
    name, value = validation_record(ENDPOINT, "example.com")
    assert name.endswith(".example.com.")
    assert value.endswith(".acm-validations.aws.")
    assert validation_record(ENDPOINT, "example.com") == (name, value)
    assert validation_record(ENDPOINT[:-1] + "1", "example.com") != (name, value)


def test_the_longest_valid_domain_covers_a_name() -> None:
    def row(domain: str, status: str) -> AcmeDomainValidation:
        return AcmeDomainValidation(
            account="1", region="r", id=domain, endpoint_arn=ENDPOINT, domain_name=domain, hosted_zone_id=None,
            scope=DomainScope(exact_domain=True, subdomains=True), record_name="", record_value="", created_at=0.0,
            updated_at=0.0, validating_since=0.0, status=status,
        )  # fmt: skip

    rows = [row("test", "VALID"), row("b.test", "VALID"), row("a.b.test", "VALIDATING")]
    found = covering(rows, "www.a.b.test")
    assert found is not None
    assert found.domain_name == "b.test"
    assert covering(rows, "example.com") is None
