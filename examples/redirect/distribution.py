"""What both CloudFront architectures need: one distribution for all domains, and the way back."""

from __future__ import annotations

from typing import Any

import boto3
from document import Redirect
from shared import upsert

CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
HOSTED_ZONE = "Z2FDTNDATAQYW2"  # CloudFront's, for alias records
NO_ORIGIN = "origin.example.com"  # never asked: the function answers every request


def create_distribution(
    session: boto3.Session, name: str, redirects: list[Redirect], certificate: str, **functions: Any
) -> dict[str, Any]:
    """One distribution with all domains as alternate names, whose function answers; once it is deployed.

    `functions` are members of the cache behaviour: FunctionAssociations or LambdaFunctionAssociations.
    """
    cloudfront = session.client("cloudfront")
    origin = {
        "Id": "none",
        "DomainName": NO_ORIGIN,
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"},
    }
    distribution: dict[str, Any] = cloudfront.create_distribution(
        DistributionConfig={
            "CallerReference": f"{name}-{certificate}",
            "Comment": name,
            "Enabled": True,
            "HttpVersion": "http2and3",
            "Aliases": {"Quantity": len(redirects), "Items": [redirect.domain for redirect in redirects]},
            "ViewerCertificate": {
                "ACMCertificateArn": certificate,
                "SSLSupportMethod": "sni-only",
                "MinimumProtocolVersion": "TLSv1.2_2021",
            },
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": {
                "TargetOriginId": "none",
                "ViewerProtocolPolicy": "allow-all",  # http:// is answered at once, not sent to https:// first
                "CachePolicyId": CACHING_DISABLED,
                **functions,
            },
        }
    )["Distribution"]
    cloudfront.get_waiter("distribution_deployed").wait(
        Id=distribution["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    return distribution


def point_domains_at(session: boto3.Session, zones: dict[str, str], distribution: dict[str, Any]) -> None:
    """An alias record at each zone's apex, and wait until they are served."""
    route53 = session.client("route53")
    target = {
        "HostedZoneId": HOSTED_ZONE,
        "DNSName": distribution["DomainName"],
        "EvaluateTargetHealth": False,
    }
    changes = [upsert(route53, zone, Name=domain, Type="A", AliasTarget=target) for domain, zone in zones.items()]
    for change in changes:
        route53.get_waiter("resource_record_sets_changed").wait(Id=change, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def remove_distributions(session: boto3.Session, name: str) -> None:
    """Disable and delete the distributions of that name, the CloudFront function and its key value store."""
    cloudfront = session.client("cloudfront")
    pages = cloudfront.get_paginator("list_distributions").paginate()
    found = [each for page in pages for each in page["DistributionList"].get("Items", []) if each["Comment"] == name]
    for each in found:
        shown = cloudfront.get_distribution_config(Id=each["Id"])
        etag = shown["ETag"]
        if shown["DistributionConfig"]["Enabled"]:
            config = {**shown["DistributionConfig"], "Enabled": False}
            etag = cloudfront.update_distribution(Id=each["Id"], IfMatch=etag, DistributionConfig=config)["ETag"]
        waiter = cloudfront.get_waiter("distribution_deployed")
        waiter.wait(Id=each["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
        cloudfront.delete_distribution(Id=each["Id"], IfMatch=etag)
    try:
        etag = cloudfront.describe_function(Name=name)["ETag"]
        cloudfront.delete_function(Name=name, IfMatch=etag)
    except cloudfront.exceptions.NoSuchFunctionExists:
        pass
    try:
        etag = cloudfront.describe_key_value_store(Name=name)["ETag"]
        cloudfront.delete_key_value_store(Name=name, IfMatch=etag)
    except cloudfront.exceptions.EntityNotFound:
        pass
