"""Architecture `cloudfront-function`: one distribution, whose CloudFront Function answers every request at the edge.

python deploy_cloudfront_function.py domains.json
"""

from __future__ import annotations

import json
from pathlib import Path

import boto3
from distribution import create_distribution, point_domains_at
from document import BadDocument, Redirect
from shared import NAMES_PER_CERTIFICATE, check_fits, create_certificates, create_zones, main

NAME = "redirect-cloudfront-function"
CODE_BYTES_MAX = 10_240


def deploy(session: boto3.Session, name: str, redirects: list[Redirect]) -> str:
    """Deploy; the distribution's DNS name."""
    check_fits(redirects, NAMES_PER_CERTIFICATE, "the names of a distribution's one certificate")
    code = function_code(redirects)
    zones = create_zones(session, name, redirects)
    (certificate,) = create_certificates(session, name, zones)
    arn = create_function(session, name, code)
    association = {"Quantity": 1, "Items": [{"FunctionARN": arn, "EventType": "viewer-request"}]}
    distribution = create_distribution(session, name, redirects, certificate, FunctionAssociations=association)
    point_domains_at(session, zones, distribution)
    return str(distribution["DomainName"])


def create_function(session: boto3.Session, name: str, code: bytes) -> str:
    """The function, published; its ARN."""
    cloudfront = session.client("cloudfront")
    made = cloudfront.create_function(
        Name=name, FunctionConfig={"Comment": name, "Runtime": "cloudfront-js-2.0"}, FunctionCode=code
    )
    cloudfront.publish_function(Name=name, IfMatch=made["ETag"])
    return str(made["FunctionSummary"]["FunctionMetadata"]["FunctionARN"])


def function_code(redirects: list[Redirect]) -> bytes:
    """The function with the document in it. Raises BadDocument where it is too large for CloudFront."""
    document = {
        redirect.domain: [redirect.url, redirect.status, redirect.carry_path, redirect.carry_query]
        for redirect in redirects
    }
    code = Path(__file__).with_name("redirect_edge.js").read_text()
    made = code.replace("{/* domains */}", json.dumps(document, separators=(",", ":"))).encode()
    if len(made) > CODE_BYTES_MAX:
        raise BadDocument(f"the document makes a function of {len(made)} bytes: CloudFront takes {CODE_BYTES_MAX}")
    return made


if __name__ == "__main__":
    main(NAME, deploy)
