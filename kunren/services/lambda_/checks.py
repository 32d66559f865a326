"""What AWS refuses in a function's configuration, and what Kunren cannot do yet and says so. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kunren.core.errors import WireError
from kunren.dataplane.runtime.environ import RESERVED
from kunren.services.lambda_.destinations import DEAD_LETTER_SERVICES, check_target
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.model import Durability
from kunren.services.lambda_.names import NAME_MAX

TIMEOUT_MAX_S = 900
MEMORY_MAX_MB = 10_240
MANAGED_MEMORY_MAX_MB = 32_768
STORAGE_MAX_MB = 10_240
ENVIRONMENT_BYTES_MAX = 4096
TAGS_MAX = 50
_RETIRED = re.compile(
    r"nodejs|nodejs(4\.3|4\.3-edge|6\.10|8\.10|10\.x|12\.x|14\.x)|python(2\.7|3\.6|3\.7)|dotnetcore.*|go1\.x|ruby2\.5|java8"
)
_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")


def check_configuration(params: Mapping[str, Any], *, managed: bool = False) -> None:
    """All members that CreateFunction and UpdateFunctionConfiguration share; absent ones are not looked at. `managed`:
    the function runs on managed instances.
    Raises InvalidParameterValueException and ValidationException."""
    _at_most(params, "Timeout", "timeout", TIMEOUT_MAX_S)
    _at_most(params, "MemorySize", "memorySize", MEMORY_MAX_MB if not managed else MANAGED_MEMORY_MAX_MB)
    storage = params.get("EphemeralStorage")
    if storage is not None:
        _at_most(storage, "Size", "ephemeralStorage.size", STORAGE_MAX_MB)
    environment = params.get("Environment")
    if environment is not None:
        check_environment(environment.get("Variables") or {})
    check_target(
        (params.get("DeadLetterConfig") or {}).get("TargetArn") or "", DEAD_LETTER_SERVICES, "dead letter target"
    )
    if "Role" in params:
        check_role(params["Role"])
    runtime = params.get("Runtime")
    if runtime is not None and _RETIRED.fullmatch(runtime):
        raise InvalidParameterValueException(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."
        )
    refuse_missing_features(params)


def check_name(name: str) -> None:
    """A function's own name is at most 64 characters, however it was given."""
    if len(name) > NAME_MAX:
        raise _constraint(name, "functionName", f"Member must have length less than or equal to {NAME_MAX}")


def check_environment(variables: Mapping[str, str]) -> None:
    """Raises InvalidParameterValueException for reserved names, bad names, and more than 4 KB."""
    reserved = [name for name in variables if name in RESERVED]
    if reserved:
        raise InvalidParameterValueException(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
            f"this request: {', '.join(reserved)}"
        )
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            raise _constraint(
                "[" + ", ".join(variables) + "]",
                "environment.variables",
                "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: "
                "[a-zA-Z]([a-zA-Z0-9_])+]",
            )
    measured = json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > ENVIRONMENT_BYTES_MAX:
        raise InvalidParameterValueException(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {measured}"
        )


def check_role(role: str) -> None:
    """The form of the ARN only; whether the role exists is IAM's to know."""
    if not re.fullmatch(r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+", role):
        raise _constraint(
            role,
            "role",
            r"Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?"
            r"[a-zA-Z_0-9+=,.@\-_/]+",
        )


def check_package_members(params: Mapping[str, Any]) -> None:
    """CreateFunction's rules between PackageType, Runtime and Handler."""
    if params.get("PackageType", "Zip") == "Image":
        check_image_members(params)
        if not (params.get("Code") or {}).get("ImageUri"):
            raise InvalidParameterValueException("Please provide a source for function code.")
        return
    if (params.get("Code") or {}).get("ImageUri") or params.get("ImageConfig"):
        raise InvalidParameterValueException("Please don't provide ImageUri or ImageConfig with PackageType Zip.")
    if not params.get("Runtime") or not params.get("Handler"):
        raise InvalidParameterValueException(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )


def check_image_members(params: Mapping[str, Any]) -> None:
    """What a function that is an image has no use for."""
    if params.get("Runtime") or params.get("Handler") or params.get("Layers"):
        raise InvalidParameterValueException(
            "Please don't provide handler or runtime or layer when the intent is to create a function via container "
            "image."
        )


def durability_of(params: Mapping[str, Any], before: Durability | None, *, creating: bool) -> Durability | None:
    """A function's durable configuration as CreateFunction or UpdateFunctionConfiguration make it. Only a new function
    can be made durable. Raises InvalidParameterValueException."""
    told = params.get("DurableConfig")
    if not told:
        return before
    if before is None and not creating:
        raise InvalidParameterValueException(
            "You cannot add a durable configuration to an existing function that was created without one."
        )
    timeout = told.get("ExecutionTimeout") or (before.timeout_s if before is not None else None)
    if timeout is None:
        raise InvalidParameterValueException(
            "You cannot create a function with a durable configuration without an executionTimeout"
        )
    had = before if before is not None else Durability(timeout_s=timeout)
    key = told.get("KMSKeyArn")
    return Durability(
        timeout_s=timeout,
        retention_days=told.get("RetentionPeriodInDays") or had.retention_days,
        kms_key_arn=had.kms_key_arn if key is None else key,
    )


def check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > TAGS_MAX:
        raise InvalidParameterValueException("Number of tags exceeds resource tag limit.")
    for name in tags:
        if name.lower().startswith("aws:"):
            raise InvalidParameterValueException("System tags cannot be added/updated by requester.")


def refuse_missing_features(params: Mapping[str, Any]) -> None:
    """What would be accepted and then not happen is refused, by name."""
    if params.get("FileSystemConfigs"):
        raise _not_yet("file systems of functions")
    if (params.get("TracingConfig") or {}).get("Mode") == "Active":
        raise _not_yet("X-Ray tracing", "Use Mode PassThrough.")
    if (params.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions":
        raise _not_yet("SnapStart")
    if (params.get("LoggingConfig") or {}).get("LogFormat") == "JSON":
        raise _not_yet("the JSON log format", "Use LogFormat Text.")
    for member in ("TenancyConfig", "AcceleratorConfig"):
        if params.get(member):
            raise _not_yet(member)


def _not_yet(what: str, advice: str = "") -> InvalidParameterValueException:
    return InvalidParameterValueException(f"Kunren does not have {what} yet. {advice}".rstrip())


def _at_most(params: Mapping[str, Any], member: str, path: str, limit: int) -> None:
    value = params.get(member)
    if value is not None and value > limit:
        raise _constraint(str(value), path, f"Member must have value less than or equal to {limit}")


def _constraint(value: str, path: str, constraint: str) -> WireError:
    return WireError(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: {constraint}",
    )
