"""The architecture `alb` as a CloudFormation template: prints it, for whatever deploys templates.

python template_alb.py domains.json > redirect.json
aws cloudformation deploy --stack-name redirect --template-file redirect.json \\
    --parameter-overrides Vpc=vpc-1 Subnets=subnet-1,subnet-2

Zones have the policy `RetainExceptOnCreate`: CloudFormation leaves in them the records that proved a certificate's
domain, and a zone that is not empty can't be deleted.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from deploy_alb import NOT_FOUND, redirect_action
from document import BadDocument, Redirect, load_document

MOST = 50  # rules of both listeners together are at most 100
ANYWHERE = "0.0.0.0/0"


def template(redirects: list[Redirect]) -> dict[str, Any]:
    """Raises BadDocument."""
    if len(redirects) > MOST:
        raise BadDocument(f"{len(redirects)} domains are more than the {MOST} that the rules of one load balancer hold")
    certificates = [_ref(f"Certificate{number}") for number in range(len(redirects))]
    resources: dict[str, Any] = {
        "Front": _of(
            "EC2::SecurityGroup",
            GroupDescription="web from everywhere",
            VpcId=_ref("Vpc"),
            SecurityGroupIngress=[
                {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "CidrIp": ANYWHERE} for port in (80, 443)
            ],
        ),
        "Balancer": _of(
            "ElasticLoadBalancingV2::LoadBalancer", Subnets=_ref("Subnets"), SecurityGroups=[_ref("Front")]
        ),
        "Http": _listener(80, "HTTP"),
        "Https": _listener(443, "HTTPS", Certificates=[{"CertificateArn": certificates[0]}]),
    }
    if more := certificates[1:]:
        resources["MoreCertificates"] = _of(
            "ElasticLoadBalancingV2::ListenerCertificate",
            ListenerArn=_ref("Https"),
            Certificates=[{"CertificateArn": each} for each in more],
        )
    for number, redirect in enumerate(redirects):
        resources |= _domain(number, redirect)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Redirects of domains, by the rules of an Application Load Balancer",
        "Parameters": {
            "Vpc": {"Type": "AWS::EC2::VPC::Id"},
            "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>", "Description": "Public ones, of two zones at least"},
        },
        "Resources": resources,
        "Outputs": {"Name": {"Value": _att("Balancer", "DNSName")}},
    }


def _domain(number: int, redirect: Redirect) -> dict[str, Any]:
    """What one domain needs."""
    zone, domain = f"Zone{number}", redirect.domain
    rule = {
        "Priority": number + 1,
        "Conditions": [{"Field": "host-header", "HostHeaderConfig": {"Values": [domain]}}],
        "Actions": [redirect_action(redirect)],
    }
    target = {"DNSName": _att("Balancer", "DNSName"), "HostedZoneId": _att("Balancer", "CanonicalHostedZoneID")}
    return {
        zone: {**_of("Route53::HostedZone", Name=domain), "DeletionPolicy": "RetainExceptOnCreate"},
        f"Certificate{number}": _of(
            "CertificateManager::Certificate",
            DomainName=domain,
            ValidationMethod="DNS",
            DomainValidationOptions=[{"DomainName": domain, "HostedZoneId": _ref(zone)}],
        ),
        f"Record{number}": _of(
            "Route53::RecordSet", HostedZoneId=_ref(zone), Name=domain, Type="A", AliasTarget=target
        ),
        **{
            f"{listener}Rule{number}": _of("ElasticLoadBalancingV2::ListenerRule", ListenerArn=_ref(listener), **rule)
            for listener in ("Http", "Https")
        },
    }


def _listener(port: int, protocol: str, **more: Any) -> dict[str, Any]:
    return _of(
        "ElasticLoadBalancingV2::Listener",
        LoadBalancerArn=_ref("Balancer"),
        Port=port,
        Protocol=protocol,
        DefaultActions=[NOT_FOUND],
        **more,
    )


def _of(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def _ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def _att(logical: str, attribute: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical, attribute]}


if __name__ == "__main__":
    try:
        print(json.dumps(template(load_document(sys.argv[1])), indent=2))
    except BadDocument as error:
        sys.exit(f"{sys.argv[1]}: {error}")
