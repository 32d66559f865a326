"""ACME's resources in the wire's shapes. Pure."""

from __future__ import annotations

from typing import Any

from kunren.core.tags import tags_to_wire
from kunren.services.acm.acme.model import (
    AcmeAccount,
    AcmeDomainValidation,
    AcmeEndpoint,
    AcmeExternalAccountBinding,
    DomainScope,
)


def endpoint(row: AcmeEndpoint) -> dict[str, Any]:
    """AcmeEndpoint, and AcmeEndpointSummary too. An endpoint answers from the moment that its row is there."""
    public: dict[str, Any] = {}
    if row.key_algorithms is not None:
        public["AllowedKeyAlgorithms"] = list(row.key_algorithms)
    return {
        "AcmeEndpointArn": row.id,
        "EndpointUrl": row.url("directory"),
        "Status": "ACTIVE",
        "AuthorizationBehavior": "PRE_APPROVED",
        "Contact": row.contact,
        "CertificateAuthority": {"PublicCertificateAuthority": public},
        "CertificateTags": tags_to_wire(row.certificate_tags) or None,
        "CreatedAt": row.created_at,
        "UpdatedAt": row.updated_at,
    }


def domain_validation(row: AcmeDomainValidation) -> dict[str, Any]:
    """AcmeDomainValidation, and AcmeDomainValidationSummary too."""
    record = {"Name": row.record_name, "Type": "CNAME", "Value": row.record_value}
    details = {"DomainScope": scope(row.scope), "HostedZoneId": row.hosted_zone_id, "ResourceRecord": record}
    failure = None
    if row.failure_reason is not None:
        failure = {"Reason": row.failure_reason, "Message": row.failure_message}
    return {
        "AcmeDomainValidationArn": row.id,
        "AcmeEndpointArn": row.endpoint_arn,
        "DomainName": row.domain_name,
        "PrevalidationType": "DNS_PREVALIDATION",
        "PrevalidationDetails": {"DnsPrevalidation": details},
        "Status": row.status,
        "FailureDetails": failure,
        "CreatedAt": row.created_at,
        "UpdatedAt": row.updated_at,
    }


def scope(given: DomainScope) -> dict[str, str]:
    options = {"ExactDomain": given.exact_domain, "Subdomains": given.subdomains, "Wildcards": given.wildcards}
    return {name: "ENABLED" if enabled else "DISABLED" for name, enabled in options.items()}


def binding(row: AcmeExternalAccountBinding) -> dict[str, Any]:
    """AcmeExternalAccountBinding, and its summary too."""
    return {
        "AcmeExternalAccountBindingArn": row.id,
        "AcmeEndpointArn": row.endpoint_arn,
        "RoleArn": row.role_arn,
        "ExpiresAt": row.expires_at,
        "RevokedAt": row.revoked_at,
        "LastUsedAt": row.last_used_at,
        "CreatedAt": row.created_at,
        "UpdatedAt": row.updated_at,
    }


def account(row: AcmeAccount, of: AcmeEndpoint) -> dict[str, Any]:
    """AcmeAccount, and AcmeAccountSummary too."""
    return {
        "AccountUrl": of.url(f"acct/{row.id}"),
        "PublicKeyThumbprint": row.thumbprint,
        "Status": row.status,
        "CreatedAt": row.created_at,
        "AcmeExternalAccountBindingArn": row.binding_arn,
        "Contacts": list(row.contacts) or None,
    }
