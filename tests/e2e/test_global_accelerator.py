"""Accelerators as their users see them: boto3 makes them, sockets in the world use them."""

from __future__ import annotations

import gzip
import os
import re
import signal
from collections import Counter
from pathlib import Path

import pytest
from botocore.exceptions import ClientError


def answering(client, region, body):
    """An internet-facing Application Load Balancer that gives a fixed answer on port 80; its ARN."""
    elb, ec2 = client("elbv2", region), client("ec2", region)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
    group = ec2.create_security_group(GroupName="open", Description="open", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    )
    arn = elb.create_load_balancer(Name="fixed", Subnets=subnets, SecurityGroups=[group])["LoadBalancers"][0][
        "LoadBalancerArn"
    ]
    response = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": body}
    action = {"Type": "fixed-response", "FixedResponseConfig": response}
    elb.create_listener(LoadBalancerArn=arn, Port=80, Protocol="HTTP", DefaultActions=[action])
    elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return arn


def test_flows_go_to_the_nearest_region_fail_over_at_once_and_stay_where_they_are(
    kunren, account, until, front_of, accelerated
):
    fronts = {region: front_of(kunren, account, region) for region in ("us-east-1", "eu-west-1")}
    tcp, udp = accelerated.listen((80, 80)), accelerated.listen((53, 53), protocol="UDP")
    targets, groups = {}, {}
    for region, front in fronts.items():
        target = targets[region] = front.target(region, 0, 80, 53)
        balancer = front.balancer(f"flows-{region}", Subnets=front.subnets[:1])
        stays = {"target_health_state__unhealthy__connection_termination__enabled": "false"}
        group = front.group(target, attributes=stays)
        datagrams = front.group(target, Protocol="UDP", Port=53, HealthCheckPort="80", attributes=stays)
        front.listen(balancer, group)
        front.listen(balancer, datagrams, 53, Protocol="UDP")
        front.wait_active(balancer)
        front.wait_for(group, "healthy")
        front.wait_for(datagrams, "healthy")
        groups[region] = accelerated.group(tcp, region, balancer["LoadBalancerArn"])
        accelerated.group(udp, region, balancer["LoadBalancerArn"])
    accelerated.deployed()
    until(lambda: [accelerated.health(each) for each in groups.values()] == [["HEALTHY"]] * 2, "healthy endpoints")
    near, far = fronts["us-east-1"].client("--from", "virginia"), fronts["eu-west-1"].client("--from", "london")
    for address in accelerated.addresses:
        assert near.ask(address)[0] == "us-east-1"
        assert far.ask(address)[0] == "eu-west-1"
        assert near.tell(datagrams=[address, 53], times=2)["said"][1][0] == "us-east-1"
    assert near.ask(accelerated.name)[0] == "us-east-1"
    assert near.ask(accelerated.addresses[0], 81, timeout=0.4) == "TimeoutError", "no listener, no answer"

    kept, _ = near.keep(accelerated.name)
    targets["us-east-1"].do("close 80")
    until(lambda: near.ask(accelerated.name)[0] == "eu-west-1", "new flows in the other region")
    assert near.tell(datagrams=[accelerated.name, 53])["said"][0][0] == "eu-west-1"
    assert near.repeats(kept) is True, "a flow that exists stays"
    assert accelerated.health(groups["us-east-1"]) == ["UNHEALTHY"]
    assert sorted(fronts["us-east-1"].addresses(accelerated.name)) == sorted(accelerated.addresses)
    targets["us-east-1"].do("open 80")
    until(lambda: near.ask(accelerated.name)[0] == "us-east-1", "new flows back")

    for each in (targets["us-east-1"], targets["eu-west-1"]):
        each.do("close 80")
    until(lambda: [accelerated.health(each) for each in groups.values()] == [["UNHEALTHY"]] * 2, "nobody healthy")
    accelerated.deployed()
    targets["us-east-1"].do("open 80")
    until(lambda: near.ask(accelerated.name)[0] == "us-east-1", "and back")


def test_the_dial_weights_affinity_and_port_overrides_hold(kunren, account, site, until, accelerated):
    def client(service, region):
        return kunren.client(service, account, region)

    echo = site.target("echo")
    site.listen(site.forward(site.group((echo, 80))))
    other = answering(client, "eu-west-1", "other")
    site.wait_active()
    listener = accelerated.listen((80, 80), (8000, 8100))
    override = [{"ListenerPort": 8080, "EndpointPort": 80}]
    east = accelerated.group(listener, "us-east-1", site.arn, PortOverrides=override)
    west = accelerated.group(listener, "eu-west-1", other, PortOverrides=override)
    until(lambda: accelerated.health(east) == ["HEALTHY"], "a healthy endpoint")
    accelerated.deployed()
    near = site.client("virginia")

    def asked(times, port=80):
        answers = near.tell({"url": f"http://{accelerated.addresses[0]}:{port}/", "times": times})
        return Counter(
            "other" if each.get("body") == "other" else "echo" if "body" in each else "none" for each in answers
        )

    seen = near.get(f"http://{accelerated.name}/")
    assert f'["x-forwarded-for", "{near.get_address()}"]' in seen["body"], "the client's address is preserved"
    assert asked(20) == {"echo": 20}
    assert asked(5, 8080) == {"echo": 5}
    accelerated.api.update_endpoint_group(EndpointGroupArn=east, TrafficDialPercentage=50)
    accelerated.deployed()
    shares = asked(400)
    assert set(shares) == {"echo", "other"}
    assert 140 <= shares["echo"] <= 260
    accelerated.api.update_listener(ListenerArn=listener, ClientAffinity="SOURCE_IP")
    accelerated.deployed()
    assert len(asked(40)) == 1
    accelerated.api.update_endpoint_group(EndpointGroupArn=east, TrafficDialPercentage=0)
    accelerated.deployed()
    assert asked(20) == {"other": 20}
    hidden = {"EndpointId": site.arn, "Weight": 10, "ClientIPPreservationEnabled": False}
    accelerated.api.update_endpoint_group(
        EndpointGroupArn=east, TrafficDialPercentage=100, EndpointConfigurations=[hidden]
    )
    accelerated.api.update_endpoint_group(EndpointGroupArn=west, TrafficDialPercentage=0)
    accelerated.deployed()
    seen = near.get(f"http://{accelerated.name}/")
    assert "x-forwarded-for" in seen["body"]
    assert near.get_address() not in seen["body"]

    accelerated.api.update_accelerator(AcceleratorArn=accelerated.arn, Enabled=False)
    accelerated.deployed()
    assert "body" not in near.get(f"http://{accelerated.addresses[0]}/", timeout=0.5)
    accelerated.api.update_accelerator(AcceleratorArn=accelerated.arn, Enabled=True)
    accelerated.deployed()
    assert near.get(f"http://{accelerated.addresses[0]}/")["status"] == 200


def test_an_elastic_ip_address_is_probed_and_route53_aliases_an_accelerator(
    kunren, account, site, until, running, accelerated
):
    target = site.target("one", 80, 443, group=site.security_group("all", ((1, 65535), "0.0.0.0/0")))
    allocated = site.ec2.allocate_address(Domain="vpc")["AllocationId"]
    site.ec2.associate_address(AllocationId=allocated, NetworkInterfaceId=target.interface)
    listener = accelerated.listen((80, 80))
    given = {"HealthCheckProtocol": "HTTP", "HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 10}
    group = accelerated.group(listener, "us-east-1", allocated, ThresholdCount=2, **given)
    until(lambda: accelerated.health(group) == ["HEALTHY"], "a healthy endpoint")
    target.do("health 503")
    until(lambda: accelerated.health(group) == ["UNHEALTHY"], "an ill endpoint")

    route53 = kunren.client("route53", account)
    zone = route53.create_hosted_zone(Name="accelerated.test", CallerReference="1")["HostedZone"]["Id"]
    alias = {"HostedZoneId": "Z2BJ6XQ5FK7U4H", "DNSName": accelerated.name, "EvaluateTargetHealth": True}
    record = {"Name": "accelerated.test", "Type": "A", "AliasTarget": alias}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    )
    shell = running.shell(kunren, "--from", "tokyo")
    until(lambda: shell.dig("accelerated.test") == sorted(accelerated.addresses), "the alias")
    client = site.client("tokyo")
    assert client.get("http://accelerated.test/")["status"] == 200, "all are ill: it fails open"


def test_the_api_refuses_what_aws_refuses_and_deletes_in_order(kunren, account, accelerated):
    api = accelerated.api

    def refused(call, **given):
        with pytest.raises(ClientError) as caught:
            call(**given)
        return caught.value.response["Error"]["Code"]

    shown = api.describe_accelerator(AcceleratorArn=accelerated.arn)["Accelerator"]
    assert shown["DnsName"].startswith("a")
    assert shown["DnsName"].endswith(".awsglobalaccelerator.com")
    assert (shown["IpAddressType"], shown["Enabled"], len(set(accelerated.addresses))) == ("IPV4", True, 2)
    again = api.create_accelerator(Name="front", IdempotencyToken="one")["Accelerator"]
    assert again["AcceleratorArn"] == accelerated.arn
    assert refused(api.create_accelerator, Name="-x", IdempotencyToken="2") == "InvalidArgumentException"
    listener = accelerated.listen((80, 90))
    given = {"AcceleratorArn": accelerated.arn, "Protocol": "TCP", "IdempotencyToken": "3"}
    overlapping = [{"FromPort": 90, "ToPort": 91}]
    assert refused(api.create_listener, PortRanges=overlapping, **given) == "InvalidPortRangeException"
    backwards = [{"FromPort": 200, "ToPort": 199}]
    assert refused(api.create_listener, PortRanges=backwards, **given) == "InvalidPortRangeException"
    group = accelerated.group(listener, "us-east-1")
    shown = api.describe_endpoint_group(EndpointGroupArn=group)["EndpointGroup"]
    assert shown == {
        "EndpointGroupArn": group, "EndpointGroupRegion": "us-east-1", "EndpointDescriptions": [],
        "TrafficDialPercentage": 100.0, "HealthCheckPort": 80, "HealthCheckProtocol": "TCP",
        "HealthCheckIntervalSeconds": 30, "ThresholdCount": 3, "PortOverrides": [],
    }  # fmt: skip
    given = {"ListenerArn": listener, "EndpointGroupRegion": "us-east-1", "IdempotencyToken": "4"}
    assert refused(api.create_endpoint_group, **given) == "EndpointGroupAlreadyExistsException"
    with pytest.raises(ClientError, match="is not a valid load balancer ARN"):
        arn = f"arn:aws:elasticloadbalancing:eu-west-1:{account}:loadbalancer/app/x/0123456789abcdef"
        api.add_endpoints(EndpointGroupArn=group, EndpointConfigurations=[{"EndpointId": arn}])
    assert refused(api.delete_listener, ListenerArn=listener) == "AssociatedEndpointGroupFoundException"
    assert refused(api.delete_accelerator, AcceleratorArn=accelerated.arn) == "AcceleratorNotDisabledException"
    api.update_accelerator(AcceleratorArn=accelerated.arn, Enabled=False)
    assert refused(api.delete_accelerator, AcceleratorArn=accelerated.arn) == "AssociatedListenerFoundException"
    api.tag_resource(ResourceArn=accelerated.arn, Tags=[{"Key": "team", "Value": "edge"}])
    assert api.list_tags_for_resource(ResourceArn=accelerated.arn)["Tags"] == [{"Key": "team", "Value": "edge"}]
    api.untag_resource(ResourceArn=accelerated.arn, TagKeys=["team"])
    assert api.list_tags_for_resource(ResourceArn=accelerated.arn)["Tags"] == []
    pages = api.get_paginator("list_listeners").paginate(
        AcceleratorArn=accelerated.arn, PaginationConfig={"PageSize": 1}
    )
    assert [each["ListenerArn"] for each in pages.search("Listeners")] == [listener]
    api.delete_endpoint_group(EndpointGroupArn=group)
    api.delete_listener(ListenerArn=listener)
    api.delete_accelerator(AcceleratorArn=accelerated.arn)
    assert refused(api.describe_accelerator, AcceleratorArn=accelerated.arn) == "AcceleratorNotFoundException"
    elsewhere = kunren.client("globalaccelerator", account, "us-east-1")
    with pytest.raises(ClientError, match="us-west-2 only"):
        elsewhere.list_accelerators()


def test_a_killed_kunren_comes_back_with_the_same_addresses(own_kunren, until, accelerator):
    own_kunren.up("--speed", "20")
    balancer = answering(lambda service, region: own_kunren.client(service, region=region), "us-east-1", "here")
    accelerated = accelerator(own_kunren, "000000000000")
    accelerated.group(accelerated.listen((80, 80)), "us-east-1", balancer)
    accelerated.deployed()

    def answer():
        return own_kunren.exec(
            "curl", "-s", "-m", "2", f"http://{accelerated.addresses[1]}/", place="tokyo", check=False
        ).stdout

    until(lambda: answer() == "here", "an answer")
    os.kill(own_kunren.pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{own_kunren.pid}").exists(), "the daemon's end")
    own_kunren.up("--speed", "20")
    accelerated.api = own_kunren.client("globalaccelerator", region="us-west-2")
    accelerated.deployed()
    until(lambda: answer() == "here", "the same answer at the same address")


def test_flow_logs_are_files_in_s3_with_a_record_for_each_flow_and_direction(own_kunren, until, accelerator):
    own_kunren.up("--speed", "100")  # five minutes take three seconds
    balancer = answering(lambda service, region: own_kunren.client(service, region=region), "us-east-1", "here")
    accelerated = accelerator(own_kunren, "000000000000")
    made = accelerated.group(accelerated.listen((80, 80)), "us-east-1", balancer)
    api, s3 = accelerated.api, own_kunren.client("s3")
    s3.create_bucket(Bucket="flows")
    with pytest.raises(ClientError, match="are required for flow logs"):
        api.update_accelerator_attributes(
            AcceleratorArn=accelerated.arn, FlowLogsEnabled=True, FlowLogsS3Bucket="flows"
        )
    wanted = {"FlowLogsEnabled": True, "FlowLogsS3Bucket": "flows", "FlowLogsS3Prefix": "prefix1"}
    api.update_accelerator_attributes(AcceleratorArn=accelerated.arn, **wanted)
    shown = api.describe_accelerator_attributes(AcceleratorArn=accelerated.arn)["AcceleratorAttributes"]
    assert shown == wanted
    until(lambda: accelerated.health(made) == ["HEALTHY"], "a healthy endpoint")
    accelerated.deployed()
    first = accelerated.addresses[0]
    vpc = own_kunren.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]

    def asked(preserved):
        endpoint = {"EndpointId": balancer, "ClientIPPreservationEnabled": preserved}
        api.update_endpoint_group(EndpointGroupArn=made, EndpointConfigurations=[endpoint])
        accelerated.deployed()
        command = ("curl", "-s", "-m", "2", "--local-port", f"{40001 + preserved}", f"http://{first}/")
        until(lambda: own_kunren.exec(*command, check=False, place="tokyo").stdout == "here", "an answer")

    def records():
        listed = s3.list_objects_v2(Bucket="flows").get("Contents", ())
        texts = [gzip.decompress(s3.get_object(Bucket="flows", Key=each["Key"])["Body"].read()) for each in listed]
        lines = [line.split() for text in texts for line in text.decode().splitlines()]
        return {(words[4], words[21]): words for words in lines if words[0] != "version"}

    for preserved in (True, False):
        asked(preserved)
        both = {(str(40001 + preserved), way) for way in ("INGRESS", "EGRESS")}
        until(lambda both=both: records().keys() >= both, "records of the flow, both ways")
    key = s3.list_objects_v2(Bucket="flows")["Contents"][0]["Key"]
    identity = accelerated.arn.rpartition("/")[2]
    assert re.fullmatch(
        rf"prefix1/AWSLogs/000000000000/globalaccelerator/us-west-2/\d{{4}}/\d\d/\d\d/"
        rf"000000000000_globalaccelerator_{identity}_\d{{8}}T\d{{4}}Z_[0-9a-f]+\.log\.gz",
        key,
    )
    found = records()
    seen = found["40002", "INGRESS"]
    assert seen[:3] == ["2.0", "000000000000", identity]
    assert seen[4:7] == ["40002", first, "80"]
    assert seen[7].startswith("172.31."), "the private address"
    assert seen[8:11] == ["80", "TCP", "IPV4"]
    assert int(seen[11]) >= 4
    assert int(seen[12]) > 160
    assert seen[15:] == ["ACCEPT", "OK", "-", "0", "us-east-1", "NRT57-2", "INGRESS", vpc, "-"]
    hidden = found["40001", "EGRESS"]
    assert (hidden[0], hidden[7][:7], hidden[22]) == ("1.0", "198.19.", "-")
    assert hidden[17].startswith("198.18."), "the edge's address"
