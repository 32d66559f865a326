"""Architecture `alb-lambda`: the load balancer asks a function, which looks the host up in the JSON document.

python deploy_alb_lambda.py domains.json
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import boto3
from document import Redirect
from shared import (
    CERTIFICATES_PER_LISTENER,
    NAMES_PER_CERTIFICATE,
    check_fits,
    create_certificates,
    create_listeners,
    create_load_balancer,
    create_zones,
    main,
    point_domains_at,
    wait_active,
)

NAME = "redirect-alb-lambda"
ROLE = "redirect-function"


def deploy(session: boto3.Session, name: str, redirects: list[Redirect]) -> str:
    """Deploy; the load balancer's DNS name."""
    check_fits(redirects, NAMES_PER_CERTIFICATE * CERTIFICATES_PER_LISTENER, "the certificates of one listener")
    zones = create_zones(session, name, redirects)
    certificates = create_certificates(session, name, zones)
    balancer = create_load_balancer(session, name)
    group = create_function_target(session, name, redirects)
    create_listeners(session, balancer, certificates, {"Type": "forward", "TargetGroupArn": group})
    point_domains_at(session, zones, balancer)
    wait_active(session, balancer)
    return str(balancer["DNSName"])


def create_function_target(session: boto3.Session, name: str, redirects: list[Redirect]) -> str:
    """The function with the document in its bundle, behind a target group; the group's ARN."""
    lambda_, elbv2 = session.client("lambda"), session.client("elbv2")
    account = session.client("sts").get_caller_identity()["Account"]
    function = lambda_.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=f"arn:aws:iam::{account}:role/{ROLE}",
        Handler="redirect_function.handler",
        Code={"ZipFile": bundle(redirects)},
    )["FunctionArn"]
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    group = elbv2.create_target_group(Name=name, TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
    elbv2.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}]
    )
    lambda_.add_permission(
        FunctionName=name,
        StatementId="load-balancer",
        Action="lambda:InvokeFunction",
        Principal="elasticloadbalancing.amazonaws.com",
        SourceArn=group,
    )
    elbv2.register_targets(TargetGroupArn=group, Targets=[{"Id": function}])
    return str(group)


def bundle(redirects: list[Redirect], code: Path = Path(__file__).with_name("redirect_function.py")) -> bytes:
    """A function's zip: its code and the document."""
    document = {redirect.domain: redirect.options for redirect in redirects}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(code.name, code.read_text())
        archive.writestr("domains.json", json.dumps(document))
    return buffer.getvalue()


if __name__ == "__main__":
    main(NAME, deploy)
