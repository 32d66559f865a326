"""ACME's operations: endpoints, domain validations, bindings, accounts, tags."""

from __future__ import annotations

from typing import Any

import pytest

from kunren.core.errors import AwsError

MISSING = "arn:aws:acm:us-east-1:111122223333:acme-endpoint/00000000-0000-0000-0000-000000000000"
EXACT = {"ExactDomain": "ENABLED"}


def refused(code: str, call: Any) -> str:
    with pytest.raises(AwsError) as caught:
        call()
    assert caught.value.code == code
    return caught.value.message


def test_an_endpoint_is_active_under_its_url(bench) -> None:
    arn = bench.endpoint(CertificateTags=[{"Key": "a", "Value": "1"}])
    uuid = arn.rpartition("/")[2]
    assert arn == f"arn:aws:acm:us-east-1:111122223333:acme-endpoint/{uuid}"
    shown = bench("describe_acme_endpoint", AcmeEndpointArn=arn)["AcmeEndpoint"]
    assert shown == {
        "AcmeEndpointArn": arn,
        "EndpointUrl": f"https://acm-acme-enroll.us-east-1.api.aws/{uuid}/directory",
        "Status": "ACTIVE",
        "AuthorizationBehavior": "PRE_APPROVED",
        "Contact": "NOT_REQUIRED",
        "CertificateAuthority": {"PublicCertificateAuthority": {}},
        "CertificateTags": [{"Key": "a", "Value": "1"}],
        "CreatedAt": bench.clock.now(),
        "UpdatedAt": bench.clock.now(),
    }
    bench.clock.advance(5)
    keys = {"PublicCertificateAuthority": {"AllowedKeyAlgorithms": ["RSA_2048"]}}
    bench("update_acme_endpoint", AcmeEndpointArn=arn, Contact="REQUIRED", CertificateAuthority=keys)
    (listed,) = bench("list_acme_endpoints")["AcmeEndpoints"]
    assert (listed["Contact"], listed["CertificateAuthority"]) == ("REQUIRED", keys)
    assert listed["UpdatedAt"] - listed["CreatedAt"] == 5


def test_an_idempotency_token_makes_one_resource(bench) -> None:
    arn = bench.endpoint(IdempotencyToken="one")
    assert bench.endpoint(IdempotencyToken="one") == arn
    assert bench.endpoint(IdempotencyToken="two") != arn
    refused("ConflictException", lambda: bench.endpoint(IdempotencyToken="one", Contact="REQUIRED"))
    binding = bench.binding(arn, IdempotencyToken="one")
    assert bench.binding(arn, IdempotencyToken="one") == binding
    validation = bench.allow(arn, "example.com", IdempotencyToken="one")
    assert bench.allow(arn, "example.com", IdempotencyToken="one") == validation
    refused("ConflictException", lambda: bench.allow(arn, "example.com"))


def test_quotas_are_aws(bench, monkeypatch) -> None:
    for _ in range(50):
        bench.endpoint()
    refused("ServiceQuotaExceededException", bench.endpoint)
    (first, *_) = bench("list_acme_endpoints", MaxResults=30)["AcmeEndpoints"]
    arn = first["AcmeEndpointArn"]
    monkeypatch.setattr("kunren.services.acm.acme.bindings.BINDINGS_MAX", 1)
    monkeypatch.setattr("kunren.services.acm.acme.validations.VALIDATIONS_MAX", 1)
    bench.binding(arn)
    refused("ServiceQuotaExceededException", lambda: bench.binding(arn))
    bench.allow(arn, "a.test")
    refused("ServiceQuotaExceededException", lambda: bench.allow(arn, "b.test"))


def test_lists_come_in_pages(bench) -> None:
    arns = {bench.endpoint() for _ in range(5)}
    seen, token = [], None
    while True:
        page = bench("list_acme_endpoints", MaxResults=2, NextToken=token)
        seen += [each["AcmeEndpointArn"] for each in page["AcmeEndpoints"]]
        token = page["NextToken"]
        if token is None:
            break
    assert (len(seen), set(seen)) == (5, arns)
    refused("ValidationException", lambda: bench("list_acme_endpoints", NextToken="nonsense"))


def test_what_is_not_there_is_named(bench) -> None:
    operations = ("list_acme_domain_validations", "list_acme_external_account_bindings", "list_acme_accounts")
    for operation in ("describe_acme_endpoint", "update_acme_endpoint", *operations):
        told = refused("ResourceNotFoundException", lambda op=operation: bench(op, AcmeEndpointArn=MISSING))
        assert told == f"Could not find resource {MISSING} in account 111122223333."
    bench("delete_acme_endpoint", AcmeEndpointArn=MISSING)
    bench("delete_acme_domain_validation", AcmeDomainValidationArn=f"{MISSING}/acme-domain-validation/x")
    refused("ResourceNotFoundException", lambda: bench.binding(MISSING))
    refused("ResourceNotFoundException", lambda: bench.allow(MISSING, "example.com"))


def test_a_domain_validation_shows_its_record_and_scope(bench) -> None:
    arn = bench.allow(bench.endpoint(), "example.com", EXACT)
    shown = bench.validation(arn)
    assert shown["Status"] == "VALIDATING"
    details = shown["PrevalidationDetails"]["DnsPrevalidation"]
    assert details["DomainScope"] == {"ExactDomain": "ENABLED", "Subdomains": "DISABLED", "Wildcards": "DISABLED"}
    assert details["ResourceRecord"]["Type"] == "CNAME"
    new = {"DnsPrevalidation": {"DomainScope": {"Wildcards": "ENABLED"}}}
    bench("update_acme_domain_validation", AcmeDomainValidationArn=arn, PrevalidationOptions=new)
    scope = bench.validation(arn)["PrevalidationDetails"]["DnsPrevalidation"]["DomainScope"]
    assert scope == {"ExactDomain": "DISABLED", "Subdomains": "DISABLED", "Wildcards": "ENABLED"}


@pytest.mark.parametrize("options", [{}, {"DnsPrevalidation": {}}, {"DnsPrevalidation": {"DomainScope": {}}}])
def test_a_domain_validation_for_nothing_is_refused(bench, options) -> None:
    arn = bench.endpoint()
    given = {"AcmeEndpointArn": arn, "DomainName": "example.com", "PrevalidationOptions": options}
    refused("ValidationException", lambda: bench("create_acme_domain_validation", **given))
    assert bench("list_acme_domain_validations", AcmeEndpointArn=arn)["AcmeDomainValidations"] == []


@pytest.mark.parametrize(
    ("domain", "reason"), [("x.amazonaws.com", "DOMAIN_NOT_ALLOWED"), ("localhost", "INVALID_PUBLIC_DOMAIN")]
)
def test_domains_that_nobody_can_have_are_invalid_at_once(bench, domain, reason) -> None:
    shown = bench.validation(bench.allow(bench.endpoint(), domain))
    assert (shown["Status"], shown["FailureDetails"]["Reason"]) == ("INVALID", reason)


def test_a_binding_has_credentials_and_ends(bench) -> None:
    endpoint = bench.endpoint()
    arn = bench.binding(endpoint, Expiration={"Value": 2, "Type": "HOURS"})
    secret = bench("get_acme_external_account_binding_credentials", AcmeExternalAccountBindingArn=arn)
    assert (len(secret["KeyId"]), len(secret["MacKey"])) == (36, 43)
    shown = bench("describe_acme_external_account_binding", AcmeExternalAccountBindingArn=arn)["ExternalAccountBinding"]
    assert shown["ExpiresAt"] - shown["CreatedAt"] == 7200
    assert shown["RevokedAt"] is None
    bench.clock.advance(9)
    bench("revoke_acme_external_account_binding", AcmeExternalAccountBindingArn=arn)
    (listed,) = bench("list_acme_external_account_bindings", AcmeEndpointArn=endpoint)["ExternalAccountBindings"]
    assert listed["RevokedAt"] == listed["UpdatedAt"] == shown["CreatedAt"] + 9
    bench("delete_acme_external_account_binding", AcmeExternalAccountBindingArn=arn)
    assert bench("list_acme_external_account_bindings", AcmeEndpointArn=endpoint)["ExternalAccountBindings"] == []


def test_deleting_an_endpoint_deletes_what_belongs_to_it(bench) -> None:
    gone, kept = bench.endpoint(), bench.endpoint()
    for endpoint in (gone, kept):
        bench.allow(endpoint, "example.com")
        bench.binding(endpoint)
    bench("delete_acme_endpoint", AcmeEndpointArn=gone)
    refused("ResourceNotFoundException", lambda: bench("describe_acme_endpoint", AcmeEndpointArn=gone))
    assert len(bench("list_acme_domain_validations", AcmeEndpointArn=kept)["AcmeDomainValidations"]) == 1
    counts = bench.store.snapshot().counts()
    assert (counts["acm.acme-domain-validation"], counts["acm.acme-external-account-binding"]) == (1, 1)


def test_tags_are_kept_of_all_but_certificates(bench) -> None:
    endpoint = bench.endpoint(Tags=[{"Key": "a", "Value": "1"}])
    for arn in (endpoint, bench.allow(endpoint, "example.com"), bench.binding(endpoint)):
        bench("tag_resource", ResourceArn=arn, Tags=[{"Key": "b"}, {"Key": "c", "Value": "3"}])
        bench("untag_resource", ResourceArn=arn, TagKeys=["a", "c", "d"])
        assert bench("list_tags_for_resource", ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": ""}]
    refused("ValidationException", lambda: bench("tag_resource", ResourceArn=endpoint, Tags=[{"Key": "aws:x"}]))
    many = [{"Key": f"k{index}"} for index in range(50)]
    refused("ServiceQuotaExceededException", lambda: bench("tag_resource", ResourceArn=endpoint, Tags=many))
    refused("ResourceNotFoundException", lambda: bench("list_tags_for_resource", ResourceArn=MISSING))
    refused("ResourceNotFoundException", lambda: bench("list_tags_for_resource", ResourceArn=MISSING + "/other/x"))
    certificate = "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"
    refused("ValidationException", lambda: bench("list_tags_for_resource", ResourceArn=certificate))
