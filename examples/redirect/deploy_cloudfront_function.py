"""Architecture `cloudfront-function`: one distribution, whose CloudFront Function answers every request at the edge
from a key value store that holds the document.

python deploy_cloudfront_function.py domains.json
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import boto3
from distribution import create_distribution, point_domains_at
from document import Redirect
from shared import NAMES_PER_CERTIFICATE, check_fits, create_certificates, create_zones, main

NAME = "redirect-cloudfront-function"
KEYS_PER_UPDATE = 50


def deploy(session: boto3.Session, name: str, redirects: list[Redirect]) -> str:
    """Deploy; the distribution's DNS name."""
    check_fits(redirects, NAMES_PER_CERTIFICATE, "the names of a distribution's one certificate")
    zones = create_zones(session, name, redirects)
    store = create_store(session, name, redirects)
    (certificate,) = create_certificates(session, name, zones)
    arn = create_function(session, name, store)
    association = {"Quantity": 1, "Items": [{"FunctionARN": arn, "EventType": "viewer-request"}]}
    distribution = create_distribution(session, name, redirects, certificate, FunctionAssociations=association)
    point_domains_at(session, zones, distribution)
    return str(distribution["DomainName"])


def create_store(session: boto3.Session, name: str, redirects: list[Redirect]) -> str:
    """A key value store with the document in it; its ARN."""
    cloudfront, values = session.client("cloudfront"), session.client("cloudfront-keyvaluestore")
    arn = str(cloudfront.create_key_value_store(Name=name)["KeyValueStore"]["ARN"])
    while cloudfront.describe_key_value_store(Name=name)["KeyValueStore"]["Status"] != "READY":
        time.sleep(0.2)
    etag = values.describe_key_value_store(KvsARN=arn)["ETag"]
    for start in range(0, len(redirects), KEYS_PER_UPDATE):
        puts = [
            {"Key": redirect.domain, "Value": value_of(redirect)}
            for redirect in redirects[start : start + KEYS_PER_UPDATE]
        ]
        etag = values.update_keys(KvsARN=arn, IfMatch=etag, Puts=puts)["ETag"]
    return arn


def value_of(redirect: Redirect) -> str:
    """What the function finds under the domain."""
    return json.dumps(redirect.options)


def create_function(session: boto3.Session, name: str, store: str) -> str:
    """The function, published; its ARN."""
    cloudfront = session.client("cloudfront")
    config = {
        "Comment": name,
        "Runtime": "cloudfront-js-2.0",
        "KeyValueStoreAssociations": {"Quantity": 1, "Items": [{"KeyValueStoreARN": store}]},
    }
    code = Path(__file__).with_name("redirect_edge.js").read_bytes()
    made = cloudfront.create_function(Name=name, FunctionConfig=config, FunctionCode=code)
    cloudfront.publish_function(Name=name, IfMatch=made["ETag"])
    return str(made["FunctionSummary"]["FunctionMetadata"]["FunctionARN"])


if __name__ == "__main__":
    main(NAME, deploy)
