"""`python ministack_balancer.py PORT ADDRESS PORT`: a load balancer in ministack for that target; prints its name."""

from __future__ import annotations

import sys

import boto3


def main(api_port: int, address: str, port: int) -> str:
    settings = {
        "region_name": "us-east-1",
        "endpoint_url": f"http://127.0.0.1:{api_port}",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    elb, ec2 = boto3.client("elbv2", **settings), boto3.client("ec2", **settings)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
    balancer = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]
    group = elb.create_target_group(Name="backend", Protocol="HTTP", Port=port, VpcId=vpc, TargetType="ip")
    group_arn = group["TargetGroups"][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=group_arn, Targets=[{"Id": address, "Port": port}])
    forward = [{"Type": "forward", "TargetGroupArn": group_arn}]
    elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=forward)
    return "web"


if __name__ == "__main__":
    print(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
