"""A distribution's configuration as AWS gives it back: completed with its defaults. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_POLICIES = ("CachePolicyId", "OriginRequestPolicyId", "ResponseHeadersPolicyId")
_NONE: dict[str, Any] = {"Quantity": 0}


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration; what the caller gave stays as it is."""
    origins = config["Origins"]
    behaviours = config.get("CacheBehaviors") or _NONE
    return _over(
        {
            "Aliases": _NONE,
            "DefaultRootObject": "",
            "OriginGroups": _NONE,
            "CustomErrorResponses": _NONE,
            "Comment": "",
            "PriceClass": "PriceClass_All",
            "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
            "WebACLId": "",
            "HttpVersion": "http2",
            "IsIPV6Enabled": True,
            "ContinuousDeploymentPolicyId": "",
            "Staging": False,
        },
        config,
        Logging=_logging(config.get("Logging") or {}),
        Origins={**origins, "Items": [_origin(each) for each in origins.get("Items") or ()]},
        DefaultCacheBehavior=_behaviour(config["DefaultCacheBehavior"]),
        CacheBehaviors={**behaviours, **_items(behaviours)},
        ViewerCertificate=_certificate(config.get("ViewerCertificate") or {}),
    )


def _items(behaviours: Mapping[str, Any]) -> dict[str, Any]:
    listed = behaviours.get("Items")
    return {"Items": [_behaviour(each) for each in listed]} if listed else {}


def _over(defaults: dict[str, Any], given: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {**defaults, **{key: value for key, value in given.items() if value is not None}, **more}


def _logging(given: Mapping[str, Any]) -> dict[str, Any]:
    """Without logs, nothing is kept of where they would go (LoggingConfig)."""
    none = {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""}
    return _over(none, given) if given.get("Enabled") else none


def _origin(given: Mapping[str, Any]) -> dict[str, Any]:
    made = _over(
        {
            "OriginPath": "",
            "CustomHeaders": _NONE,
            "ConnectionAttempts": 3,
            "ConnectionTimeout": 10,
            "OriginShield": {"Enabled": False},
            "OriginAccessControlId": "",
        },
        given,
    )
    if made.get("CustomOriginConfig"):
        made["CustomOriginConfig"] = _over(
            {
                "OriginSslProtocols": {"Quantity": 3, "Items": ["TLSv1", "TLSv1.1", "TLSv1.2"]},
                "OriginReadTimeout": 30,
                "OriginKeepaliveTimeout": 5,
                "IpAddressType": "ipv4",
            },
            made["CustomOriginConfig"],
        )
    if made.get("VpcOriginConfig"):
        made["VpcOriginConfig"] = _over({"OriginReadTimeout": 30, "OriginKeepaliveTimeout": 5}, made["VpcOriginConfig"])
    if made.get("S3OriginConfig"):
        made["S3OriginConfig"] = _over({"OriginReadTimeout": 30}, made["S3OriginConfig"])
    return made


def _behaviour(given: Mapping[str, Any]) -> dict[str, Any]:
    made = _over(
        {
            "TrustedSigners": {"Enabled": False, "Quantity": 0},
            "TrustedKeyGroups": {"Enabled": False, "Quantity": 0},
            "SmoothStreaming": False,
            "Compress": False,
            "LambdaFunctionAssociations": _NONE,
            "FunctionAssociations": _NONE,
            "FieldLevelEncryptionId": "",
            "GrpcConfig": {"Enabled": False},
        },
        given,
    )
    for policy in _POLICIES:  # "" is none
        if not made.get(policy):
            made.pop(policy, None)
    methods = _over({"Quantity": 2, "Items": ["HEAD", "GET"]}, given.get("AllowedMethods") or {})
    made["AllowedMethods"] = _over({"CachedMethods": {"Quantity": 2, "Items": ["HEAD", "GET"]}}, methods)
    if not given.get("CachePolicyId"):
        made = _over({"MinTTL": 0, "DefaultTTL": 86400, "MaxTTL": 31536000}, made)
    return made


def _certificate(given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("ACMCertificateArn"):
        made = _over({"SSLSupportMethod": "sni-only", "MinimumProtocolVersion": "TLSv1"}, given)
        made["CloudFrontDefaultCertificate"] = False
        return {**made, "Certificate": given["ACMCertificateArn"], "CertificateSource": "acm"}
    return {
        "CloudFrontDefaultCertificate": True,
        "SSLSupportMethod": "vip",
        "MinimumProtocolVersion": "TLSv1",
        "CertificateSource": "cloudfront",
    }
