"""ACM's operations against a store in memory."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kunren.control.store import Store
from kunren.core.ca import CertificateAuthority, IssuedCertificate
from kunren.core.clock import SimClock, SystemClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.acm.api import AcmApi
from kunren.services.acm.material import certificate_material

ACCOUNT, REGION = "111122223333", "us-east-1"
CTX = RequestContext(account=ACCOUNT, region=REGION, service="acm", operation="", request_id="r")
WALL = SystemClock().wall()


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> IssuedCertificate:
    authority = CertificateAuthority.open(tmp_path_factory.mktemp("ca"), SystemClock())
    return authority.issue(["imported.example.com", "www.example.com"], key_type="RSA_2048")


class Acm:
    def __init__(self) -> None:
        self.clock = SimClock(WALL)
        self.store = Store(None)
        self.users: dict[str, list[str]] = {}
        self.api = AcmApi(self.store, self.clock, Entropy(7), in_use_by=lambda _, arn: self.users.get(arn, []))

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        return getattr(self.api, operation)(CTX, params) or {}

    def request(self, name: str = "example.com", **params: Any) -> str:
        return str(self("request_certificate", DomainName=name, ValidationMethod="DNS", **params)["CertificateArn"])

    def describe(self, arn: str) -> dict[str, Any]:
        certificate: dict[str, Any] = self("describe_certificate", CertificateArn=arn)["Certificate"]
        return {key: value for key, value in certificate.items() if value is not None}

    def bring(self, issued: IssuedCertificate, **params: Any) -> str:
        body = {"Certificate": issued.certificate_pem.encode(), "PrivateKey": issued.private_key_pem.encode()}
        chain = {"CertificateChain": issued.chain_pem.encode()}
        return str(self("import_certificate", **body, **chain, **params)["CertificateArn"])


@pytest.fixture
def acm() -> Acm:
    return Acm()


def refused(code: str, call: Any) -> str:
    with pytest.raises(AwsError) as caught:
        call()
    assert caught.value.code == code
    return caught.value.message


def test_a_requested_certificate_is_pending_and_names_its_records(acm: Acm) -> None:
    arn = acm.request("example.com", SubjectAlternativeNames=["*.example.com", "example.org"])
    assert arn.startswith("arn:aws:acm:us-east-1:111122223333:certificate/")
    detail = acm.describe(arn)
    assert detail["Status"] == "PENDING_VALIDATION"
    assert detail["SubjectAlternativeNames"] == ["example.com", "*.example.com", "example.org"]
    assert detail["KeyAlgorithm"] == "RSA-2048"
    assert detail["InUseBy"] == []
    assert detail["Options"] == {"CertificateTransparencyLoggingPreference": "ENABLED", "Export": "DISABLED"}
    apex, wildcard, other = detail["DomainValidationOptions"]
    assert apex["ResourceRecord"] == wildcard["ResourceRecord"] != other["ResourceRecord"]
    assert apex["ResourceRecord"]["Type"] == "CNAME"
    assert apex["ValidationStatus"] == "PENDING_VALIDATION"
    assert not {"Serial", "NotAfter", "IssuedAt", "ImportedAt", "SignatureAlgorithm"} & detail.keys()
    assert certificate_material(acm.store.snapshot(), arn) is None


def test_e_mail_validation_is_refused_with_the_way_out(acm: Acm) -> None:
    for params in ({}, {"ValidationMethod": "EMAIL"}):
        told = refused("NotImplemented", lambda p=params: acm("request_certificate", DomainName="example.com", **p))
        assert "ValidationMethod=DNS" in told
    assert acm("list_certificates")["CertificateSummaryList"] == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"KeyAlgorithm": "RSA_4096"}, "InvalidParameterException"),
        ({"CertificateAuthorityArn": "arn:aws:acm-pca:us-east-1:1:certificate-authority/1"}, "NotImplemented"),
        ({"SubjectAlternativeNames": [f"n{index}.test" for index in range(10)]}, "LimitExceededException"),
        ({"Tags": [{"Key": "aws:x", "Value": "1"}]}, "InvalidTagException"),
        ({"Tags": [{"Key": f"k{index}"} for index in range(51)]}, "TooManyTagsException"),
        ({"Options": {"CertificateTransparencyLoggingPreference": "DISABLED"}}, "InvalidParameterException"),
    ],
)
def test_a_bad_request_is_refused_and_leaves_nothing(acm: Acm, params: dict[str, Any], code: str) -> None:
    refused(code, lambda: acm.request("example.com", **params))
    assert acm("list_certificates")["CertificateSummaryList"] == []


def test_names_that_amazon_owns_fail_at_once(acm: Acm) -> None:
    detail = acm.describe(acm.request("www.amazonaws.com"))
    assert (detail["Status"], detail["FailureReason"]) == ("FAILED", "DOMAIN_NOT_ALLOWED")


def test_an_idempotency_token_stands_for_one_certificate_during_one_hour(acm: Acm) -> None:
    first = acm.request("example.com", IdempotencyToken="token")
    acm.clock.advance(3599)
    assert acm.request("example.com", IdempotencyToken="token") == first
    assert acm.request("example.com") != first
    assert acm.request("example.org", IdempotencyToken="token") != first
    acm.clock.advance(1)
    assert acm.request("example.com", IdempotencyToken="token") != first


def test_an_unknown_certificate_is_named_with_the_account(acm: Acm) -> None:
    arn = "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"
    for operation in ("describe_certificate", "get_certificate", "delete_certificate", "list_tags_for_certificate"):
        told = refused("ResourceNotFoundException", lambda op=operation: acm(op, CertificateArn=arn))
        assert told == f"Could not find certificate {arn} in account 111122223333."
    refused(
        "InvalidArnException", lambda: acm("describe_certificate", CertificateArn="arn:aws:acm:us-east-1:1:other/1")
    )


def test_get_certificate_before_issuance_says_that_the_request_is_in_process(acm: Acm) -> None:
    refused("RequestInProgressException", lambda: acm("get_certificate", CertificateArn=acm.request()))


def test_an_imported_certificate_is_issued_and_served_as_it_came(acm: Acm, issued: IssuedCertificate) -> None:
    arn = acm.bring(issued, Tags=[{"Key": "team", "Value": "edge"}])
    detail = acm.describe(arn)
    assert (detail["Type"], detail["Status"], detail["Issuer"]) == ("IMPORTED", "ISSUED", "Kunren")
    assert detail["SubjectAlternativeNames"] == ["imported.example.com", "www.example.com"]
    assert detail["RenewalEligibility"] == "INELIGIBLE"
    assert "DomainValidationOptions" not in detail
    assert "IssuedAt" not in detail
    assert (detail["NotBefore"], detail["NotAfter"]) == (issued.not_before, issued.not_after)
    got = acm("get_certificate", CertificateArn=arn)
    assert (got["Certificate"], got["CertificateChain"]) == (issued.certificate_pem, issued.chain_pem)
    material = certificate_material(acm.store.snapshot(), arn)
    assert material is not None
    assert material.private_key_pem == issued.private_key_pem


def test_re_import_keeps_the_arn_the_tags_and_the_creation_time(acm: Acm, issued: IssuedCertificate) -> None:
    arn = acm.bring(issued, Tags=[{"Key": "team", "Value": "edge"}])
    before = acm.describe(arn)
    acm.clock.advance(60)
    assert acm.bring(issued, CertificateArn=arn) == arn
    after = acm.describe(arn)
    assert after["CreatedAt"] == before["CreatedAt"]
    assert after["ImportedAt"] == before["ImportedAt"] + 60
    assert acm("list_tags_for_certificate", CertificateArn=arn)["Tags"] == [{"Key": "team", "Value": "edge"}]
    refused("InvalidParameterException", lambda: acm.bring(issued, CertificateArn=arn, Tags=[{"Key": "a"}]))
    requested = acm.request()
    refused("ValidationException", lambda: acm.bring(issued, CertificateArn=requested))


def test_an_imported_certificate_shows_as_expired_after_its_last_day(acm: Acm, issued: IssuedCertificate) -> None:
    arn = acm.bring(issued)
    acm.clock.advance(issued.not_after - acm.clock.wall() + 1)
    assert acm.describe(arn)["Status"] == "EXPIRED"
    assert acm("list_certificates", CertificateStatuses=["ISSUED"])["CertificateSummaryList"] == []


def test_a_certificate_in_use_cannot_be_deleted_until_it_is_free(acm: Acm, issued: IssuedCertificate) -> None:
    arn = acm.bring(issued)
    acm.users[arn] = ["arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/app/a/1"]
    told = refused("ResourceInUseException", lambda: acm("delete_certificate", CertificateArn=arn))
    assert told == f"Certificate {arn} is in use."
    assert acm.describe(arn)["InUseBy"] == acm.users[arn]
    acm.users.clear()
    acm("delete_certificate", CertificateArn=arn)
    refused("ResourceNotFoundException", lambda: acm.describe(arn))


def test_listing_shows_rsa_2048_only_unless_key_types_are_asked_for(acm: Acm) -> None:
    rsa = acm.request("rsa.test")
    ecdsa = acm.request("ec.test", KeyAlgorithm="EC_prime256v1")

    def listed(**params: Any) -> list[str]:
        return [each["CertificateArn"] for each in acm("list_certificates", **params)["CertificateSummaryList"]]

    assert listed() == [rsa]
    assert listed(Includes={"keyTypes": ["EC_prime256v1"]}) == [ecdsa]
    assert set(listed(Includes={"keyTypes": ["EC_prime256v1", "RSA_2048"]})) == {rsa, ecdsa}
    assert listed(CertificateStatuses=["ISSUED"]) == []
    assert listed(Includes={"exportOption": "ENABLED"}) == []
    assert listed(CertificateKeyPairOrigins=["CUSTOMER_PROVIDED"]) == []


@pytest.mark.parametrize("order", ["ASCENDING", "DESCENDING"])
def test_pages_follow_the_order_and_show_each_certificate_once(acm: Acm, order: str) -> None:
    arns = []
    for index in range(5):
        arns.append(acm.request(f"n{index}.test"))
        acm.clock.advance(1)
    seen: list[str] = []
    token = None
    while True:
        more = {"NextToken": token} if token else {}
        answer = acm("list_certificates", MaxItems=2, SortBy="CREATED_AT", SortOrder=order, **more)
        seen += [each["CertificateArn"] for each in answer["CertificateSummaryList"]]
        token = answer["NextToken"]
        if not token:
            break
    assert seen == (arns if order == "ASCENDING" else arns[::-1])
    refused("InvalidArgsException", lambda: acm("list_certificates", SortBy="CREATED_AT"))
    refused("InvalidArgsException", lambda: acm("list_certificates", NextToken="nonsense"))


def test_tags_are_added_replaced_and_removed_by_key_or_by_key_and_value(acm: Acm) -> None:
    arn = acm.request()
    acm("add_tags_to_certificate", CertificateArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])
    acm("add_tags_to_certificate", CertificateArn=arn, Tags=[{"Key": "a", "Value": "2"}])
    tags = acm("list_tags_for_certificate", CertificateArn=arn)["Tags"]
    assert tags == [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": ""}]
    acm("remove_tags_from_certificate", CertificateArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])
    assert acm("list_tags_for_certificate", CertificateArn=arn)["Tags"] == [{"Key": "a", "Value": "2"}]


def test_a_certificate_without_the_export_option_is_not_exported(acm: Acm, issued: IssuedCertificate) -> None:
    requested, brought = acm.request(), acm.bring(issued)
    for arn in (requested, brought):
        refused("ValidationException", lambda a=arn: acm("export_certificate", CertificateArn=a, Passphrase=b"secret"))


def test_renewal_and_mail_operations_are_refused_as_for_a_public_dns_certificate(acm: Acm) -> None:
    arn = acm.request()
    refused("ValidationException", lambda: acm("renew_certificate", CertificateArn=arn))
    refused(
        "InvalidStateException",
        lambda: acm(
            "resend_validation_email", CertificateArn=arn, Domain="example.com", ValidationDomain="example.com"
        ),
    )


def test_options_and_account_configuration_are_kept(acm: Acm) -> None:
    arn = acm.request()
    acm("update_certificate_options", CertificateArn=arn, Options={"Export": "ENABLED"})
    assert acm.describe(arn)["Options"]["Export"] == "ENABLED"
    assert acm("get_account_configuration") == {"ExpiryEvents": {"DaysBeforeExpiry": 45}}
    acm("put_account_configuration", ExpiryEvents={"DaysBeforeExpiry": 10}, IdempotencyToken="t")
    assert acm("get_account_configuration") == {"ExpiryEvents": {"DaysBeforeExpiry": 10}}


def test_domain_validations_are_listed_in_pages(acm: Acm) -> None:
    arn = acm.request("example.com", SubjectAlternativeNames=["a.example.com", "b.example.com"])
    first = acm("list_certificate_domain_validations", CertificateArn=arn, MaxItems=2)
    assert [each["DomainName"] for each in first["DomainValidationSummaryList"]] == ["example.com", "a.example.com"]
    rest = acm("list_certificate_domain_validations", CertificateArn=arn, NextToken=first["NextToken"])
    assert [each["DomainName"] for each in rest["DomainValidationSummaryList"]] == ["b.example.com"]
    assert rest["NextToken"] is None


def test_an_exported_key_opens_with_its_passphrase(issued: IssuedCertificate) -> None:
    from kunren.services.acm.api import encrypted_key

    locked = encrypted_key(issued.private_key_pem, b"pass phrase")
    assert locked.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    load_pem_private_key(locked.encode(), b"pass phrase")
