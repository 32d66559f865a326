"""Cloud Map: instances are answered by the VPC's DNS and found by call, as far as they are well."""

import json

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError


@pytest.fixture
def found(kunren, account, until):
    """The service and namespace `internal` of the default VPC, and a way to ask its DNS."""
    return Found(kunren, account, until)


class Found:
    def __init__(self, kunren, account, until):
        self.kunren, self._until = kunren, until
        self.map = kunren.client("servicediscovery", account, config=Config(inject_host_prefix=False))
        self.ec2 = kunren.client("ec2", account)
        self.account = account
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.namespace = self.done(self.map.create_private_dns_namespace(Name="internal", Vpc=self.vpc))["NAMESPACE"]

    def done(self, answer):
        """The targets of an operation, once it has succeeded."""

        def ended():
            told = self.map.get_operation(OperationId=answer["OperationId"])["Operation"]
            return told if told["Status"] in ("SUCCESS", "FAIL") else None

        told = self._until(ended, "the operation ends")
        assert told["Status"] == "SUCCESS", told["ErrorMessage"]
        return told["Targets"]

    def dig(self, *question):
        subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        self.kunren.environment["AWS_ACCESS_KEY_ID"] = self.account
        arguments = ["--subnet", subnet, "--", "dig", "+short", *question]
        return sorted(self.kunren.run("exec", *arguments, check=True).stdout.split("\n")[:-1])

    def discovered(self, **more):
        told = self.map.discover_instances(NamespaceName="internal", ServiceName="web", **more)
        return sorted((each["InstanceId"], each["HealthStatus"]) for each in told["Instances"])


def test_instances_are_names_in_the_vpc_and_found_by_call(kunren, found):
    zones = kunren.client("route53", found.account).list_hosted_zones()["HostedZones"]
    assert [(each["Name"], each["Config"]["PrivateZone"]) for each in zones] == [("internal.", True)]
    made = found.map.create_service(
        Name="web", NamespaceId=found.namespace, HealthCheckCustomConfig={"FailureThreshold": 1},
        DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}, {"Type": "SRV", "TTL": 10}]},
    )["Service"]  # fmt: skip
    assert (made["Type"], made["InstanceCount"]) == ("DNS_HTTP", 0)
    id = made["Id"]
    for name, address in (("a", "172.31.0.101"), ("b", "172.31.0.102")):
        attributes = {"AWS_INSTANCE_IPV4": address, "AWS_INSTANCE_PORT": "80", "stage": name}
        found.done(found.map.register_instance(ServiceId=id, InstanceId=name, Attributes=attributes))
    assert found.dig("web.internal") == ["172.31.0.101", "172.31.0.102"]
    assert found.dig("web.internal", "SRV") == ["1 1 80 a.web.internal.", "1 1 80 b.web.internal."]
    assert found.discovered() == [("a", "HEALTHY"), ("b", "HEALTHY")]
    assert found.discovered(QueryParameters={"stage": "b"}) == [("b", "HEALTHY")]
    revision = found.map.discover_instances_revision(NamespaceName="internal", ServiceName="web")["InstancesRevision"]

    found.map.update_instance_custom_health_status(ServiceId=id, InstanceId="a", Status="UNHEALTHY")
    found._until(lambda: found.dig("a.web.internal") == [], "the unhealthy instance has no name")
    assert found.discovered() == [("b", "HEALTHY")]
    assert found.discovered(HealthStatus="ALL") == [("a", "UNHEALTHY"), ("b", "HEALTHY")]
    asked = kunren.exec(
        "aws", "servicediscovery", "discover-instances", "--namespace-name", "internal", "--service-name", "web"
    )
    told = json.loads(asked.stdout)
    assert ([each["InstanceId"] for each in told["Instances"]], told["InstancesRevision"]) == (["b"], revision + 1)

    with pytest.raises(ClientError, match="ResourceInUse"):
        found.map.delete_service(Id=id)
    for name in ("a", "b"):
        found.done(found.map.deregister_instance(ServiceId=id, InstanceId=name))
    found.map.delete_service(Id=id)
    found.done(found.map.delete_namespace(Id=found.namespace))
    assert kunren.client("route53", found.account).list_hosted_zones()["HostedZones"] == []


def test_what_is_wrong_is_refused(found):
    with pytest.raises(found.map.exceptions.NamespaceAlreadyExists) as refused:
        found.map.create_private_dns_namespace(Name="internal", Vpc=found.vpc)
    assert refused.value.response["NamespaceId"] == found.namespace
    with pytest.raises(found.map.exceptions.InvalidInput):
        found.map.create_private_dns_namespace(Name="other", Vpc="vpc-none")
    service = found.map.create_service(
        Name="web", NamespaceId=found.namespace, DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}]}
    )["Service"]
    with pytest.raises(found.map.exceptions.InvalidInput, match="AWS_INSTANCE_IPV4 is required"):
        found.map.register_instance(ServiceId=service["Id"], InstanceId="a", Attributes={"x": "y"})
    with pytest.raises(found.map.exceptions.CustomHealthNotFound):
        found.map.update_instance_custom_health_status(ServiceId=service["Id"], InstanceId="a", Status="HEALTHY")
    with pytest.raises(found.map.exceptions.ServiceNotFound):
        found.map.discover_instances(NamespaceName="internal", ServiceName="none")
    names = found.map.create_service(
        Name="names", NamespaceId=found.namespace,
        DnsConfig={"DnsRecords": [{"Type": "CNAME", "TTL": 10}], "RoutingPolicy": "WEIGHTED"},
    )["Service"]["Id"]  # fmt: skip
    bad = {"AWS_INSTANCE_CNAME": "no name..of DNS"}
    with pytest.raises(AssertionError, match="FAIL"):
        found.done(found.map.register_instance(ServiceId=names, InstanceId="bad", Attributes=bad))
    good = {"AWS_INSTANCE_IPV4": "172.31.0.103"}
    found.done(found.map.register_instance(ServiceId=service["Id"], InstanceId="good", Attributes=good))
    assert found.map.list_instances(ServiceId=names)["Instances"] == []
    found.done(found.map.update_service(Id=names, Service={"Description": "by call alone"}))
    assert "DnsConfig" not in found.map.get_service(Id=names)["Service"]
    http = found.done(found.map.create_http_namespace(Name="by-call"))["NAMESPACE"]
    with pytest.raises(found.map.exceptions.InvalidInput, match="HTTP namespace"):
        found.map.create_service(Name="x", NamespaceId=http, DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 1}]})
