"""SearchCertificates: filter statements, order and pages (ACM API Reference, "SearchCertificates"). Pure.

Certificates of every key type and origin are found; a statement combines filters by And, Or and Not. Names compare
without regard to letter case, ranges of time include both ends.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from kunren.core.pagination import InvalidToken, decode_token, encode_token
from kunren.services.acm.errors import ValidationException
from kunren.services.acm.facts import distinguished_names
from kunren.services.acm.model import AMAZON_ISSUED, Certificate
from kunren.services.acm.views import key_pair_origin, renewal_eligibility

DEFAULT_PAGE = 100
Position = tuple[bool, Any, str]  # whether there is no value, the value, the ARN


class Candidate(NamedTuple):
    """A certificate with what its row does not hold."""

    certificate: Certificate
    in_use: bool
    wall: float

    @property
    def amazon(self) -> bool:
        return self.certificate.type == AMAZON_ISSUED


def check(statement: Mapping[str, Any]) -> None:
    """Raises ValidationException where a statement or a filter says nothing, or several things at once."""
    name, part = _only(statement, "FilterStatement")
    if name in ("And", "Or"):
        for each in part:
            check(each)
    elif name == "Not":
        check(part)
    else:
        kind, wanted = _only(part, name)
        while kind not in ("CertificateArn", "CommonName", "DnsName", "NotAfter", "NotBefore") and isinstance(
            wanted, dict
        ):
            kind, wanted = _only(wanted, kind)


def matches(statement: Mapping[str, Any], candidate: Candidate) -> bool:
    """Whether a checked statement lets this certificate through."""
    match _only(statement, "FilterStatement"):
        case "And", parts:
            return all(matches(part, candidate) for part in parts)
        case "Or", parts:
            return any(matches(part, candidate) for part in parts)
        case "Not", part:
            return not matches(part, candidate)
        case _, wanted:
            return _passes(wanted, candidate)


def _passes(wanted: Mapping[str, Any], candidate: Candidate) -> bool:
    match _only(wanted, "Filter"):
        case "CertificateArn", arn:
            return bool(candidate.certificate.id == arn)
        case "X509AttributeFilter", attribute:
            return _x509(*_only(attribute, "X509AttributeFilter"), candidate.certificate)
        case _, metadata:
            name, value = _only(metadata, "AcmCertificateMetadataFilter")
            return bool(_metadata(candidate).get(name) == value)


def _x509(name: str, value: Any, certificate: Certificate) -> bool:
    facts = certificate.facts
    if name == "Subject":
        return _compares(_only(value, name)[1], [certificate.domain_name])
    if name == "SubjectAlternativeName":
        return _compares(_only(value, name)[1], certificate.names)
    if name == "KeyAlgorithm":
        return bool(certificate.key_algorithm == value)
    if facts is None:
        return False
    if name == "ExtendedKeyUsage":
        return value in [usage for usage, _ in facts.extended_key_usages]
    if name == "KeyUsage":
        return value in facts.key_usages
    if name == "SerialNumber":
        return bool(facts.serial == value)
    return _within(value, facts.not_after if name == "NotAfter" else facts.not_before)


def _compares(wanted: Mapping[str, str], names: Sequence[str]) -> bool:
    value = wanted["Value"].lower()
    if wanted["ComparisonOperator"] == "CONTAINS":
        return any(value in name.lower() for name in names)
    return any(value == name.lower() for name in names)


def _within(span: Mapping[str, datetime], moment: float) -> bool:
    start, end = span.get("Start"), span.get("End")
    return (start is None or moment >= start.timestamp()) and (end is None or moment <= end.timestamp())


def _only(union: Mapping[str, Any], what: str) -> tuple[str, Any]:
    """The one member of a union."""
    given = [(name, value) for name, value in union.items() if value is not None]
    if len(given) != 1:
        raise ValidationException(f"{what} must have exactly one member.")
    return given[0]


def result(candidate: Candidate) -> dict[str, Any]:
    """One CertificateSearchResult."""
    return {
        "CertificateArn": candidate.certificate.id,
        "X509Attributes": _attributes(candidate.certificate),
        "CertificateMetadata": {"AcmCertificateMetadata": _metadata(candidate)},
    }


def _attributes(certificate: Certificate) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "Subject": {"CommonName": certificate.domain_name} if certificate.domain_name else {},
        "SubjectAlternativeNames": [_general_name(name) for name in certificate.names],
        "KeyAlgorithm": certificate.key_algorithm,
    }
    facts, material = certificate.facts, certificate.material
    if facts is not None and material is not None:
        shape["Subject"], shape["Issuer"] = distinguished_names(material.certificate_pem)
        shape |= {
            "ExtendedKeyUsages": [name for name, _ in facts.extended_key_usages],
            "KeyUsages": list(facts.key_usages),
            "SerialNumber": facts.serial,
            "NotAfter": facts.not_after,
            "NotBefore": facts.not_before,
        }
    return shape


def _general_name(name: str) -> dict[str, str]:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return {"DnsName": name}
    return {"IpAddress": name}


def _metadata(candidate: Candidate) -> dict[str, Any]:
    certificate, in_use, wall = candidate
    shape: dict[str, Any] = {
        "CreatedAt": certificate.created_at,
        "ImportedAt": certificate.imported_at,
        "InUse": in_use,
        "IssuedAt": certificate.issued_at,
        "RenewalEligibility": renewal_eligibility(certificate, ["in use"] if in_use else []),
        "RevokedAt": certificate.revoked_at,
        "Status": certificate.status_at(wall),
        "RenewalStatus": certificate.renewal.status if certificate.renewal is not None else None,
        "Type": certificate.type,
        "CertificateKeyPairOrigin": key_pair_origin(certificate),
    }
    if candidate.amazon:
        shape |= {"Exported": certificate.exported, "ExportOption": certificate.export, "ValidationMethod": "DNS"}
    if certificate.acme is not None:
        shape |= {"AcmeEndpointArn": certificate.acme.endpoint_arn, "AcmeAccountId": certificate.acme.account_id}
    return {name: value for name, value in shape.items() if value is not None}


def _member(name: str) -> Callable[[Candidate], Any]:
    return lambda candidate: _metadata(candidate).get(name)


def _fact(name: str) -> Callable[[Candidate], Any]:
    return lambda candidate: getattr(candidate.certificate.facts, name, None)


_SORTED_BY: dict[str, Callable[[Candidate], Any]] = {
    "CREATED_AT": _member("CreatedAt"),
    "NOT_AFTER": _fact("not_after"),
    "STATUS": _member("Status"),
    "RENEWAL_STATUS": _member("RenewalStatus"),
    "EXPORTED": _member("Exported"),
    "IN_USE": _member("InUse"),
    "NOT_BEFORE": _fact("not_before"),
    "KEY_ALGORITHM": lambda candidate: candidate.certificate.key_algorithm,
    "TYPE": _member("Type"),
    "CERTIFICATE_ARN": lambda candidate: candidate.certificate.id,
    "COMMON_NAME": lambda candidate: candidate.certificate.domain_name,
    "REVOKED_AT": _member("RevokedAt"),
    "RENEWAL_ELIGIBILITY": _member("RenewalEligibility"),
    "ISSUED_AT": _member("IssuedAt"),
    "MANAGED_BY": _member("ManagedBy"),
    "EXPORT_OPTION": _member("ExportOption"),
    "VALIDATION_METHOD": _member("ValidationMethod"),
    "IMPORTED_AT": _member("ImportedAt"),
    "ACME_ENDPOINT_ARN": _member("AcmeEndpointArn"),
    "ACME_ACCOUNT_ID": _member("AcmeAccountId"),
    "CERTIFICATE_KEY_PAIR_ORIGIN": _member("CertificateKeyPairOrigin"),
}


def page_of(found: Sequence[Candidate], params: Mapping[str, Any]) -> tuple[list[Candidate], str | None]:
    """One page in the order asked for (newest first where none is) and the token of the next. What has no value comes
    last when ascending. Raises ValidationException."""
    value_of = _SORTED_BY[params.get("SortBy") or "CREATED_AT"]
    ascending = params.get("SortOrder") == "ASCENDING"

    def position(candidate: Candidate) -> Position:
        value = value_of(candidate)
        return value is None, value if value is not None else 0, candidate.certificate.id

    ordered = sorted(found, key=position, reverse=not ascending)
    if token := params.get("NextToken"):
        after = _read_position(token)
        try:
            ordered = [each for each in ordered if (position(each) > after) is ascending and position(each) != after]
        except TypeError:  # a token of another order
            raise _invalid_token() from None
    limit = params.get("MaxResults") or DEFAULT_PAGE
    shown = ordered[:limit]
    more = len(ordered) > limit
    return shown, encode_token(json.dumps(position(shown[-1]))) if more else None


def _read_position(token: str) -> Position:
    try:
        missing, value, arn = json.loads(decode_token(token))
    except (InvalidToken, ValueError, TypeError):
        raise _invalid_token() from None
    return missing, value, arn


def _invalid_token() -> ValidationException:
    return ValidationException("The value passed to NextToken is invalid.")
