"""Functions as the API shows them. Pure: resource and observed status in, members of the answer out."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from kunren.services.lambda_.model import Alias, Configured, FunctionStatus, ImageReference

_NOT_LISTED = (
    "State",
    "StateReason",
    "StateReasonCode",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
)


def state(function: Configured, status: FunctionStatus | None) -> str:
    """Pending until the runtime has deployed it for the first time; then Active, or Failed."""
    if function.deployed_update_id:
        return "Active"
    if status is not None and status.update_id == function.update_id and status.reason_code:
        return "Failed"
    return "Pending"


def update_status(function: Configured, status: FunctionStatus | None) -> str:
    """Of the last update: InProgress until the runtime has it."""
    if status is not None and status.update_id == function.update_id and status.reason_code:
        return "Failed"
    return "Successful" if function.deployed_update_id == function.update_id else "InProgress"


def configuration(function: Configured, status: FunctionStatus | None, *, qualifier: str = "") -> dict[str, Any]:
    """A FunctionConfiguration. `qualifier`: what the ARN carries, the version or alias that was asked for."""
    shown = _settings(function)
    if qualifier:
        shown["FunctionArn"] += f":{qualifier}"
    shown["State"] = state(function, status)
    if shown["State"] == "Pending":
        shown["StateReason"] = "The function is being created."
        shown["StateReasonCode"] = "Creating"
    elif shown["State"] == "Failed" and status is not None:
        shown["StateReason"] = status.reason
        shown["StateReasonCode"] = status.reason_code
    if shown["State"] == "Active":
        shown["LastUpdateStatus"] = update_status(function, status)
        if shown["LastUpdateStatus"] == "InProgress":
            shown["LastUpdateStatusReason"] = "The function is being created."
            shown["LastUpdateStatusReasonCode"] = "Creating"
        elif shown["LastUpdateStatus"] == "Failed" and status is not None:
            shown["LastUpdateStatusReason"] = status.reason
            shown["LastUpdateStatusReasonCode"] = status.reason_code
    return shown


def listed(shown: dict[str, Any]) -> dict[str, Any]:
    """Lists leave states out (API reference, ListFunctions)."""
    return {member: value for member, value in shown.items() if member not in _NOT_LISTED}


def _settings(function: Configured) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "Runtime": function.runtime,
        "Role": function.role,
        "Handler": function.handler,
        "CodeSize": function.code.size,
        "Description": function.description,
        "Timeout": function.timeout,
        "MemorySize": function.memory_size,
        "LastModified": timestamp(function.last_modified),
        "CodeSha256": code_sha256(function),
        "Version": function.version,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": function.revision_id,
        "PackageType": "Zip",
        "Architectures": [function.architecture],
        "EphemeralStorage": {"Size": function.ephemeral_storage},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": function.log_group},
    }
    if function.image is not None:
        del shown["Runtime"], shown["Handler"]
        shown["PackageType"] = "Image"
        if config := image_config(function.image):
            shown["ImageConfigResponse"] = {"ImageConfig": config}
    if function.capacity is not None:
        shown["CapacityProviderConfig"] = {
            "LambdaManagedInstancesCapacityProviderConfig": {
                "CapacityProviderArn": function.capacity.provider,
                "PerExecutionEnvironmentMaxConcurrency": function.capacity.concurrency,
                "ExecutionEnvironmentMemoryGiBPerVCpu": function.capacity.gib_per_vcpu,
            }
        }
    elif function.vpc is not None:
        shown["VpcConfig"] = {
            "SubnetIds": list(function.vpc.subnets),
            "SecurityGroupIds": list(function.vpc.groups),
            "VpcId": function.vpc.vpc_id,
            "Ipv6AllowedForDualStack": function.vpc.ipv6,
        }
    if function.layers:
        shown["Layers"] = [{"Arn": each.arn, "CodeSize": each.code.size} for each in function.layers]
    if function.durability is not None:
        shown["DurableConfig"] = {
            "RetentionPeriodInDays": function.durability.retention_days,
            "ExecutionTimeout": function.durability.timeout_s,
            "KMSKeyArn": function.durability.kms_key_arn or None,
        }
    if function.dead_letter_arn:
        shown["DeadLetterConfig"] = {"TargetArn": function.dead_letter_arn}
    if function.kms_key_arn:
        shown["KMSKeyArn"] = function.kms_key_arn
    if function.environment is not None:
        shown["Environment"] = {"Variables": function.environment}
    return shown


def code_sha256(function: Configured) -> str:
    """Of the package in base64, of an image in hexadecimal."""
    sha256 = function.code.sha256
    return sha256 if function.image is not None else base64.b64encode(bytes.fromhex(sha256)).decode()


def image_config(image: ImageReference) -> dict[str, Any]:
    """What an image function's own settings are, as an ImageConfig."""
    told = {
        "EntryPoint": None if image.entry_point is None else list(image.entry_point),
        "Command": None if image.command is None else list(image.command),
        "WorkingDirectory": image.working_directory,
    }
    return {member: value for member, value in told.items() if value is not None}


def image_location(image: ImageReference) -> dict[str, Any]:
    """An image as a FunctionCodeLocation."""
    host, _, name = image.uri.partition("@")[0].rpartition("/")
    resolved = f"{host}/{name.partition(':')[0]}@sha256:{image.digest}"
    return {"RepositoryType": "ECR", "ImageUri": image.uri, "ResolvedImageUri": resolved}


def alias_shown(alias: Alias) -> dict[str, Any]:
    """An AliasConfiguration."""
    shown: dict[str, Any] = {
        "AliasArn": alias.arn,
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        shown["RoutingConfig"] = {"AdditionalVersionWeights": alias.weights}
    return shown


def timestamp(seconds: float) -> str:
    """Lambda's own form of time, 2026-01-02T03:04:05.678+0000."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"
