"""A service whose new version answers its health checks, and every user with an error; an alarm watches for that."""

from typing import Any

import boto3

from kunren.drills.shipped.ecs_site import EcsSite
from kunren.drills.shipped.parts import main

SITE = EcsSite("drill-canary")
ALARM = "drill-canary-errors"


def deploy(strategy: str = "CANARY", alarms: str = "on") -> dict[str, Any]:
    watched = alarms == "on"
    told: dict[str, Any] = {
        "strategy": strategy, "bakeTimeInMinutes": 5,
        "alarms": {"alarmNames": [ALARM], "enable": watched, "rollback": watched},
    }  # fmt: skip
    if strategy == "CANARY":
        told["canaryConfiguration"] = {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 5}
    made = SITE.create(2, 10, shifts=True, deploymentConfiguration=told, bad={"BROKEN": "1"})
    boto3.client("cloudwatch", region_name=SITE.site.region).put_metric_alarm(
        AlarmName=ALARM, Namespace="AWS/ApplicationELB", MetricName="HTTPCode_Target_5XX_Count",
        Dimensions=[{"Name": "LoadBalancer", "Value": made["balancer"]}], Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=0, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
    )  # fmt: skip
    return made


def remove() -> None:
    cloudwatch = boto3.client("cloudwatch", region_name=SITE.site.region)
    if cloudwatch.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]:
        cloudwatch.delete_alarms(AlarmNames=[ALARM])
    SITE.remove()


if __name__ == "__main__":
    main(deploy, remove)
