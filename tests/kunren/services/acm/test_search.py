"""SearchCertificates' filters, order and pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kunren.core.errors import AwsError
from kunren.services.acm import search
from kunren.services.acm.model import AcmeOrigin, Certificate, X509Facts
from kunren.services.acm.search import Candidate

ENDPOINT = "arn:aws:acm:us-east-1:1:acme-endpoint/e"


def certificate(name: str, created: float, **fields: Any) -> Certificate:
    facts = X509Facts(
        serial=f"0a:{int(created):02x}",
        subject=f"CN={name}",
        issuer="Kunren",
        names=(name,),
        key_algorithm="RSA_2048",
        signature_algorithm="SHA256WITHECDSA",
        key_usages=("DIGITAL_SIGNATURE",),
        extended_key_usages=(("TLS_WEB_SERVER_AUTHENTICATION", "1.3.6.1.5.5.7.3.1"),),
        not_before=created,
        not_after=created + 100,
    )
    given = {
        "type": "AMAZON_ISSUED", "key_algorithm": "RSA_2048", "status": "ISSUED", "facts": facts,
        "names": (name, f"www.{name}"),
    }  # fmt: skip
    row = {"account": "1", "region": "us-east-1", "id": f"arn:{name}", "domain_name": name, "created_at": created}
    return Certificate(**row, **{**given, **fields})


ALL = [
    Candidate(each, each.domain_name == "b.test", 50.0)
    for each in (
        certificate("a.test", 1.0, exported=True, export="ENABLED"),
        certificate("b.test", 2.0, key_algorithm="EC_prime256v1"),
        certificate("c.example", 3.0, status="PENDING_VALIDATION", facts=None),
        certificate("d.test", 4.0, acme=AcmeOrigin(endpoint_arn=ENDPOINT, account_id="x")),
        certificate("e.test", 5.0, type="IMPORTED", imported_at=5.0),
    )
]


def found(statement: dict[str, Any]) -> str:
    search.check(statement)
    return "".join(each.certificate.domain_name[0] for each in ALL if search.matches(statement, each))


def x509(**wanted: Any) -> dict[str, Any]:
    return {"Filter": {"X509AttributeFilter": wanted}}


def metadata(**wanted: Any) -> dict[str, Any]:
    return {"Filter": {"AcmCertificateMetadataFilter": wanted}}


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def compared(value: str, operator: str = "EQUALS") -> dict[str, str]:
    return {"Value": value, "ComparisonOperator": operator}


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ({"Filter": {"CertificateArn": "arn:b.test"}}, "b"),
        (x509(Subject={"CommonName": compared("A.test")}), "a"),
        (x509(Subject={"CommonName": compared("test", "CONTAINS")}), "abde"),
        (x509(SubjectAlternativeName={"DnsName": compared("www.c.example")}), "c"),
        (x509(KeyAlgorithm="EC_prime256v1"), "b"),
        (x509(ExtendedKeyUsage="TLS_WEB_SERVER_AUTHENTICATION"), "abde"),
        (x509(KeyUsage="CRL_SIGNING"), ""),
        (x509(SerialNumber="0a:02"), "b"),
        (x509(NotAfter={"Start": at(102), "End": at(104)}), "bd"),
        (x509(NotBefore={"End": at(1)}), "a"),
        (metadata(Status="PENDING_VALIDATION"), "c"),
        (metadata(InUse=True), "b"),
        (metadata(InUse=False), "acde"),
        (metadata(Exported=True), "a"),
        (metadata(Type="IMPORTED"), "e"),
        (metadata(CertificateKeyPairOrigin="ACME"), "d"),
        (metadata(AcmeEndpointArn=ENDPOINT), "d"),
        (metadata(ValidationMethod="DNS"), "abcd"),
        (metadata(RootHierarchyType="N2_AMAZON_MANAGED"), ""),
        ({"Not": metadata(ValidationMethod="DNS")}, "e"),
        ({"And": [metadata(Status="ISSUED"), metadata(ValidationMethod="DNS"), x509(KeyAlgorithm="RSA_2048")]}, "ad"),
        ({"Or": [metadata(InUse=True), {"Not": metadata(Status="ISSUED")}]}, "bc"),
    ],
)
def test_a_filter_finds_what_it_says(statement: dict[str, Any], names: str) -> None:
    assert found(statement) == names


@pytest.mark.parametrize(
    "statement", [{}, {"Filter": {}}, x509(), metadata(InUse=True, Exported=True), {"And": [{}]}, x509(Subject={})]
)
def test_a_filter_that_says_nothing_or_two_things_is_refused(statement: dict[str, Any]) -> None:
    with pytest.raises(AwsError) as caught:
        search.check(statement)
    assert caught.value.code == "ValidationException"


def pages(**params: Any) -> list[str]:
    """The pages' first letters, token by token."""
    shown, token = search.page_of(ALL, params)
    got = ["".join(each.certificate.domain_name[0] for each in shown)]
    while token:
        shown, token = search.page_of(ALL, {**params, "NextToken": token})
        got.append("".join(each.certificate.domain_name[0] for each in shown))
    return got


def test_pages_follow_the_order_asked_for() -> None:
    assert pages() == ["edcba"]
    assert pages(MaxResults=2) == ["ed", "cb", "a"]
    assert pages(SortBy="COMMON_NAME", SortOrder="ASCENDING", MaxResults=3) == ["abc", "de"]
    assert pages(SortBy="NOT_AFTER", SortOrder="ASCENDING", MaxResults=2) == ["ab", "de", "c"]
    assert pages(SortBy="IN_USE", SortOrder="DESCENDING", MaxResults=1) == ["b", "e", "d", "c", "a"]
    with pytest.raises(AwsError, match="NextToken is invalid"):
        search.page_of(ALL, {"NextToken": "nonsense"})


def test_every_order_pages_through_all() -> None:
    for order in search._SORTED_BY:
        for direction in ("ASCENDING", "DESCENDING"):
            got = "".join(pages(SortBy=order, SortOrder=direction, MaxResults=2))
            assert sorted(got) == list("abcde"), (order, direction)


def test_a_result_says_what_is_known() -> None:
    shown = search.result(ALL[2])
    assert shown["X509Attributes"] == {
        "Subject": {"CommonName": "c.example"},
        "SubjectAlternativeNames": [{"DnsName": "c.example"}, {"DnsName": "www.c.example"}],
        "KeyAlgorithm": "RSA_2048",
    }
    assert shown["CertificateMetadata"]["AcmCertificateMetadata"] == {
        "CreatedAt": 3.0, "InUse": False, "RenewalEligibility": "INELIGIBLE", "Status": "PENDING_VALIDATION",
        "Type": "AMAZON_ISSUED", "CertificateKeyPairOrigin": "AWS_MANAGED", "Exported": False,
        "ExportOption": "DISABLED", "ValidationMethod": "DNS",
    }  # fmt: skip
