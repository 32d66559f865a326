"""AppSpec files of functions and services ("CodeDeploy AppSpec file reference"). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kunren.services.codedeploy.errors import DeploymentFails

T = TypeVar("T")
OF_FUNCTIONS = ("BeforeAllowTraffic", "AfterAllowTraffic")
OF_SERVICES = ("BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic")
_VALUES_MAX = 10_000
_INVALID = "The deployment failed because the AppSpec file that specifies the AWS Lambda deployment configuration is "
NO_SUCH_CONFIGURATION = f"{_INVALID}missing or has an invalid configuration."


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """Which alias goes from which version to which; hooks are functions' names or ARNs."""

    name: str
    alias: str
    current: str
    target: str
    hooks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """What the replacement task set is made of; `more` are parameters of CreateTaskSet."""

    definition: str
    container: str
    port: int
    more: dict[str, Any] = field(default_factory=dict)
    hooks: dict[str, str] = field(default_factory=dict)


def parsed(text: str) -> dict[str, Any]:
    """YAML or JSON with lower-case keys at the top. Raises DeploymentFails."""
    from kunren.core import documents

    try:
        found = documents.parse(text.encode("utf-8", "replace"), _VALUES_MAX)
    except documents.BadDocument as error:
        raise DeploymentFails("INVALID_REVISION", f"The AppSpec file can't be read: {error}") from error
    found = {key.lower(): value for key, value in found.items()}
    if str(found.get("version")) != "0.0":
        raise DeploymentFails("INVALID_REVISION", "The AppSpec file's version must be 0.0.")
    return found


def of_function(text: str) -> FunctionSpec:
    """Raises DeploymentFails."""
    return _read(_function, parsed(text))


def _read(read: Callable[[dict[str, Any]], T], found: dict[str, Any]) -> T:
    """What `read` makes of the file. Raises DeploymentFails, also where a part is of another shape than it must be."""
    try:
        return read(found)
    except (AttributeError, TypeError, ValueError, KeyError, LookupError) as error:
        raise DeploymentFails(
            "INVALID_REVISION", "The AppSpec file's parts are not of the shape they must have."
        ) from error


def _function(found: dict[str, Any]) -> FunctionSpec:
    kind, properties = _resource(found)
    if kind != "AWS::Lambda::Function":
        raise DeploymentFails("INVALID_LAMBDA_CONFIGURATION", NO_SUCH_CONFIGURATION)
    names = {name.lower(): str(value) for name, value in properties.items() if value is not None}
    if not all(names.get(each) for each in ("name", "alias", "currentversion", "targetversion")):
        raise DeploymentFails("INVALID_LAMBDA_CONFIGURATION", NO_SUCH_CONFIGURATION)
    return FunctionSpec(
        names["name"], names["alias"], names["currentversion"], names["targetversion"], hooks(found, OF_FUNCTIONS)
    )


def of_service(text: str) -> ServiceSpec:
    """Raises DeploymentFails."""
    return _read(_service, parsed(text))


def _service(found: dict[str, Any]) -> ServiceSpec:
    kind, properties = _resource(found)
    balancer = properties.get("LoadBalancerInfo") or {}
    wanted = (properties.get("TaskDefinition"), balancer.get("ContainerName"), balancer.get("ContainerPort"))
    if kind != "AWS::ECS::Service" or not all(wanted):
        raise DeploymentFails(
            "INVALID_REVISION",
            "The AppSpec file must have a resource of type AWS::ECS::Service with a TaskDefinition and a "
            "LoadBalancerInfo of ContainerName and ContainerPort.",
        )
    more: dict[str, Any] = {}
    if properties.get("PlatformVersion"):
        more["platformVersion"] = str(properties["PlatformVersion"])
    if network := (properties.get("NetworkConfiguration") or {}).get("AwsvpcConfiguration"):
        more["networkConfiguration"] = {"awsvpcConfiguration": _small(network)}
    if strategy := properties.get("CapacityProviderStrategy"):
        more["capacityProviderStrategy"] = [_small(each) for each in strategy]
    return ServiceSpec(str(wanted[0]), str(wanted[1]), int(str(wanted[2])), more, hooks(found, OF_SERVICES))


def _small(given: dict[str, Any]) -> dict[str, Any]:
    return {name[:1].lower() + name[1:]: value for name, value in given.items()}


def _resource(found: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type and the properties of the only resource."""
    listed = found.get("resources")
    if isinstance(listed, dict):
        listed = [listed]
    if not isinstance(listed, list) or len(listed) != 1 or not isinstance(listed[0], dict) or len(listed[0]) != 1:
        raise DeploymentFails("INVALID_REVISION", "The AppSpec file's Resources must have one resource.")
    (resource,) = listed[0].values()
    lowered = {str(key).lower(): value for key, value in resource.items()} if isinstance(resource, dict) else {}
    properties = lowered.get("properties")
    return str(lowered.get("type")), properties if isinstance(properties, dict) else {}


def hooks(found: dict[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """Lifecycle event → function. Raises DeploymentFails for events that there are not."""
    listed = found.get("hooks") or []
    if isinstance(listed, dict):
        listed = [listed]
    out: dict[str, str] = {}
    for each in listed if isinstance(listed, list) else ():
        for name, function in each.items() if isinstance(each, dict) else ():
            if name not in names:
                raise DeploymentFails("INVALID_REVISION", f"The AppSpec file has no lifecycle event hook {name}.")
            if function:
                out[name] = str(function)
    return out
