"""What experiments can do: the actions that run here, their parameters and targets, and the types of resources.

Pure data and checks of single values. `ABSENT` are the actions that AWS has besides: what they act on does not exist
here yet. "AWS FIS Actions reference".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kunren.services.fis import durations

_LONGEST_S = 12 * 3600
Check = Callable[[str], str | None]
"""None for a good value, else what it should be."""


@dataclass(frozen=True, slots=True)
class Parameter:
    description: str
    required: bool = False
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """`targets` are the types of its targets, by what a template calls them."""

    id: str
    description: str
    parameters: Mapping[str, Parameter]
    targets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResourceType:
    id: str
    description: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    by_arn: bool = True
    by_tag: bool = True


def _duration(text: str) -> str | None:
    found = durations.seconds(text)
    return None if found is not None and 60 <= found <= _LONGEST_S else "a duration from PT1M to PT12H"


def _before_interruption(text: str) -> str | None:
    found = durations.seconds(text)
    return None if found is not None and 120 <= found <= 900 else "a duration from PT2M to PT15M"


def _one_of(*values: str) -> Check:
    return lambda text: None if text in values else f"one of {', '.join(values)}"


def _whole(low: int, high: int) -> Check:
    return lambda text: None if text.isdecimal() and low <= int(text) <= high else f"a number from {low} to {high}"


def _among(*values: str) -> Check:
    return lambda text: None if text and set(_parts(text)) <= set(values) else f"a list of {', '.join(values)}"


def _parts(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


SCOPES = ("all", "availability-zone", "dynamodb", "prefix-list", "s3", "vpc")
BALANCERS = ("ALB", "NLB")
_DURATION = Parameter("How long the action lasts, from one minute to 12 hours, in ISO 8601.", True, _duration)
_SUBNETS = {"Subnets": "aws:ec2:subnet"}
_API_ERROR = {
    "duration": _DURATION,
    "service": Parameter("The API's namespace (ec2, kinesis; here also any other that answers).", True),
    "operations": Parameter("The operations that fail, separated by commas.", True),
    "percentage": Parameter("The share of calls that fail, in percent.", True, _whole(1, 100)),
}
_INSTANCES = {"Instances": "aws:ec2:instance"}
_ROLES = {"Roles": "aws:iam:role"}
_FUNCTIONS = {"Functions": "aws:lambda:function"}
_SHARE = Parameter("The share of invocations that are changed, in percent (100).", False, _whole(0, 100))
_PREVENT = Parameter("Whether the function does not run at all.", True, _one_of("true", "false"))

ACTIONS: Mapping[str, Action] = {
    each.id: each
    for each in (
        Action(
            "aws:arc:start-zonal-autoshift",
            "Shift traffic of load balancers away from an Availability Zone.",
            {
                "duration": _DURATION,
                "availabilityZoneIdentifier": Parameter("The zone, by name or id.", True),
                "managedResourceTypes": Parameter("Types of resources: ALB, NLB.", True, _among(*BALANCERS)),
                "zonalAutoshiftStatus": Parameter(
                    "Which resources by their zonal autoshift.", False, _one_of("ENABLED", "DISABLED", "ANY")
                ),
            },
            {"ManagedResources": "aws:arc:zonal-shift-managed-resource"},
        ),
        Action(
            "aws:cloudwatch:assert-alarm-state",
            "Assert that the given CloudWatch alarms are in the expected state.",
            {
                "alarmArns": Parameter("The ARNs of up to 5 alarms, separated by commas.", True),
                "alarmStates": Parameter(
                    "Expected states, separated by commas.", True, _among("OK", "ALARM", "INSUFFICIENT_DATA")
                ),
            },
        ),
        Action("aws:ec2:reboot-instances", "Reboot the specified EC2 instances.", {}, _INSTANCES),
        Action(
            "aws:ec2:send-spot-instance-interruptions",
            "Send a Spot Instance interruption notice to the specified Spot Instances.",
            {
                "durationBeforeInterruption": Parameter(
                    "How long before the interruption, from two to 15 minutes.", True, _before_interruption
                )
            },
            {"SpotInstances": "aws:ec2:spot-instance"},
        ),
        Action(
            "aws:ec2:stop-instances",
            "Stop the specified EC2 instances.",
            {
                "startInstancesAfterDuration": Parameter("When the instances are started again.", False, _duration),
                "completeIfInstancesTerminated": Parameter(
                    "Whether the action completes where instances are gone by then.", False, _one_of("true", "false")
                ),
            },
            _INSTANCES,
        ),
        Action("aws:ec2:terminate-instances", "Terminate the specified EC2 instances.", {}, _INSTANCES),
        Action("aws:ecs:stop-task", "Stop the specified ECS tasks.", {}, {"Tasks": "aws:ecs:task"}),
        Action("aws:fis:inject-api-internal-error", "Cause internal errors in an API.", _API_ERROR, _ROLES),
        Action("aws:fis:inject-api-throttle-error", "Throttle calls of an API.", _API_ERROR, _ROLES),
        Action("aws:fis:inject-api-unavailable-error", "Make an API unavailable.", _API_ERROR, _ROLES),
        Action("aws:fis:wait", "Wait for a duration.", {"duration": _DURATION}),
        Action(
            "aws:lambda:invocation-add-delay",
            "Delay the start of invocations.",
            {
                "duration": _DURATION,
                "invocationPercentage": _SHARE,
                "startupDelayMilliseconds": Parameter("The delay (2000).", False, _whole(1, 900_000)),
            },
            _FUNCTIONS,
        ),
        Action(
            "aws:lambda:invocation-error",
            "Mark invocations as failed.",
            {"duration": _DURATION, "invocationPercentage": _SHARE, "preventExecution": _PREVENT},
            _FUNCTIONS,
        ),
        Action(
            "aws:lambda:invocation-http-integration-response",
            "Change the response of functions that answer over HTTP.",
            {
                "duration": _DURATION,
                "invocationPercentage": _SHARE,
                "preventExecution": _PREVENT,
                "contentTypeHeader": Parameter("The response's Content-Type.", True),
                "statusCode": Parameter("The response's status code.", True, _whole(100, 599)),
            },
            _FUNCTIONS,
        ),
        Action(
            "aws:network:disrupt-connectivity",
            "Deny the specified traffic to the target subnets.",
            {
                "duration": _DURATION,
                "scope": Parameter(f"Which traffic: {', '.join(SCOPES)}.", True, _one_of(*SCOPES)),
                "prefixListIdentifier": Parameter("The id or ARN of a prefix list, where the scope is prefix-list."),
            },
            _SUBNETS,
        ),
        Action(
            "aws:network:disrupt-vpc-endpoint",
            "Block traffic to and from interface VPC endpoints.",
            {"duration": _DURATION},
            {"VPCEndpoints": "aws:ec2:vpc-endpoint"},
        ),
        Action(
            "aws:network:route-table-disrupt-cross-region-connectivity",
            "Block traffic that leaves the target subnets for another Region.",
            {"duration": _DURATION, "region": Parameter("The code of the Region to isolate.", True)},
            _SUBNETS,
        ),
        Action(
            "aws:s3:bucket-pause-replication",
            "Pause replication from the target buckets.",
            {
                "duration": _DURATION,
                "region": Parameter("The code of the Region that destination buckets are in.", True),
                "destinationBuckets": Parameter("Names of destination buckets, separated by commas (all)."),
                "prefixes": Parameter("Prefixes of the filters of rules that are paused, separated by commas (all)."),
            },
            {"Buckets": "aws:s3:bucket"},
        ),
    )
}

_ZONE = Parameter("The Availability Zone that resources are in, by name or id.")
RESOURCE_TYPES: Mapping[str, ResourceType] = {
    each.id: each
    for each in (
        ResourceType("aws:arc:zonal-shift-managed-resource", "A resource that ARC zonal shift manages", {}),
        ResourceType("aws:ec2:instance", "An EC2 instance"),
        ResourceType("aws:ec2:spot-instance", "A Spot Instance"),
        ResourceType("aws:ec2:subnet", "A VPC subnet", {"availabilityZoneIdentifier": _ZONE,
                                                        "vpc": Parameter("The VPC that subnets are of.")}),
        ResourceType("aws:ec2:vpc-endpoint", "A VPC endpoint"),
        ResourceType("aws:ecs:task", "An ECS task", {"cluster": Parameter("The cluster that tasks are in."),
                                                     "service": Parameter("The service that tasks are of.")}),
        ResourceType("aws:iam:role", "An IAM role", by_tag=False),
        ResourceType("aws:lambda:function", "A Lambda function",
                     {"functionQualifier": Parameter("The version or alias whose invocations are changed.")}),
        ResourceType("aws:s3:bucket", "An S3 bucket", by_arn=False),
    )
}  # fmt: skip

_ABSENT = {
    "directconnect": "virtual-interface-disconnect",
    "dsql": "cluster-connection-failure",
    "dynamodb": "global-table-pause-replication",
    "ebs": "pause-volume-io volume-io-latency",
    "ec2": "api-insufficient-instance-capacity-error asg-insufficient-instance-capacity-error",
    "ecs": (
        "drain-container-instances task-cpu-stress task-io-stress task-kill-process "
        "task-network-blackhole-port task-network-latency task-network-packet-loss"
    ),
    "eks": (
        "inject-kubernetes-custom-resource pod-cpu-stress pod-delete pod-io-stress pod-memory-stress "
        "pod-network-blackhole-port pod-network-latency pod-network-packet-loss "
        "terminate-nodegroup-instances"
    ),
    "elasticache": "interrupt-cluster-az-power replicationgroup-interrupt-az-power",
    "kinesis": "stream-expired-iterator-exception stream-provisioned-throughput-exception",
    "memorydb": "multi-region-cluster-pause-replication",
    "network": "transit-gateway-disrupt-cross-region-connectivity",
    "rds": "failover-db-cluster reboot-db-instances",
    "ssm": "send-command start-automation-execution",
}
ABSENT = frozenset(f"aws:{service}:{each}" for service, named in _ABSENT.items() for each in named.split())


def wrong_value(parameter: Parameter, text: str) -> str | None:
    """What a parameter's value should be, where it is not."""
    return parameter.check(text) if parameter.check is not None else None


def listed(text: str) -> list[str]:
    """The parts of a comma-separated value."""
    return _parts(text)
