"""Endpoint services by the rules of the API; that they carry traffic is in tests/e2e/test_private_link.py."""

import pytest

from kunren.services.ec2 import private_link
from kunren.services.ec2.model import EndpointServiceConfiguration
from kunren.services.ec2.private_names import domains
from kunren.services.elbv2.model import AvailabilityZone, LoadBalancer

OTHER = "210987654321"
ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/{name}/0123456789abcdef"


def balancer(ec2, vpc, subnet, name="one", type="network"):
    zone = AvailabilityZone(
        zone_name="us-east-1a", subnet_id=subnet, interface_id="eni-1", private_ip="10.0.1.9", public_ip=None
    )
    made = LoadBalancer(
        account=ec2.account, region=ec2.region, id=ARN.format(name=name), name=name, type=type, scheme="internal",
        ip_address_type="ipv4", vpc_id=vpc, dns_name=f"{name}.test", canonical_hosted_zone_id="Z", created_time=0.0,
        zones=(zone,),
    )  # fmt: skip
    with ec2.store.write() as tx:
        tx.put(made)
    return made.id


@pytest.fixture
def net(ec2):
    ec2.store.register(LoadBalancer)
    return Net(ec2)


class Net:
    def __init__(self, ec2):
        self.ec2 = ec2
        self.vpc = ec2.vpc()
        self.subnet = ec2.subnet(self.vpc, AvailabilityZone="us-east-1a")
        self.balancer = balancer(ec2, self.vpc, self.subnet)

    def service(self, **params):
        made = self.ec2.create_vpc_endpoint_service_configuration(
            **{"NetworkLoadBalancerArns": [self.balancer], **params}
        )
        return made["ServiceConfiguration"]

    def endpoint(self, service, **params):
        asked = {"VpcId": self.vpc, "ServiceName": service["ServiceName"], "VpcEndpointType": "Interface"}
        return self.ec2.create_vpc_endpoint(**asked, **params)["VpcEndpoint"]


def test_a_service_is_described_as_it_was_configured(net):
    ec2 = net.ec2
    tags = [{"ResourceType": "vpc-endpoint-service", "Tags": [{"Key": "Name", "Value": "mine"}]}]
    made = net.service(AcceptanceRequired=False, TagSpecifications=tags)
    id = made["ServiceId"]
    assert made["ServiceName"] == f"com.amazonaws.vpce.us-east-1.{id}"
    assert made["BaseEndpointDnsNames"] == [f"{id}.us-east-1.vpce.amazonaws.com"]
    assert (made["ServiceType"], made["ServiceState"]) == ([{"ServiceType": "Interface"}], "Available")
    assert (made["AcceptanceRequired"], made["AvailabilityZones"]) == (False, ["us-east-1a"])
    assert made["Tags"] == [{"Key": "Name", "Value": "mine"}]
    by_state = [{"Name": "service-state", "Values": ["Available"]}]
    for asked in ({}, {"ServiceIds": [id]}, {"Filters": by_state}):
        assert ec2.describe_vpc_endpoint_service_configurations(**asked)["ServiceConfigurations"] == [made]
    ec2.modify_vpc_endpoint_service_configuration(ServiceId=id, AcceptanceRequired=True)
    shown = ec2.describe_vpc_endpoint_services(ServiceNames=[made["ServiceName"]])["ServiceDetails"][0]
    assert (shown["Owner"], shown["AcceptanceRequired"], shown["ServiceId"]) == (ec2.account, True, id)
    assert ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[id]) == {"Unsuccessful": []}
    gone = ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[id])["Unsuccessful"]
    assert gone[0]["Error"]["Code"] == "InvalidVpcEndpointService.NotFound"
    assert ec2.refused("describe_vpc_endpoint_service_configurations", ServiceIds=[id]) == (
        "InvalidVpcEndpointServiceId.NotFound",
        f"The VpcEndpointService Id '{id}' does not exist",
    )


def test_what_may_not_stand_before_a_service(net):
    ec2 = net.ec2
    net.service()
    application = balancer(ec2, net.vpc, net.subnet, "web", "application")
    second = balancer(ec2, net.vpc, net.subnet, "two")
    for arns, code in (
        ([], "MissingParameter"),
        ([net.balancer], "InvalidParameter"),  # it stands before another
        ([application], "InvalidParameter"),
        ([ARN.format(name="none")], "InvalidParameter"),
    ):
        refused = ec2.refused("create_vpc_endpoint_service_configuration", NetworkLoadBalancerArns=arns)
        assert refused[0] == code
    other = net.service(NetworkLoadBalancerArns=[second])["ServiceId"]
    only = {"ServiceId": other, "RemoveNetworkLoadBalancerArns": [second]}
    assert ec2.refused("modify_vpc_endpoint_service_configuration", **only)[0] == "InvalidParameter"
    for member, value in (
        ("GatewayLoadBalancerArns", ["arn:x"]), ("SupportedRegions", ["eu-west-1"]), ("SupportedIpAddressTypes", ["ipv6"])
    ):  # fmt: skip
        asked = {"NetworkLoadBalancerArns": [second], member: value}
        assert ec2.refused("create_vpc_endpoint_service_configuration", **asked)[0] == "NotImplemented"


def test_the_same_client_token_makes_one_service(net):
    one = net.service(ClientToken="t")
    assert net.service(ClientToken="t") == one
    assert net.ec2.refused(
        "create_vpc_endpoint_service_configuration",
        ClientToken="t", NetworkLoadBalancerArns=[net.balancer], AcceptanceRequired=False,
    )[0] == "IdempotentParameterMismatch"  # fmt: skip


@pytest.mark.parametrize(
    ("principal", "type", "admitted"),
    [
        ("*", "All", True),
        (f"arn:aws:iam::{OTHER}:root", "Account", True),
        (f"arn:aws:iam::{OTHER}:user/anna", "User", True),
        (f"arn:aws:iam::{OTHER}:role/deploy", "Role", True),
        ("arn:aws:iam::999999999999:root", "Account", False),
    ],
)
def test_who_may_connect(net, principal, type, admitted):
    ec2, id = net.ec2, net.service()["ServiceId"]
    asked = {"ServiceId": id, "AddAllowedPrincipals": [principal]}
    (added,) = ec2.modify_vpc_endpoint_service_permissions(**asked)["AddedPrincipals"]
    assert (added["Principal"], added["PrincipalType"], added["ServiceId"]) == (principal, type, id)
    assert added["ServicePermissionId"].startswith("vpce-svc-perm-")
    assert ec2.modify_vpc_endpoint_service_permissions(**asked)["AddedPrincipals"] == []
    (listed,) = ec2.describe_vpc_endpoint_service_permissions(ServiceId=id)["AllowedPrincipals"]
    assert listed == {**added, "Tags": []}
    by_type = [{"Name": "principal-type", "Values": [type]}]
    assert ec2.describe_vpc_endpoint_service_permissions(ServiceId=id, Filters=by_type)["AllowedPrincipals"] == [listed]
    service = ec2.store.snapshot().get(EndpointServiceConfiguration, ec2.account, ec2.region, id)
    assert private_link.admits(service, OTHER) is admitted
    assert private_link.admits(service, ec2.account)
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=id, RemoveAllowedPrincipals=[principal])
    assert ec2.describe_vpc_endpoint_service_permissions(ServiceId=id)["AllowedPrincipals"] == []
    wrong = {"ServiceId": id, "AddAllowedPrincipals": ["anna"]}
    assert ec2.refused("modify_vpc_endpoint_service_permissions", **wrong)[0] == "InvalidParameterValue"


def test_connections_are_accepted_and_rejected(net):
    ec2, service = net.ec2, net.service()
    id = net.endpoint(service, SubnetIds=[net.subnet])["VpcEndpointId"]
    asked = {"ServiceId": service["ServiceId"], "VpcEndpointIds": [id, "vpce-none"]}

    def state():
        (shown,) = ec2.describe_vpc_endpoint_connections(Filters=[{"Name": "vpc-endpoint-id", "Values": [id]}])[
            "VpcEndpointConnections"
        ]
        return shown["VpcEndpointState"]

    assert state() == "pendingAcceptance"
    (failed,) = ec2.accept_vpc_endpoint_connections(**asked)["Unsuccessful"]
    assert (failed["ResourceId"], failed["Error"]["Code"]) == ("vpce-none", "InvalidVpcEndpoint.NotFound")
    assert state() == "pending"  # nothing carries it here
    again = ec2.accept_vpc_endpoint_connections(**asked)["Unsuccessful"]
    assert [each["Error"]["Code"] for each in again] == ["InvalidState", "InvalidVpcEndpoint.NotFound"]
    ec2.reject_vpc_endpoint_connections(**asked)
    assert state() == "rejected"
    waiting = [{"Name": "vpc-endpoint-state", "Values": ["pendingAcceptance"]}]
    assert ec2.describe_vpc_endpoint_connections(Filters=waiting)["VpcEndpointConnections"] == []


def test_a_private_name_waits_for_its_proof(net):
    service = net.service(PrivateDnsName="API.Example.test.")
    ec2, id = net.ec2, service["ServiceId"]
    assert service["PrivateDnsName"] == "api.example.test"
    assert service["PrivateDnsNameConfiguration"]["State"] == "pendingVerification"
    asked = {"VpcId": net.vpc, "ServiceName": service["ServiceName"], "VpcEndpointType": "Interface"}
    assert ec2.refused("create_vpc_endpoint", **asked, PrivateDnsEnabled=True)[0] == "InvalidParameter"
    assert ec2.start_vpc_endpoint_service_private_dns_verification(ServiceId=id) == {"ReturnValue": True}
    ec2.modify_vpc_endpoint_service_configuration(ServiceId=id, RemovePrivateDnsName=True)
    assert ec2.refused("start_vpc_endpoint_service_private_dns_verification", ServiceId=id)[0] == "InvalidState"


def test_a_domain_is_proven_at_the_name_or_above():
    assert domains("api.eu.example.test") == ["api.eu.example.test", "eu.example.test", "example.test"]
    assert domains("*.example.test") == ["example.test"]


def test_a_notification_is_configured_for_a_service_or_an_endpoint(net):
    ec2, service = net.ec2, net.service()
    topic = "arn:aws:sns:us-east-1:123456789012:links"
    asked = {"ServiceId": service["ServiceId"], "ConnectionNotificationArn": topic, "ConnectionEvents": ["Connect"]}
    made = ec2.create_vpc_endpoint_connection_notification(**asked)["ConnectionNotification"]
    id = made["ConnectionNotificationId"]
    assert (made["ConnectionNotificationType"], made["ConnectionNotificationState"]) == ("Topic", "Enabled")
    ec2.modify_vpc_endpoint_connection_notification(ConnectionNotificationId=id, ConnectionEvents=["Accept", "Delete"])
    (shown,) = ec2.describe_vpc_endpoint_connection_notifications(ConnectionNotificationId=id)[
        "ConnectionNotificationSet"
    ]
    assert shown == {**made, "ConnectionEvents": ["Accept", "Delete"]}
    for wrong, code in (
        ({"VpcEndpointId": "vpce-1"}, "InvalidParameter"),
        ({"ConnectionEvents": ["Ping"]}, "InvalidParameterValue"),
        ({"ConnectionNotificationArn": "arn:aws:sqs:us-east-1:123456789012:q"}, "InvalidParameterValue"),
        ({"ServiceId": "vpce-svc-none"}, "InvalidVpcEndpointServiceId.NotFound"),
    ):
        assert ec2.refused("create_vpc_endpoint_connection_notification", **{**asked, **wrong})[0] == code
    gone = {"ConnectionNotificationIds": [id]}
    assert ec2.delete_vpc_endpoint_connection_notifications(**gone) == {"Unsuccessful": []}
    (failed,) = ec2.delete_vpc_endpoint_connection_notifications(**gone)["Unsuccessful"]
    assert failed["Error"]["Code"] == "InvalidConnectionNotification"
