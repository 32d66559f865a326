"""What policies are asked about and a request does not have as they name it: the service itself is asked.

AWS KMS developer guide, "Controlling access to aliases" (a policy for a key counts for its alias too); Secrets Manager
user guide, "What's in a secret?" (an ARN has six letters more than the name). A deployment of CodeDeploy is its
group's. Who runs a task hands on the roles of its definition ("Pass a role": RunTask), whoever has registered that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.access.deployments import BY_DEPLOYMENT
from kunren.access.tables import PROFILE_ROLE
from kunren.core.calling import CallService
from kunren.core.conditions import many
from kunren.core.errors import AwsError

_KEY_ID_BYTES = 36
"""A ciphertext of moto's begins with the id of its key."""
_RUNNING = frozenset({"RunTask", "StartTask"})
_WITH_PROFILES = frozenset(
    {"RunInstances", "CreateFleet", "ModifyFleet", "RequestSpotInstances", "AssociateIamInstanceProfile",
     "ReplaceIamInstanceProfileAssociation", "CreateAutoScalingGroup", "UpdateAutoScalingGroup"}
)  # fmt: skip
_ABOUT_ASSOCIATIONS = frozenset({"ReplaceIamInstanceProfileAssociation", "DisassociateIamInstanceProfile"})
_ABOUT_ALIASES = frozenset({"CreateAlias", "DeleteAlias", "UpdateAlias"})


def has_other_names(service: str, operation: str, params: Mapping[str, Any]) -> bool:
    """Whether the request does not tell itself what policies are asked about."""
    if service == "ecs":
        return operation in _RUNNING
    if service == "codedeploy":
        return operation in BY_DEPLOYMENT
    if service == "ec2" and operation in _ABOUT_ASSOCIATIONS:
        return True
    if service in ("ec2", "autoscaling"):
        return operation in _WITH_PROFILES and any(map(any, _launches(params)))
    if service == "secretsmanager":
        names = [*many(params.get("SecretId")), *many(params.get("SecretIdList"))]
        return any(isinstance(each, str) and not each.startswith("arn:") for each in names)
    if service != "kms" or operation in _ABOUT_ALIASES:
        return False
    key = params.get("KeyId")
    return "alias/" in key if isinstance(key, str) else "CiphertextBlob" in params


async def with_arns(
    call: CallService, account: str, region: str, service: str, params: Mapping[str, Any]
) -> dict[str, Any]:  # fmt: skip
    """The parameters with the ARNs of what there is of it, and with the roles that a task gets."""
    if service == "ecs":
        given = {name: value for name, value in (params.get("overrides") or {}).items() if value}
        return {**params, "overrides": {**await _roles(call, account, region, params), **given}}

    if service in ("ec2", "autoscaling"):
        roles = [await _profile_role(call, account, region, *each) for each in _launches(params)]
        told = {**params, PROFILE_ROLE: list(dict.fromkeys(each for each in roles if each is not None))}
        if association := params.get("AssociationId"):
            asked = {"AssociationIds": [association]}
            found = await call(account, region, "ec2", "DescribeIamInstanceProfileAssociations", asked)
            told |= {"InstanceId": [each["InstanceId"] for each in found["IamInstanceProfileAssociations"]]}
        return told

    if service == "codedeploy":
        return {**params, **await _group(call, account, region, params)}

    async def arn(name: Any) -> Any:
        operation, member = ("DescribeSecret", "SecretId") if service == "secretsmanager" else ("DescribeKey", "KeyId")
        try:
            found = await call(account, region, service, operation, {member: name})
        except AwsError:
            return name  # nothing that there is
        return found["ARN"] if service == "secretsmanager" else found["KeyMetadata"]["Arn"]

    told = dict(params)
    if service == "kms" and "KeyId" not in told:
        blob = told["CiphertextBlob"]
        told["KeyId"] = blob[:_KEY_ID_BYTES].decode("latin-1") if isinstance(blob, bytes) else ""
    for member in ("SecretId", "KeyId"):
        if member in told:
            told[member] = await arn(told[member])
    if "SecretIdList" in told:
        told["SecretIdList"] = [await arn(each) for each in many(told["SecretIdList"])]
    return told


async def _roles(call: CallService, account: str, region: str, params: Mapping[str, Any]) -> dict[str, str]:
    """Those of the task definition."""
    named = {"taskDefinition": params.get("taskDefinition")}
    try:
        found = (await call(account, region, "ecs", "DescribeTaskDefinition", named))["taskDefinition"]
    except AwsError:
        return {}  # nothing that there is
    return {each: found[each] for each in ("taskRoleArn", "executionRoleArn") if found.get(each)}


def _launches(params: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """The profile and the launch template of each launch: a fleet has several, and a group of mixed instances."""
    if mixed := (params.get("MixedInstancesPolicy") or {}).get("LaunchTemplate"):
        named = [mixed, *many(mixed.get("Overrides"))]
        return [(None, each.get("LaunchTemplateSpecification")) for each in named]
    if specification := params.get("LaunchSpecification"):
        return [(specification.get("IamInstanceProfile"), None)]
    if "LaunchTemplateConfigs" not in params:
        return [(params.get("IamInstanceProfile"), params.get("LaunchTemplate"))]
    configs = many(params["LaunchTemplateConfigs"])
    own = [(each.get("IamInstanceProfile"), None) for config in configs for each in many(config.get("Overrides"))]
    return [*own, *((None, config.get("LaunchTemplateSpecification")) for config in configs)]


async def _profile_role(call: CallService, account: str, region: str, profile: Any, template: Any) -> str | None:
    """The role that an instance is handed by its profile, which the request or its launch template names."""
    try:
        if not profile and template:
            named = {each: template[each] for each in ("LaunchTemplateId", "LaunchTemplateName") if template.get(each)}
            asked = {**named, "Versions": [template.get("Version") or "$Default"]}
            found = await call(account, region, "ec2", "DescribeLaunchTemplateVersions", asked)
            profile = found["LaunchTemplateVersions"][0]["LaunchTemplateData"].get("IamInstanceProfile")
        name = (profile or {}).get("Name") or ((profile or {}).get("Arn") or "").rpartition("/")[2]
        if not name:
            return None
        made = await call(account, region, "iam", "GetInstanceProfile", {"InstanceProfileName": name})
        roles = made["InstanceProfile"]["Roles"]
    except (AwsError, LookupError):
        return None  # nothing that there is
    return str(roles[0]["Arn"]) if roles else None


async def _group(call: CallService, account: str, region: str, params: Mapping[str, Any]) -> dict[str, str]:
    """The application and the group of a deployment."""
    named = {"deploymentId": params.get("deploymentId")}
    try:
        found = (await call(account, region, "codedeploy", "GetDeployment", named))["deploymentInfo"]
    except AwsError:
        return {}  # nothing that there is
    return {each: found[each] for each in ("applicationName", "deploymentGroupName")}
