"""IPv6 from the command line: cities reach each other, and the world's DNS answers."""

import io
import ipaddress
import json
import subprocess
import zipfile

import pytest
from botocore.exceptions import ClientError

HERE = ("exec", "--from", "tokyo", "--")


def test_a_city_is_reached_from_another_over_ipv6(kunren, until):
    served = ("exec", "--from", "london", "--")
    serve = "import http.server as h; s = h.HTTPServer; s.address_family = 10; "
    serve += "s(('::', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
    server = kunren.popen(*served[1:], kunren.python, "-c", serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asked = (*HERE, "curl", "-6", "-s", "-o", "/dev/null", "-w", "%{http_code} %{local_ip}")
        url = "http://[3fff:0:4:3::10]:8080/nothing"
        until(lambda: kunren.run(*asked, url).stdout == "404 3fff:0:4:1::10", "an answer over IPv6", 20)
    finally:
        server.terminate()
        server.wait(10)


def test_the_public_resolver_and_the_name_servers_answer_over_ipv6(kunren):
    zone = kunren.client("route53", account="100000000006").create_hosted_zone(Name="six.test", CallerReference="six")
    first = zone["DelegationSet"]["NameServers"][0]
    assert kunren.run(*HERE, "dig", "-6", "@3fff::2", "six.test", "SOA", "+short").stdout.startswith("ns-")
    address = kunren.run(*HERE, "dig", first, "AAAA", "+short").stdout.strip()
    assert address.startswith("3fff:0:1::")
    answer = kunren.run(*HERE, "dig", "-6", f"@{address}", "six.test", "SOA", "+norec").stdout
    assert "flags: qr aa" in answer and f"SERVER: {address}#53" in answer


SERVE = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"peer": self.client_address[0], **{k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer
server.address_family = 10
server(("::", int(sys.argv[1])), Handler).serve_forever()
"""
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def subnet_of(block: str, number: int) -> str:
    """The so-maniest /64 of a /56."""
    return str(list(ipaddress.ip_network(block).subnets(new_prefix=64))[number])


class Six:
    """An account with a VPC that has IPv6: two subnets in two zones with a route to an internet gateway."""

    def __init__(self, kunren, account):
        self.kunren, self.account = kunren, account
        ec2 = self.ec2 = kunren.client("ec2", account=account)
        made = ec2.create_vpc(CidrBlock="10.6.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
        self.vpc = made["VpcId"]
        self.block = block = made["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
        for name in ("EnableDnsHostnames", "EnableDnsSupport"):
            ec2.modify_vpc_attribute(VpcId=self.vpc, **{name: {"Value": True}})
        self.of_vpc = [{"Name": "vpc-id", "Values": [self.vpc]}]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        table = ec2.describe_route_tables(Filters=self.of_vpc)["RouteTables"][0]["RouteTableId"]
        for destination in ({"DestinationIpv6CidrBlock": "::/0"}, {"DestinationCidrBlock": "0.0.0.0/0"}):
            ec2.create_route(RouteTableId=table, **destination, GatewayId=gateway)
        self.subnets = [
            ec2.create_subnet(
                VpcId=self.vpc, CidrBlock=f"10.6.{number}.0/24", AvailabilityZone=f"us-east-1{zone}",
                Ipv6CidrBlock=subnet_of(block, number),
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate("ab")
        ]  # fmt: skip
        for each in self.subnets:
            ec2.modify_subnet_attribute(SubnetId=each, AssignIpv6AddressOnCreation={"Value": True})
        self.default_group = ec2.describe_security_groups(Filters=self.of_vpc)["SecurityGroups"][0]["GroupId"]

    def allow(self, group, port, *blocks):
        four = [{"CidrIp": each} for each in blocks if ":" not in each]
        six = [{"CidrIpv6": each} for each in blocks if ":" in each]
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": four, "Ipv6Ranges": six}
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])

    def serve(self, subnet, port=8080):
        """A program on the subnet that tells what it was asked."""
        return self.kunren.popen("--subnet", subnet, "--", self.kunren.python, "-c", SERVE, str(port), **QUIET)

    def interface(self, subnet):
        """The program's interface once it is in use."""
        filters = [{"Name": "subnet-id", "Values": [subnet]}, {"Name": "requester-id", "Values": ["kunren-exec"]}]
        found = self.ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        return found[0] if found and found[0]["Status"] == "in-use" else None


def curl(kunren, url, *more, place="tokyo"):
    return kunren.run("exec", "--from", place, "--", "curl", "-s", "-m", "5", *more, url).stdout


def test_a_program_on_a_subnet_has_an_ipv6_address_and_names_lead_to_it(kunren, until):
    six = Six(kunren, "100000000007")
    route53, (subnet, _) = kunren.client("route53", account=six.account), six.subnets
    six.allow(six.default_group, 8080, "3fff:0:4:1::/64")
    server = six.serve(subnet)
    try:
        found = until(lambda: six.interface(subnet), "an interface in use", 20)
        address = found["Ipv6Addresses"][0]["Ipv6Address"]
        url = f"http://[{address}]:8080/"
        told = json.loads(until(lambda: curl(kunren, url), "an answer over IPv6", 20))
        assert told["peer"] == "3fff:0:4:1::10"
        assert curl(kunren, url, "-m", "1", place="london") == "", "no rule lets London in"
        six.allow(six.default_group, 8080, "3fff:0:2::/48")
        config = {"IPAddress": address, "Port": 8080, "Type": "HTTP", "ResourcePath": "/", "RequestInterval": 10}
        check = route53.create_health_check(CallerReference="six", HealthCheckConfig=config)["HealthCheck"]["Id"]

        def seen():
            shown = route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
            return {each["StatusReport"]["Status"].partition(":")[0] for each in shown if "StatusReport" in each}

        until(lambda: seen() == {"Success"}, "checkers that reach it over IPv6")
        route53.delete_health_check(HealthCheckId=check)
        zone = route53.create_hosted_zone(
            Name="inside.test", CallerReference="inside", VPC={"VPCRegion": "us-east-1", "VPCId": six.vpc}
        )["HostedZone"]["Id"]
        record = {"Name": "web.inside.test", "Type": "AAAA", "TTL": 60, "ResourceRecords": [{"Value": address}]}
        change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
        there = ("exec", "--subnet", subnet, "--", "dig", "+short", "web.inside.test", "AAAA")
        assert kunren.run(*there).stdout.strip() == address
        assert kunren.run(*there, "-6", "@fd00:ec2::253").stdout.strip() == address
    finally:
        server.terminate()
        server.wait(10)


def test_a_dual_stack_load_balancer_answers_over_both(kunren, until):
    six = Six(kunren, "100000000008")
    elb, subnet = kunren.client("elbv2", account=six.account), six.subnets[0]
    six.allow(six.default_group, 80, "0.0.0.0/0", "::/0")
    made = elb.create_load_balancer(Name="six", Subnets=six.subnets, IpAddressType="dualstack")["LoadBalancers"][0]
    assert made["IpAddressType"] == "dualstack"
    arn, name = made["LoadBalancerArn"], made["DNSName"]
    server = six.serve(subnet, 80)
    try:
        target = until(lambda: six.interface(subnet), "an interface in use", 20)
        groups = {}
        for kind, address in (
            ("ipv4", target["PrivateIpAddress"]), ("ipv6", target["Ipv6Addresses"][0]["Ipv6Address"])
        ):  # fmt: skip
            groups[kind] = elb.create_target_group(
                Name=kind, Protocol="HTTP", Port=80, VpcId=six.vpc, TargetType="ip", IpAddressType=kind,
                HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2,
            )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
            elb.register_targets(TargetGroupArn=groups[kind], Targets=[{"Id": address}])
        forward = [{"Type": "forward", "TargetGroupArn": groups["ipv4"]}]
        listener = elb.create_listener(LoadBalancerArn=arn, Port=80, Protocol="HTTP", DefaultActions=forward)
        listener = listener["Listeners"][0]["ListenerArn"]
        rules = (
            ({"Field": "source-ip", "SourceIpConfig": {"Values": ["3fff:0:4:3::/64"]}},
             {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "403"}}),
            ({"Field": "path-pattern", "Values": ["/six"]}, {"Type": "forward", "TargetGroupArn": groups["ipv6"]}),
        )  # fmt: skip
        for priority, (condition, action) in enumerate(rules, 1):
            elb.create_rule(ListenerArn=listener, Priority=priority, Conditions=[condition], Actions=[action])

        def states():
            shown = [elb.describe_target_health(TargetGroupArn=each) for each in groups.values()]
            return {each["TargetHealthDescriptions"][0]["TargetHealth"]["State"] for each in shown}

        until(lambda: states() == {"healthy"}, "healthy targets")
        for names in (name, f"dualstack.{name}"):
            answers = kunren.run(*HERE, "dig", "+short", names, "AAAA").stdout.split()
            assert len(answers) == 2 and all(each.startswith("3fff:100:") for each in answers)
        over_six = json.loads(curl(kunren, f"http://{name}/", "-6"))
        assert (over_six["x-forwarded-for"], over_six["x-forwarded-port"]) == ("3fff:0:4:1::10", "80")
        assert over_six["peer"].startswith("::ffff:10.6."), "the target group is of IPv4"
        assert json.loads(curl(kunren, f"http://{name}/", "-4"))["x-forwarded-for"] == "198.18.65.10"
        told = json.loads(curl(kunren, f"http://{name}/six", "-4"))
        assert (told["x-forwarded-for"], told["peer"].startswith("3fff:100:")) == ("198.18.65.10", True)
        assert curl(kunren, f"http://{name}/", "-6", "-o", "/dev/null", "-w", "%{http_code}", place="london") == "403"
        assert curl(kunren, f"http://{name}/", "-4", "-o", "/dev/null", "-w", "%{http_code}", place="london") == "200"
        try:
            elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="ipv4")
        except elb.exceptions.InvalidConfigurationRequestException as error:
            assert "can only be used with load balancers of the IP address type 'dualstack'" in str(error)
        else:
            raise AssertionError("a target group of IPv6 is in use")
        elb.set_ip_address_type(LoadBalancerArn=arn, IpAddressType="dualstack-without-public-ipv4")

        def answered(kind):
            return kunren.run(*HERE, "dig", "+short", "@198.18.0.2", f"{name}", kind).stdout.split()

        until(lambda: not answered("A") and len(answered("AAAA")) == 2, "no public IPv4 addresses")
        until(lambda: curl(kunren, f"http://{name}/", "-6"), "an answer over IPv6 alone")
    finally:
        server.terminate()
        server.wait(10)
        elb.delete_load_balancer(LoadBalancerArn=arn)


def test_a_dual_stack_network_load_balancer_leads_either_version_to_targets_of_either(kunren, until):
    six = Six(kunren, "100000000009")
    elb, subnet = kunren.client("elbv2", account=six.account), six.subnets[0]
    six.allow(six.default_group, 80, "10.6.0.0/16", six.block)
    made = elb.create_load_balancer(Name="six", Type="network", Subnets=six.subnets, IpAddressType="dualstack")
    arn, name = made["LoadBalancers"][0]["LoadBalancerArn"], made["LoadBalancers"][0]["DNSName"]
    attribute = {"Key": "load_balancing.cross_zone.enabled", "Value": "true"}
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[attribute])
    server = six.serve(subnet, 80)
    try:
        target = until(lambda: six.interface(subnet), "an interface in use", 20)
        addresses = {"ipv4": target["PrivateIpAddress"], "ipv6": target["Ipv6Addresses"][0]["Ipv6Address"]}
        for number, (kind, address) in enumerate(addresses.items()):
            group = elb.create_target_group(
                Name=kind, Protocol="TCP", Port=80, VpcId=six.vpc, TargetType="ip", IpAddressType=kind
            )["TargetGroups"][0]["TargetGroupArn"]
            elb.register_targets(TargetGroupArn=group, Targets=[{"Id": address}])
            forward = [{"Type": "forward", "TargetGroupArn": group}]
            elb.create_listener(LoadBalancerArn=arn, Port=80 + number, Protocol="TCP", DefaultActions=forward)
        udp = elb.create_target_group(Name="udp", Protocol="UDP", Port=53, VpcId=six.vpc, TargetType="ip")
        forward = [{"Type": "forward", "TargetGroupArn": udp["TargetGroups"][0]["TargetGroupArn"]}]
        try:
            elb.create_listener(LoadBalancerArn=arn, Port=53, Protocol="UDP", DefaultActions=forward)
        except elb.exceptions.InvalidConfigurationRequestException as error:
            assert "not supported for dualstack load balancers" in str(error)
        else:
            raise AssertionError("UDP needs source NAT for IPv6")
        dns = until(lambda: kunren.run(*HERE, "dig", "+short", name, "AAAA").stdout.split(), "IPv6 addresses")
        assert len(dns) == 2
        for version in ("-4", "-6"):
            for port, peer in ((80, "::ffff:10.6."), (81, six.block.removesuffix("00::/56").removesuffix(":/56"))):
                url = f"http://{name}:{port}/"
                told = until(lambda url=url, version=version: curl(kunren, url, version), f"an answer of {port}")
                assert json.loads(told)["peer"].startswith(peer), (version, port, told)
    finally:
        server.terminate()
        server.wait(10)
        elb.delete_load_balancer(LoadBalancerArn=arn)


def test_an_internal_load_balancer_has_ipv6_for_its_vpc_alone_until_it_is_told_otherwise(kunren, until):
    six = Six(kunren, "100000000010")
    elb = kunren.client("elbv2", account=six.account)
    six.allow(six.default_group, 80, "::/0")
    made = elb.create_load_balancer(Name="in", Subnets=six.subnets, Scheme="internal", IpAddressType="dualstack")
    arn, name = made["LoadBalancers"][0]["LoadBalancerArn"], made["LoadBalancers"][0]["DNSName"]
    hello = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "hello"}}]
    elb.create_listener(LoadBalancerArn=arn, Port=80, Protocol="HTTP", DefaultActions=hello)
    try:
        inside = ("exec", "--subnet", six.subnets[0], "--", "curl", "-6", "-s", "-m", "5", f"http://{name}/")
        until(lambda: kunren.run(*inside).stdout == "hello", "an answer inside")
        assert kunren.run(*HERE, "dig", "+short", name, "AAAA").stdout
        assert curl(kunren, f"http://{name}/", "-6", "-m", "1") == ""
        attribute = {"Key": "ipv6.deny_all_igw_traffic", "Value": "false"}
        elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[attribute])
        until(lambda: curl(kunren, f"http://{name}/", "-6", "-m", "1") == "hello", "an answer outside")
    finally:
        elb.delete_load_balancer(LoadBalancerArn=arn)


def test_a_function_in_a_vpc_speaks_ipv6_where_it_is_allowed_to(kunren, until):
    six = Six(kunren, "100000000011")
    functions, subnet = kunren.client("lambda", account=six.account), six.subnets[0]
    source = "import urllib.request\ndef handler(event, context):\n    "
    source += "return urllib.request.urlopen(event['url'], timeout=3).read().decode()\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", source)
    six.allow(six.default_group, 8080, six.block)
    server = six.serve(six.subnets[1])
    try:
        target = until(lambda: six.interface(six.subnets[1]), "an interface in use", 20)
        network = {"SubnetIds": [subnet], "SecurityGroupIds": [six.default_group], "Ipv6AllowedForDualStack": True}
        made = functions.create_function(
            FunctionName="six", Runtime="python3.11", Handler="app.handler", Code={"ZipFile": packed.getvalue()},
            Role="arn:aws:iam::000000000000:role/any", VpcConfig=network, Timeout=10,
        )  # fmt: skip
        assert made["VpcConfig"]["Ipv6AllowedForDualStack"] is True
        functions.get_waiter("function_active_v2").wait(FunctionName="six", WaiterConfig={"Delay": 1})
        url = {"url": f"http://[{target['Ipv6Addresses'][0]['Ipv6Address']}]:8080/"}
        answer = functions.invoke(FunctionName="six", Payload=json.dumps(url))["Payload"].read()
        assert json.loads(json.loads(answer))["peer"].startswith(
            six.block.removesuffix("00::/56").removesuffix(":/56")
        ), answer
    finally:
        server.terminate()
        server.wait(10)
        functions.delete_function(FunctionName="six")


def test_a_dual_stack_accelerator_has_ipv6_addresses_that_lead_to_dual_stack_endpoints(
    kunren, account, until, accelerated
):
    six = Six(kunren, account)
    elb, api = kunren.client("elbv2", account), accelerated.api
    group = six.ec2.create_security_group(GroupName="web", Description="web", VpcId=six.vpc)["GroupId"]
    six.allow(group, 80, "::/0", "0.0.0.0/0")
    made = elb.create_load_balancer(
        Name="six", Subnets=six.subnets, SecurityGroups=[group], IpAddressType="dualstack"
    )["LoadBalancers"][0]  # fmt: skip
    arn = made["LoadBalancerArn"]
    says = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": "six"}
    action = {"Type": "fixed-response", "FixedResponseConfig": says}
    elb.create_listener(LoadBalancerArn=arn, Port=80, Protocol="HTTP", DefaultActions=[action])
    listener = accelerated.listen((80, 80))
    endpoints = accelerated.group(listener, "us-east-1")
    address = six.ec2.allocate_address(Domain="vpc")["AllocationId"]
    api.add_endpoints(EndpointGroupArn=endpoints, EndpointConfigurations=[{"EndpointId": address}])
    change = {"AcceleratorArn": accelerated.arn, "IpAddressType": "DUAL_STACK"}
    with pytest.raises(ClientError, match="needs dual-stack endpoints"):
        api.update_accelerator(**change)
    api.update_endpoint_group(EndpointGroupArn=endpoints, EndpointConfigurations=[{"EndpointId": arn}])
    shown = api.update_accelerator(**change)["Accelerator"]
    name = shown["DualStackDnsName"]
    assert name == accelerated.name.replace(".", ".dualstack.", 1)
    assert [each["IpFamily"] for each in shown["IpSets"]] == ["IPv4", "IPv6"]
    until(lambda: accelerated.health(endpoints) == ["HEALTHY"], "a healthy endpoint")
    accelerated.deployed()
    addresses = shown["IpSets"][1]["IpAddresses"]
    asked = kunren.exec("dig", "+short", "AAAA", name, place="tokyo").stdout.split()
    assert sorted(asked) == sorted(addresses)
    assert kunren.exec("dig", "+short", "AAAA", accelerated.name, place="tokyo").stdout == ""

    def fetched(*options):
        return kunren.exec("curl", "-s", "-m", "2", *options, f"http://{name}/", place="london", check=False).stdout

    until(lambda: fetched("-6") == "six", "an answer over IPv6")
    assert fetched("-4") == "six"
    six.ec2.revoke_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
        ],
    )  # fmt: skip
    until(lambda: fetched("-6") == "", "the client's IPv6 address is asked about")
    api.update_accelerator(AcceleratorArn=accelerated.arn, IpAddressType="IPV4")
    shown = api.describe_accelerator(AcceleratorArn=accelerated.arn)["Accelerator"]
    assert (shown["IpAddressType"], len(shown["IpSets"])) == ("IPV4", 1)
