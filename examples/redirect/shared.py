"""What all architectures need: hosted zones, a certificate of all names, a security group, the way back.

Ordinary boto3 throughout. Everything a deployment makes carries its name, or a tag with it, so that `remove`
finds it again from nothing but that name.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import boto3
from document import BadDocument, Redirect, load_document

NAMES_PER_CERTIFICATE = 10
CERTIFICATES_PER_LISTENER = 26  # the default and 25 more


def main(name: str, deploy: Callable[..., str]) -> None:
    """The command line of an architecture's script."""
    parser = argparse.ArgumentParser(description=f"Deploy the redirect service as {name}.")
    parser.add_argument("document", help="JSON file that maps domains to target URLs")
    parser.add_argument("--region", default=None)
    parser.add_argument("--remove", action="store_true", help="take the deployment away")
    arguments = parser.parse_args()
    session = boto3.Session(region_name=arguments.region)
    try:
        redirects = load_document(arguments.document)
        remove(session, name)
        if not arguments.remove:
            print(deploy(session, name, redirects))
    except BadDocument as error:
        sys.exit(f"{arguments.document}: {error}")


def check_fits(redirects: list[Redirect], limit: int, what: str) -> None:
    """Raise BadDocument naming the first entry for which there is no room."""
    if len(redirects) > limit:
        raise BadDocument(f"entry {redirects[limit].domain!r} is number {limit + 1}: {what} hold {limit}")


def create_zones(session: boto3.Session, name: str, redirects: list[Redirect]) -> dict[str, str]:
    """A hosted zone per domain; domain → zone id."""
    route53 = session.client("route53")
    zones = {}
    for redirect in redirects:
        zone = route53.create_hosted_zone(
            Name=redirect.domain,
            CallerReference=f"{name}-{redirect.domain}-{uuid.uuid4()}",
            HostedZoneConfig={"Comment": name},
        )["HostedZone"]
        zones[redirect.domain] = zone["Id"]
    return zones


def create_certificates(session: boto3.Session, name: str, zones: dict[str, str]) -> list[str]:
    """ACM certificates that hold all domains, ten names each, validated over DNS; their ARNs."""
    acm, route53 = session.client("acm"), session.client("route53")
    domains = list(zones)
    arns = []
    for start in range(0, len(domains), NAMES_PER_CERTIFICATE):
        names = domains[start : start + NAMES_PER_CERTIFICATE]
        arns.append(
            acm.request_certificate(
                DomainName=names[0],
                SubjectAlternativeNames=names,
                ValidationMethod="DNS",
                KeyAlgorithm="EC_prime256v1",
                Tags=[{"Key": "deployment", "Value": name}],
            )["CertificateArn"]
        )
    for arn in arns:
        for option in _validation_options(acm, arn):
            record = option["ResourceRecord"]
            upsert(
                route53,
                zones[option["DomainName"]],
                Name=record["Name"],
                Type=record["Type"],
                TTL=60,
                ResourceRecords=[{"Value": record["Value"]}],
            )
    for arn in arns:
        acm.get_waiter("certificate_validated").wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    return arns


def _validation_options(acm: Any, arn: str) -> list[dict[str, Any]]:
    while True:
        options = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"]
        if all("ResourceRecord" in option for option in options):
            return list(options)
        time.sleep(0.2)


def upsert(route53: Any, zone: str, **record: Any) -> str:
    """Write one record set; the id of the change."""
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    return str(route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)["ChangeInfo"]["Id"])


def point_domains_at(session: boto3.Session, zones: dict[str, str], balancer: dict[str, Any]) -> None:
    """An alias record at each zone's apex, and wait until they are served."""
    route53 = session.client("route53")
    changes = [
        upsert(
            route53,
            zone,
            Name=domain,
            Type="A",
            AliasTarget={
                "HostedZoneId": balancer["CanonicalHostedZoneId"],
                "DNSName": balancer["DNSName"],
                "EvaluateTargetHealth": False,
            },
        )
        for domain, zone in zones.items()
    ]
    for change in changes:
        route53.get_waiter("resource_record_sets_changed").wait(Id=change, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def create_load_balancer(session: boto3.Session, name: str) -> dict[str, Any]:
    """An internet-facing Application Load Balancer in two zones of the default VPC, open on 80 and 443."""
    ec2, elbv2 = session.client("ec2"), session.client("elbv2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    group = ec2.create_security_group(GroupName=name, Description="Redirect service", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
            for port in (80, 443)
        ],
    )
    balancer: dict[str, Any] = elbv2.create_load_balancer(
        Name=name, Subnets=[subnet["SubnetId"] for subnet in subnets[:2]], SecurityGroups=[group]
    )["LoadBalancers"][0]
    return balancer


def create_listeners(
    session: boto3.Session, balancer: dict[str, Any], certificates: list[str], action: dict[str, Any]
) -> list[str]:
    """HTTP on 80 and HTTPS on 443 with all certificates; both with this default action. Their ARNs."""
    elbv2 = session.client("elbv2")
    http = elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[action]
    )["Listeners"][0]["ListenerArn"]
    https = elbv2.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTPS",
        Port=443,
        SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        Certificates=[{"CertificateArn": certificates[0]}],
        DefaultActions=[action],
    )["Listeners"][0]["ListenerArn"]
    for arn in certificates[1:]:
        elbv2.add_listener_certificates(ListenerArn=https, Certificates=[{"CertificateArn": arn}])
    return [http, https]


def wait_active(session: boto3.Session, balancer: dict[str, Any]) -> None:
    session.client("elbv2").get_waiter("load_balancer_available").wait(
        LoadBalancerArns=[balancer["LoadBalancerArn"]], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def remove(session: boto3.Session, name: str) -> None:
    """Take away whatever a deployment of that name left, also one that stopped half-way."""
    from deploy_s3_website import remove_buckets
    from distribution import remove_distributions  # both need this module

    remove_distributions(session, name)
    elbv2, ec2 = session.client("elbv2"), session.client("ec2")
    try:
        for balancer in elbv2.describe_load_balancers(Names=[name])["LoadBalancers"]:
            elbv2.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    except elbv2.exceptions.LoadBalancerNotFoundException:
        pass
    try:
        for group in elbv2.describe_target_groups(Names=[name])["TargetGroups"]:
            elbv2.delete_target_group(TargetGroupArn=group["TargetGroupArn"])
    except elbv2.exceptions.TargetGroupNotFoundException:
        pass
    _remove_apis(session, name)
    lambda_ = session.client("lambda")
    try:
        lambda_.delete_function(FunctionName=name)
    except lambda_.exceptions.ResourceNotFoundException:
        pass
    for group in ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])["SecurityGroups"]:
        ec2.delete_security_group(GroupId=group["GroupId"])
    _remove_certificates(session, name)
    zones = _zones(session, name)
    remove_buckets(session, name, [zone["Name"].rstrip(".") for zone in zones])
    _remove_zones(session, zones)


def _remove_apis(session: boto3.Session, name: str) -> None:
    apigateway = session.client("apigatewayv2")
    for domain in _every(apigateway.get_domain_names):
        if domain.get("Tags", {}).get("deployment") == name:
            apigateway.delete_domain_name(DomainName=domain["DomainName"])
    for api in _every(apigateway.get_apis):
        if api["Name"] == name:
            apigateway.delete_api(ApiId=api["ApiId"])


def _every(list_items: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """The items of all pages."""
    page = list_items(MaxResults="100")
    items = list(page["Items"])
    while page.get("NextToken"):
        page = list_items(MaxResults="100", NextToken=page["NextToken"])
        items += page["Items"]
    return items


def _remove_certificates(session: boto3.Session, name: str) -> None:
    acm = session.client("acm")
    pages = acm.get_paginator("list_certificates").paginate(Includes={"keyTypes": ["EC_prime256v1"]})
    for certificate in [each for page in pages for each in page["CertificateSummaryList"]]:
        arn = certificate["CertificateArn"]
        tags = acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]
        if {"Key": "deployment", "Value": name} in tags:
            acm.delete_certificate(CertificateArn=arn)


def _zones(session: boto3.Session, name: str) -> list[dict[str, Any]]:
    pages = session.client("route53").get_paginator("list_hosted_zones").paginate()
    zones = [zone for page in pages for zone in page["HostedZones"]]
    return [zone for zone in zones if zone.get("Config", {}).get("Comment") == name]


def _remove_zones(session: boto3.Session, zones: list[dict[str, Any]]) -> None:
    route53 = session.client("route53")
    for zone in zones:
        records = [
            record
            for page in route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"])
            for record in page["ResourceRecordSets"]
            if record["Type"] not in ("NS", "SOA")
        ]
        if records:
            changes = [{"Action": "DELETE", "ResourceRecordSet": record} for record in records]
            route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch={"Changes": changes})
        route53.delete_hosted_zone(Id=zone["Id"])
