"""An Auto Scaling group of two instances behind a load balancer, and a second version of its launch template.

What they serve takes two seconds to start, as applications do.
"""

from __future__ import annotations

import base64
import time
from typing import Any

import boto3

from kunren.drills.shipped.parts import REGIONS, Site, main

NAME = "drill-refresh"
SITE = Site(NAME)
SERVER = """#!/bin/sh
cat > /var/web.py <<'END'
import http.server, socketserver, sys, time

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.5 if self.path == "/" else 0)
        body = sys.argv[1].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    request_queue_size = 256

Server(("", 80), Answers).serve_forever()
END
(sleep 2; python3 /var/web.py VERSION) > /dev/null 2>&1 &
"""
SETTLED_S = 120


def deploy(delay: str = "60", minimum: str = "100", maximum: str = "150", warmup: str = "60") -> dict[str, Any]:
    ec2, scaling = boto3.client("ec2", region_name=REGIONS[0]), boto3.client("autoscaling", region_name=REGIONS[0])
    made = SITE.create(zones=0, delay_s=int(delay), TargetType="instance")
    images = ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])["Images"]
    kind = "t3.micro" if images[0]["Architecture"] == "x86_64" else "t4g.micro"
    data = {"ImageId": images[0]["ImageId"], "InstanceType": kind, "SecurityGroupIds": [made["security_group"]]}
    ec2.create_launch_template(LaunchTemplateName=NAME, LaunchTemplateData={**data, "UserData": _user_data("1")})
    ec2.create_launch_template_version(
        LaunchTemplateName=NAME, LaunchTemplateData={**data, "UserData": _user_data("2")}
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=NAME, MinSize=2, MaxSize=4, DesiredCapacity=2, HealthCheckType="ELB",
        HealthCheckGracePeriod=120, VPCZoneIdentifier=",".join(made["subnets"]), TargetGroupARNs=[made["group"]],
        LaunchTemplate={"LaunchTemplateName": NAME, "Version": "1"},
    )  # fmt: skip
    SITE.wait()
    _wait(lambda: _healthy(made["group"]) == 2)
    preferences = {
        "MinHealthyPercentage": int(minimum), "MaxHealthyPercentage": int(maximum), "InstanceWarmup": int(warmup),
    }  # fmt: skip
    return {**{key: made[key] for key in ("name", "group")}, "asg": NAME, "template": NAME, "preferences": preferences}


def remove() -> None:
    ec2, scaling = boto3.client("ec2", region_name=REGIONS[0]), boto3.client("autoscaling", region_name=REGIONS[0])
    named = {"AutoScalingGroupNames": [NAME]}
    if scaling.describe_auto_scaling_groups(**named)["AutoScalingGroups"]:
        scaling.delete_auto_scaling_group(AutoScalingGroupName=NAME, ForceDelete=True)
        _wait(lambda: not scaling.describe_auto_scaling_groups(**named)["AutoScalingGroups"])
    for each in ec2.describe_launch_templates()["LaunchTemplates"]:
        if each["LaunchTemplateName"] == NAME:
            ec2.delete_launch_template(LaunchTemplateName=NAME)
    SITE.remove()


def _user_data(version: str) -> str:
    return base64.b64encode(SERVER.replace("VERSION", version).encode()).decode()


def _healthy(group: str) -> int:
    shown = SITE.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    return sum(each["TargetHealth"]["State"] == "healthy" for each in shown)


def _wait(condition: Any) -> None:
    deadline = time.monotonic() + SETTLED_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the Auto Scaling group did not settle")
        time.sleep(0.1)


if __name__ == "__main__":
    main(deploy, remove)
