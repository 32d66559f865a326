"""Certificates in the wire's shapes. Pure: a row, what uses it and the time in, dictionaries out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kunren.core.errors import AwsError
from kunren.core.pagination import InvalidToken, decode_token, encode_token
from kunren.services.acm.errors import InvalidArgsException, RequestInProgressException, ValidationException
from kunren.services.acm.model import (
    AMAZON_ISSUED,
    ISSUED,
    PENDING_VALIDATION,
    Certificate,
    DomainValidation,
)

ISSUER = "Kunren"  # who signs here; AWS says "Amazon"
SUMMARY_NAMES_MAX = 100
# ACM API Reference, "Filters": what ListCertificates shows, of certificates with a name, without keyTypes.
DEFAULT_KEY_TYPES = ("RSA_1024", "RSA_2048")
DEFAULT_ORIGINS = ("AWS_MANAGED", "CUSTOMER_PROVIDED")  # those by ACME must be asked for
DEFAULT_PAGE = 1000


def detail(certificate: Certificate, in_use_by: Sequence[str], wall: float) -> dict[str, Any]:
    """DescribeCertificate's CertificateDetail."""
    facts = certificate.facts
    shape: dict[str, Any] = {
        "CertificateArn": certificate.id,
        "DomainName": certificate.domain_name,
        "SubjectAlternativeNames": list(certificate.names) or None,
        "Subject": facts.subject if facts else f"CN={certificate.domain_name}",
        "Issuer": facts.issuer if facts else ISSUER,
        "CreatedAt": certificate.created_at,
        "IssuedAt": certificate.issued_at,
        "ImportedAt": certificate.imported_at,
        "Status": certificate.status_at(wall),
        "RevokedAt": certificate.revoked_at,
        "RevocationReason": certificate.revocation_reason,
        "KeyAlgorithm": key_algorithm(certificate),
        "SignatureAlgorithm": facts.signature_algorithm if facts else None,
        "InUseBy": list(in_use_by),
        "FailureReason": certificate.failure_reason,
        "Type": certificate.type,
        "KeyUsages": [],
        "ExtendedKeyUsages": [],
        "RenewalEligibility": renewal_eligibility(certificate, in_use_by),
        "CertificateKeyPairOrigin": key_pair_origin(certificate),
        "Options": {"CertificateTransparencyLoggingPreference": certificate.transparency_logging},
    }
    if facts:
        shape |= {
            "Serial": facts.serial,
            "NotBefore": facts.not_before,
            "NotAfter": facts.not_after,
            "KeyUsages": [{"Name": name} for name in facts.key_usages],
            "ExtendedKeyUsages": [
                {"Name": name, "OID": oid} if oid else {"Name": name} for name, oid in facts.extended_key_usages
            ],
        }
    if certificate.acme is not None:
        shape |= {"AcmeEndpointArn": certificate.acme.endpoint_arn, "AcmeAccountId": certificate.acme.account_id}
    if certificate.type == AMAZON_ISSUED:
        shape["DomainValidationOptions"] = [domain_validation(each) for each in certificate.validation]
        shape["Options"]["Export"] = certificate.export
        if certificate.renewal is not None:
            shape["RenewalSummary"] = {
                "RenewalStatus": certificate.renewal.status,
                "RenewalStatusReason": certificate.renewal.reason,
                "UpdatedAt": certificate.renewal.updated_at,
                "DomainValidationOptions": shape["DomainValidationOptions"],
            }
    return shape


def summary(certificate: Certificate, in_use: bool, wall: float) -> dict[str, Any]:
    """ListCertificates' CertificateSummary."""
    facts = certificate.facts
    amazon = certificate.type == AMAZON_ISSUED
    return {
        "CertificateArn": certificate.id,
        "DomainName": certificate.domain_name,
        "SubjectAlternativeNameSummaries": list(certificate.names[:SUMMARY_NAMES_MAX]) or None,
        "HasAdditionalSubjectAlternativeNames": len(certificate.names) > SUMMARY_NAMES_MAX,
        "Status": certificate.status_at(wall),
        "Type": certificate.type,
        "KeyAlgorithm": key_algorithm(certificate),
        "KeyUsages": list(facts.key_usages) if facts else [],
        "ExtendedKeyUsages": [name for name, _ in facts.extended_key_usages] if facts else [],
        "ExportOption": certificate.export if amazon else None,
        "InUse": in_use,
        "Exported": certificate.exported if amazon else None,
        "RenewalEligibility": renewal_eligibility(certificate, ["in use"] if in_use else []),
        "NotBefore": facts.not_before if facts else None,
        "NotAfter": facts.not_after if facts else None,
        "CreatedAt": certificate.created_at,
        "IssuedAt": certificate.issued_at,
        "ImportedAt": certificate.imported_at,
        "RevokedAt": certificate.revoked_at,
        "CertificateKeyPairOrigin": key_pair_origin(certificate),
    }


def domain_validation(each: DomainValidation) -> dict[str, Any]:
    return {
        "DomainName": each.domain_name,
        "ValidationDomain": each.validation_domain,
        "ValidationStatus": each.status,
        "ResourceRecord": resource_record(each),
        "ValidationMethod": "DNS",
    }


def domain_validation_summary(each: DomainValidation) -> dict[str, Any]:
    """ListCertificateDomainValidations' DomainValidationSummary."""
    return {
        "DomainName": each.domain_name,
        "ActiveValidationConfiguration": {
            "ValidationMethod": "DNS",
            "ValidationChallenge": {"DnsValidationChallenge": {"ResourceRecord": resource_record(each)}},
            "ValidationStatus": each.status,
        },
    }


def resource_record(each: DomainValidation) -> dict[str, str]:
    return {"Name": each.record_name, "Type": "CNAME", "Value": each.record_value}


def key_algorithm(certificate: Certificate) -> str:
    """ACM takes RSA_2048 and answers RSA-2048 (AWS CLI Command Reference, `acm describe-certificate`)."""
    return certificate.key_algorithm.replace("_", "-", 1)


def key_pair_origin(certificate: Certificate) -> str:
    if certificate.acme is not None:
        return "ACME"
    return "AWS_MANAGED" if certificate.type == AMAZON_ISSUED else "CUSTOMER_PROVIDED"


def renewal_eligibility(certificate: Certificate, in_use_by: Sequence[str]) -> str:
    """Eligible while a service uses it, or once it was exported (ACM User Guide, "Managed certificate renewal")."""
    managed = certificate.type == AMAZON_ISSUED and certificate.acme is None
    eligible = managed and certificate.status == ISSUED
    return "ELIGIBLE" if eligible and (in_use_by or certificate.exported) else "INELIGIBLE"


def chosen(certificate: Certificate, params: Mapping[str, Any], wall: float) -> bool:
    """Whether ListCertificates' filters let this certificate through."""
    includes = params.get("Includes") or {}
    statuses = params.get("CertificateStatuses")
    origins = params.get("CertificateKeyPairOrigins") or DEFAULT_ORIGINS
    key_types = includes.get("keyTypes") or (DEFAULT_KEY_TYPES if certificate.names else ())
    facts = certificate.facts
    usages = set(facts.key_usages) if facts else set()
    extended = {name for name, _ in facts.extended_key_usages} if facts else set()
    return (
        (not statuses or certificate.status_at(wall) in statuses)
        and key_pair_origin(certificate) in origins
        and not params.get("RootHierarchyTypes")  # there are no Amazon N2 certificates here
        and certificate.key_algorithm in key_types
        and (not includes.get("keyUsage") or bool(usages & set(includes["keyUsage"])))
        and (not includes.get("extendedKeyUsage") or bool(extended & set(includes["extendedKeyUsage"])))
        and (
            not includes.get("exportOption")
            or (certificate.type == AMAZON_ISSUED and certificate.export == includes["exportOption"])
        )
        and not includes.get("managedBy")
    )


def page_of(certificates: list[Certificate], params: Mapping[str, Any]) -> tuple[list[Certificate], str | None]:
    """One page in the order asked for, newest first where none is; the token of the next page. Raises
    InvalidArgsException."""
    if bool(params.get("SortBy")) != bool(params.get("SortOrder")):
        raise InvalidArgsException("SortBy and SortOrder must be specified together.")
    ascending = params.get("SortOrder") == "ASCENDING"
    ordered = sorted(certificates, key=_position, reverse=not ascending)
    if token := params.get("NextToken"):
        after = _read_position(token)
        ordered = [each for each in ordered if (_position(each) > after if ascending else _position(each) < after)]
    limit = params.get("MaxItems") or DEFAULT_PAGE
    shown = ordered[:limit]
    return shown, _token(shown[-1]) if len(ordered) > limit else None


def _position(certificate: Certificate) -> tuple[float, str]:
    return certificate.created_at, certificate.id


def _token(certificate: Certificate) -> str:
    return encode_token(f"{certificate.created_at!r}|{certificate.id}")


def _read_position(token: str) -> tuple[float, str]:
    try:
        created, _, arn = decode_token(token).partition("|")
        return float(created), arn
    except (InvalidToken, ValueError):
        raise InvalidArgsException("The value passed to NextToken is invalid.") from None


def why_no_bytes(certificate: Certificate) -> AwsError:
    """What GetCertificate answers for a certificate that has no bytes (yet)."""
    if certificate.status == PENDING_VALIDATION:
        return RequestInProgressException()
    return ValidationException(f"Certificate {certificate.id} is in the status {certificate.status} and has no body.")
