"""The AWS CLI builds a network as its users do, and waits until it is there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CLI = Path(__file__).parent / "programs" / "aws_commands.py"


@pytest.fixture
def ec2(kunren, account):
    """What `aws ec2` answers to these arguments; `--query` makes it one string."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{kunren.port}",
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [sys.executable, str(CLI)]
    with subprocess.Popen(command, env=environment, text=True, stdin=-1, stdout=-1) as cli:

        def ask(*command):
            print(json.dumps(["ec2", "--output", "json", *command]), file=cli.stdin, flush=True)
            code, out, err = json.loads(cli.stdout.readline())
            assert code == 0, f"aws ec2 {' '.join(command)}: {err}"
            return json.loads(out) if out.strip() else None

        yield ask


def test_a_network_is_built_and_taken_down_with_the_cli(ec2):
    vpc = ec2("create-vpc", "--cidr-block", "10.0.0.0/16", "--query", "Vpc.VpcId")
    ec2("wait", "vpc-available", "--vpc-ids", vpc)
    named = "ResourceType=subnet,Tags=[{Key=Name,Value=public}]"
    subnet = ec2(
        "create-subnet", "--vpc-id", vpc, "--cidr-block", "10.0.1.0/24", "--tag-specifications", named,
        "--query", "Subnet.SubnetId",
    )  # fmt: skip
    ec2("wait", "subnet-available", "--filters", "Name=tag:Name,Values=public")
    gateway = ec2("create-internet-gateway", "--query", "InternetGateway.InternetGatewayId")
    ec2("attach-internet-gateway", "--internet-gateway-id", gateway, "--vpc-id", vpc)
    addresses = [ec2("allocate-address", "--query", "AllocationId") for _ in range(2)]
    nat = ec2(
        "create-nat-gateway", "--subnet-id", subnet, "--allocation-id", addresses[0],
        "--secondary-allocation-ids", addresses[1], "--query", "NatGateway.NatGatewayId",
    )  # fmt: skip
    ec2("wait", "nat-gateway-available", "--nat-gateway-ids", nat)
    shown = ec2("describe-nat-gateways", "--filter", f"Name=vpc-id,Values={vpc}", "--query", "NatGateways[0]")
    assert [each["IsPrimary"] for each in shown["NatGatewayAddresses"]] == [True, False]
    interface = ec2(
        "create-network-interface", "--subnet-id", subnet, "--secondary-private-ip-address-count", "2",
        "--query", "NetworkInterface.NetworkInterfaceId",
    )  # fmt: skip
    ec2("wait", "network-interface-available", "--network-interface-ids", interface)
    peer = ec2("create-vpc", "--cidr-block", "10.1.0.0/16", "--query", "Vpc.VpcId")
    peering = ec2(
        "create-vpc-peering-connection", "--vpc-id", vpc, "--peer-vpc-id", peer,
        "--query", "VpcPeeringConnection.VpcPeeringConnectionId",
    )  # fmt: skip
    ec2("wait", "vpc-peering-connection-exists", "--vpc-peering-connection-ids", peering)

    ec2("delete-network-interface", "--network-interface-id", interface)
    ec2("delete-nat-gateway", "--nat-gateway-id", nat)
    ec2("wait", "nat-gateway-deleted", "--nat-gateway-ids", nat)
    for each in addresses:
        ec2("release-address", "--allocation-id", each)
    ec2("delete-vpc-peering-connection", "--vpc-peering-connection-id", peering)
    ec2("wait", "vpc-peering-connection-deleted", "--vpc-peering-connection-ids", peering)
    ec2("detach-internet-gateway", "--internet-gateway-id", gateway, "--vpc-id", vpc)
    ec2("delete-internet-gateway", "--internet-gateway-id", gateway)
    ec2("delete-subnet", "--subnet-id", subnet)
    for each in (vpc, peer):
        ec2("delete-vpc", "--vpc-id", each)
    assert ec2("describe-vpcs", "--query", "Vpcs[].IsDefault") == [True]
