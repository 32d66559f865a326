"""Architecture `cloudfront-lambda-edge`: one distribution, whose Lambda@Edge function answers every request.

python deploy_cloudfront_lambda_edge.py domains.json
"""

from __future__ import annotations

from pathlib import Path

import boto3
from deploy_alb_lambda import bundle
from distribution import create_distribution, point_domains_at
from document import Redirect
from shared import NAMES_PER_CERTIFICATE, check_fits, create_certificates, create_zones, main

NAME = "redirect-cloudfront-lambda-edge"
ROLE = "redirect-edge-function"
CODE = Path(__file__).with_name("redirect_edge_function.py")


def deploy(session: boto3.Session, name: str, redirects: list[Redirect]) -> str:
    """Deploy; the distribution's DNS name."""
    check_fits(redirects, NAMES_PER_CERTIFICATE, "the names of a distribution's one certificate")
    zones = create_zones(session, name, redirects)
    (certificate,) = create_certificates(session, name, zones)
    arn = create_version(session, name, redirects)
    association = {"Quantity": 1, "Items": [{"LambdaFunctionARN": arn, "EventType": "viewer-request"}]}
    distribution = create_distribution(session, name, redirects, certificate, LambdaFunctionAssociations=association)
    point_domains_at(session, zones, distribution)
    return str(distribution["DomainName"])


def create_version(session: boto3.Session, name: str, redirects: list[Redirect]) -> str:
    """A numbered version of the function with the document in its bundle (the edge takes no other); its ARN."""
    lambda_ = session.client("lambda", region_name="us-east-1")
    account = session.client("sts").get_caller_identity()["Account"]
    lambda_.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=f"arn:aws:iam::{account}:role/{ROLE}",
        Handler="redirect_edge_function.handler",
        Code={"ZipFile": bundle(redirects, CODE)},
    )
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return str(lambda_.publish_version(FunctionName=name)["FunctionArn"])


if __name__ == "__main__":
    main(NAME, deploy)
