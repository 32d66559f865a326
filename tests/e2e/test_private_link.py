"""Services of one's own behind a Network Load Balancer, reached from other accounts' VPCs by interface endpoints."""

import json
import os
import signal

import pytest
from botocore.exceptions import ClientError


def everything(ec2, group):
    anybody = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[anybody])


class Side:
    """An account with a VPC of the same block as everybody's, and a subnet in the first zone."""

    def __init__(self, kunren, account):
        self.kunren, self.account = kunren, account
        self.ec2, self.elb = kunren.client("ec2", account), kunren.client("elbv2", account)
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.subnet = self.subnet_in("us-east-1a", "10.0.1.0/24")
        self.group = self.ec2.create_security_group(GroupName="open", Description="open", VpcId=self.vpc)["GroupId"]
        everything(self.ec2, self.group)

    def subnet_in(self, zone, block):
        made = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=block, AvailabilityZone=zone)
        return made["Subnet"]["SubnetId"]

    def where(self, address=None):
        chosen = ("--address", address) if address else ()
        return ("--subnet", self.subnet, "--security-group", self.group, *chosen)

    def endpoint(self, id):
        return self.ec2.describe_vpc_endpoints(VpcEndpointIds=[id])["VpcEndpoints"][0]


class Provider(Side):
    def __init__(self, kunren, account, programs, until):
        super().__init__(kunren, account)
        self.programs, self.until = programs, until
        self.target = programs(kunren, "flow_target.py", "one", "9000", where=self.where("10.0.1.50"))
        self.target.hear_until("ready")
        self.guard = self.ec2.create_security_group(GroupName="guard", Description="guard", VpcId=self.vpc)["GroupId"]
        everything(self.ec2, self.guard)
        self.balancer = self.elb.create_load_balancer(
            Name="service", Type="network", Scheme="internal", Subnets=[self.subnet], SecurityGroups=[self.guard]
        )["LoadBalancers"][0]["LoadBalancerArn"]
        for protocol, port in (("TCP", 7000), ("UDP", 7001)):
            group = self.elb.create_target_group(
                Name=protocol, Protocol=protocol, Port=9000, TargetType="ip", VpcId=self.vpc, HealthCheckPort="9000",
                HealthCheckProtocol="TCP", HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2,
            )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
            self.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "10.0.1.50", "Port": 9000}])
            forward = [{"Type": "forward", "TargetGroupArn": group}]
            self.elb.create_listener(
                LoadBalancerArn=self.balancer, Protocol=protocol, Port=port, DefaultActions=forward
            )
            until(lambda group=group: self.health(group) == ["healthy"], "a healthy target", 60)

    def health(self, group):
        shown = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [each["TargetHealth"]["State"] for each in shown]

    def service(self, **params):
        made = self.ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[self.balancer], **params)
        return made["ServiceConfiguration"]


class Consumer(Side):
    def connect(self, service, **params):
        asked = {"VpcId": self.vpc, "ServiceName": service, "VpcEndpointType": "Interface", "SubnetIds": [self.subnet]}
        made = self.ec2.create_vpc_endpoint(**{**asked, "SecurityGroupIds": [self.group], **params})
        return made["VpcEndpoint"]


def told_by_sns(kunren, account, provider, service):
    """What happens to the service's connections, one event a call: by a topic, and a queue that listens to it."""
    sns, sqs = kunren.client("sns", account), kunren.client("sqs", account)
    topic = sns.create_topic(Name="links")["TopicArn"]
    queue = sqs.create_queue(QueueName="links")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    provider.ec2.create_vpc_endpoint_connection_notification(
        ServiceId=service, ConnectionNotificationArn=topic, ConnectionEvents=["Connect", "Accept"]
    )

    def next_event():
        (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        body = json.loads(message["Body"])
        return body["event"], body["vpcEndpointId"]

    return next_event


def flow_log(kunren, consumer):
    """What flow logs tell of the consumer's VPC."""
    watched = {"ResourceType": "VPC", "ResourceIds": [consumer.vpc], "TrafficType": "ALL", "LogGroupName": "flows"}
    consumer.ec2.create_flow_logs(
        **watched, MaxAggregationInterval=60, DeliverLogsPermissionArn=f"arn:aws:iam::{consumer.account}:role/flows",
        LogFormat="${srcaddr} ${dstaddr} ${dstport} ${action} ${log-status}",
    )  # fmt: skip
    logs = kunren.client("logs", consumer.account)

    def messages():
        try:
            return {each["message"] for each in logs.filter_log_events(logGroupName="flows")["events"]}
        except ClientError:
            return set()  # the group comes with the first record

    return messages


@pytest.fixture
def provider(kunren, account, programs, until):
    return Provider(kunren, account, programs, until)


def test_a_consumer_reaches_a_service_by_its_endpoint_once_the_provider_accepts(
    kunren, account, provider, programs, until
):
    consumer = Consumer(kunren, str(int(account) + 1))
    client = programs(kunren, "flow_client.py", where=consumer.where("10.0.1.50"))  # the target's own address

    def told(**wanted):
        client.say(json.dumps(wanted))
        return json.loads(client.hear())

    service = provider.service(AcceptanceRequired=True)
    assert service["ServiceName"] == f"com.amazonaws.vpce.us-east-1.{service['ServiceId']}"
    assert (service["ServiceState"], service["AvailabilityZones"]) == ("Available", ["us-east-1a"])
    with pytest.raises(ClientError, match="InvalidServiceName"):
        consumer.connect(service["ServiceName"])
    assert service["ServiceName"] not in consumer.ec2.describe_vpc_endpoint_services()["ServiceNames"]
    allowed = {"ServiceId": service["ServiceId"], "AddAllowedPrincipals": [f"arn:aws:iam::{consumer.account}:root"]}
    provider.ec2.modify_vpc_endpoint_service_permissions(**allowed)
    assert service["ServiceName"] in consumer.ec2.describe_vpc_endpoint_services()["ServiceNames"]
    second = consumer.subnet_in("us-east-1b", "10.0.2.0/24")
    with pytest.raises(ClientError, match="does not support the availability zone"):
        consumer.connect(service["ServiceName"], SubnetIds=[consumer.subnet, second])

    told_by_logs = flow_log(kunren, consumer)
    events = told_by_sns(kunren, account, provider, service["ServiceId"])
    endpoint = consumer.connect(service["ServiceName"])
    id, name = endpoint["VpcEndpointId"], endpoint["DnsEntries"][0]["DnsName"]
    assert name.endswith(f".{service['ServiceId']}.us-east-1.vpce.amazonaws.com")
    interface = consumer.ec2.describe_network_interfaces(NetworkInterfaceIds=endpoint["NetworkInterfaceIds"])
    address = interface["NetworkInterfaces"][0]["PrivateIpAddress"]
    (connection,) = provider.ec2.describe_vpc_endpoint_connections()["VpcEndpointConnections"]
    assert (connection["VpcEndpointId"], connection["VpcEndpointOwner"]) == (id, consumer.account)
    assert (endpoint["State"], connection["VpcEndpointState"]) == ("pendingAcceptance", "pendingAcceptance")
    until(lambda: consumer.endpoint(id)["State"] == "pendingAcceptance", "still waiting")
    assert "error" in told(open=[address, 7000], timeout=0.5)

    asked = {"ServiceId": service["ServiceId"], "VpcEndpointIds": [id]}
    assert provider.ec2.accept_vpc_endpoint_connections(**asked)["Unsuccessful"] == []
    until(lambda: consumer.endpoint(id)["State"] == "available", "an available endpoint")
    assert [events(), events()] == [("Connect", id), ("Accept", id)]
    node = provider.elb.describe_load_balancers()["LoadBalancers"][0]["AvailabilityZones"][0]
    nodes = provider.ec2.describe_network_interfaces(
        Filters=[
            {"Name": "subnet-id", "Values": [node["SubnetId"]]},
            {"Name": "requester-id", "Values": ["amazon-elb"]},
        ]
    )["NetworkInterfaces"]
    for where in (address, name):
        said = told(open=[where, 7000])
        assert said.get("said") == ["one", nodes[0]["PrivateIpAddress"]], said  # the node's address, not the client's
    assert told(datagrams=[name, 7001])["said"][0][0] == "one"
    assert "error" in told(open=[address, 7005], timeout=0.5)  # no listener

    http = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    closed = consumer.ec2.create_security_group(GroupName="closed", Description="closed", VpcId=consumer.vpc)["GroupId"]
    consumer.ec2.authorize_security_group_ingress(GroupId=closed, IpPermissions=http)
    consumer.ec2.modify_vpc_endpoint(
        VpcEndpointId=id, AddSecurityGroupIds=[closed], RemoveSecurityGroupIds=[consumer.group]
    )
    until(lambda: "error" in told(open=[address, 7000], timeout=0.5), "the endpoint's group says no")
    consumer.ec2.modify_vpc_endpoint(
        VpcEndpointId=id, AddSecurityGroupIds=[consumer.group], RemoveSecurityGroupIds=[closed]
    )
    until(lambda: "said" in told(open=[address, 7000], timeout=0.5), "the endpoint's group says yes")
    flows = {f"10.0.1.50 {address} 7000 {action} OK" for action in ("ACCEPT", "REJECT")}
    until(lambda: flows <= told_by_logs(), "both in the flow log, with the addresses of the subnet")

    anybody = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    own = [{"IpProtocol": "tcp", "FromPort": 7000, "ToPort": 7000, "IpRanges": [{"CidrIp": "10.0.1.50/32"}]}]
    provider.ec2.revoke_security_group_ingress(GroupId=provider.guard, IpPermissions=anybody)
    until(lambda: "error" in told(open=[address, 7000], timeout=0.5), "the load balancer's group says no")
    provider.ec2.authorize_security_group_ingress(GroupId=provider.guard, IpPermissions=own)
    until(lambda: "said" in told(open=[address, 7000], timeout=0.5), "it knows the client's own address")
    provider.ec2.revoke_security_group_ingress(GroupId=provider.guard, IpPermissions=own)
    until(lambda: "error" in told(open=[address, 7000], timeout=0.5), "the load balancer's group says no again")
    enforce = {"EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic": "off"}
    provider.elb.set_security_groups(LoadBalancerArn=provider.balancer, SecurityGroups=[provider.guard], **enforce)
    until(lambda: "said" in told(open=[address, 7000], timeout=0.5), "it is not asked any more")

    blocked = provider.ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])
    assert blocked["Unsuccessful"][0]["Error"]["Code"] == "ExistingVpcEndpointConnections"
    with pytest.raises(ClientError, match="currently associated with another service"):
        provider.elb.delete_load_balancer(LoadBalancerArn=provider.balancer)
    provider.ec2.reject_vpc_endpoint_connections(**asked)
    until(lambda: "error" in told(open=[address, 7000], timeout=0.5), "cut off")
    assert consumer.endpoint(id)["State"] == "rejected"
    provider.ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])
    consumer.ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
    until(lambda: consumer.ec2.describe_vpc_endpoints()["VpcEndpoints"] == [], "the endpoint gone")
    provider.elb.delete_load_balancer(LoadBalancerArn=provider.balancer)


def test_a_verified_private_name_leads_to_the_endpoint(kunren, account, provider, running, until):
    domain = f"t{account}.test"
    service = provider.service(AcceptanceRequired=False, PrivateDnsName=f"api.{domain}")
    proof = service["PrivateDnsNameConfiguration"]
    assert (proof["State"], proof["Type"], proof["Value"][:5]) == ("pendingVerification", "TXT", "vpce:")
    asked = {"VpcId": provider.vpc, "ServiceName": service["ServiceName"], "VpcEndpointType": "Interface"}
    with pytest.raises(ClientError, match="does not provide a private DNS name"):
        provider.ec2.create_vpc_endpoint(**asked, PrivateDnsEnabled=True)
    route53 = kunren.client("route53", account)
    zone = route53.create_hosted_zone(Name=domain, CallerReference="1")["HostedZone"]["Id"]
    record = {
        "Name": f"{proof['Name']}.{domain}", "Type": "TXT", "TTL": 60,
        "ResourceRecords": [{"Value": f'"{proof["Value"]}"'}],
    }  # fmt: skip
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    provider.ec2.start_vpc_endpoint_service_private_dns_verification(ServiceId=service["ServiceId"])
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)

    def state():
        shown = provider.ec2.describe_vpc_endpoint_service_configurations(ServiceIds=[service["ServiceId"]])
        return shown["ServiceConfigurations"][0]["PrivateDnsNameConfiguration"]["State"]

    until(lambda: state() == "verified", "a verified name")
    made = provider.ec2.create_vpc_endpoint(
        **asked, SubnetIds=[provider.subnet], SecurityGroupIds=[provider.group], PrivateDnsEnabled=True
    )["VpcEndpoint"]
    assert [each["DnsName"] for each in made["DnsEntries"]][-1] == f"api.{domain}"
    until(lambda: provider.endpoint(made["VpcEndpointId"])["State"] == "available", "an available endpoint")
    inside = running.shell(kunren, *provider.where())
    interface = provider.ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])
    assert inside.dig(f"api.{domain}") == [interface["NetworkInterfaces"][0]["PrivateIpAddress"]]


def test_a_connection_outlives_the_daemon(own_kunren, programs, until):
    own_kunren.up("--speed", "20")
    provider = Provider(own_kunren, "100000000001", programs, until)
    consumer = Consumer(own_kunren, "100000000002")
    service = provider.service(AcceptanceRequired=False)
    allowed = {"ServiceId": service["ServiceId"], "AddAllowedPrincipals": ["*"]}
    provider.ec2.modify_vpc_endpoint_service_permissions(**allowed)
    endpoint = consumer.connect(service["ServiceName"])

    def reached():
        client = programs(own_kunren, "flow_client.py", where=consumer.where())
        name = endpoint["DnsEntries"][0]["DnsName"]
        client.say(json.dumps({"open": [name, 7000]}))
        return json.loads(client.hear()).get("said", [""])[0]

    until(lambda: consumer.endpoint(endpoint["VpcEndpointId"])["State"] == "available", "an available endpoint")
    assert reached() == "one"
    os.kill(own_kunren.pid, signal.SIGKILL)
    provider.target.process.wait(10)
    own_kunren.up("--speed", "20")
    two = programs(own_kunren, "flow_target.py", "two", "9000", where=provider.where("10.0.1.50"))
    two.hear_until("ready")
    until(lambda: consumer.endpoint(endpoint["VpcEndpointId"])["State"] == "available", "available again")
    until(lambda: reached() == "two", "the new target behind it", 60)
