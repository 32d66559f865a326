"""One load balancer over two Availability Zones, with a target in each."""

import json
from typing import Any

import boto3

from kunren.drills.shipped.parts import Site, main

NAME = "drill-az"
SITE = Site(NAME)


def deploy(zones: str = "2") -> dict[str, Any]:
    made = SITE.create(zones=int(zones))
    SITE.wait()
    trust = {"Effect": "Allow", "Principal": {"Service": "fis.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = boto3.client("iam").create_role(RoleName=NAME, AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    return {
        "role": role,
        **{key: made[key] for key in ("name", "group", "security_group")},
        "zone": made["zones"][0],
        "subnet_a": made["subnets"][0],
        "subnet_b": made["subnets"][1],
        "address_a": made["addresses"][0],
        "address_b": made["addresses"][1],
    }


def remove() -> None:
    SITE.remove()
    iam = boto3.client("iam")
    try:
        iam.delete_role(RoleName=NAME)
    except iam.exceptions.NoSuchEntityException:
        pass


if __name__ == "__main__":
    main(deploy, remove)
