"""Architecture `api-gateway`: an HTTP API on ten custom domain names, whose function looks the host up. HTTPS only.

python deploy_api_gateway.py domains.json
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
from deploy_alb_lambda import bundle
from document import Redirect
from shared import NAMES_PER_CERTIFICATE, check_fits, create_certificates, create_zones, main, point_domains_at

NAME = "redirect-api-gateway"
ROLE = "redirect-function"
DOMAIN_NAMES = 120  # quota of an account and region


def deploy(session: boto3.Session, name: str, redirects: list[Redirect]) -> str:
    """Deploy; the API's own endpoint."""
    check_fits(redirects, DOMAIN_NAMES, "the custom domain names of one account")
    zones = create_zones(session, name, redirects)
    certificates = create_certificates(session, name, zones)
    api = create_api(session, name, redirects)
    apigateway = session.client("apigatewayv2")
    for number, (domain, zone) in enumerate(zones.items()):
        configuration = apigateway.create_domain_name(
            DomainName=domain,
            DomainNameConfigurations=[
                {
                    "CertificateArn": certificates[number // NAMES_PER_CERTIFICATE],
                    "EndpointType": "REGIONAL",
                    "SecurityPolicy": "TLS_1_2",
                }
            ],
            Tags={"deployment": name},
        )["DomainNameConfigurations"][0]
        apigateway.create_api_mapping(DomainName=domain, ApiId=api["ApiId"], Stage="$default")
        target = {
            "DNSName": configuration["ApiGatewayDomainName"],
            "CanonicalHostedZoneId": configuration["HostedZoneId"],
        }
        point_domains_at(session, {domain: zone}, target)
    return str(api["ApiEndpoint"])


def create_api(session: boto3.Session, name: str, redirects: list[Redirect]) -> dict[str, Any]:
    """The function with the document in its bundle, and the API that asks it about everything."""
    lambda_ = session.client("lambda")
    account = session.client("sts").get_caller_identity()["Account"]
    function = lambda_.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=f"arn:aws:iam::{account}:role/{ROLE}",
        Handler="redirect_api_function.handler",
        Code={"ZipFile": bundle(redirects, Path(__file__).with_name("redirect_api_function.py"))},
    )["FunctionArn"]
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    api: dict[str, Any] = session.client("apigatewayv2").create_api(Name=name, ProtocolType="HTTP", Target=function)
    lambda_.add_permission(
        FunctionName=name,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{lambda_.meta.region_name}:{account}:{api['ApiId']}/*/$default",
    )
    return api


if __name__ == "__main__":
    main(NAME, deploy)
