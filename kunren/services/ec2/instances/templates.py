"""Launch templates: what they hold, and what a launch makes of one. Pure but for the lookups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.context import RequestContext
from kunren.services.ec2 import errors
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances.model import LaunchTemplate
from kunren.services.ec2.store import Reader

OWN_TAGS = ("aws:ec2launchtemplate:id", "aws:ec2launchtemplate:version")
_RENAMED = {"RamDiskId": "RamdiskId"}


def find(reader: Reader, ctx: RequestContext, named: Mapping[str, Any]) -> LaunchTemplate:
    """The template of a LaunchTemplateSpecification. Raises TemplateNotFound, TemplateNameNotFound."""
    id, name = named.get("LaunchTemplateId"), named.get("LaunchTemplateName")
    if bool(id) == bool(name):
        raise errors.InvalidParameterCombination(
            "Exactly one of the parameters LaunchTemplateId and LaunchTemplateName must be specified"
        )
    if id:
        found = reader.get(LaunchTemplate, ctx.account, ctx.region, id)
        if found is None:
            raise refused.TemplateNotFound(id)
        return found
    for each in reader.list(LaunchTemplate, ctx.account, ctx.region):
        if each.name == name:
            return each
    raise refused.TemplateNameNotFound(name or "")


def merged(reader: Reader, ctx: RequestContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a launch with those of its template, where the launch has none of its own. Raises what `find`
    does, and VersionNotFound."""
    named = params.get("LaunchTemplate")
    if not named:
        return dict(params)
    template = find(reader, ctx, named)
    version = template.version(named.get("Version"))
    if version is None:
        raise refused.VersionNotFound(template.id, named["Version"])
    if version.data.get("InstanceRequirements") and not params.get("InstanceType"):
        raise errors.NotYet("instance types chosen by attributes but in fleets")
    given = {_RENAMED.get(name, name): value for name, value in version.data.items() if name != "InstanceRequirements"}
    own = {name: value for name, value in params.items() if value not in (None, [], {})}
    result = {**given, **own}
    if own.get("SubnetId") and given.get("NetworkInterfaces") and "NetworkInterfaces" not in own:
        first = {**given["NetworkInterfaces"][0], "SubnetId": own["SubnetId"]}
        result["NetworkInterfaces"] = [first, *given["NetworkInterfaces"][1:]]
        del result["SubnetId"]
    result["TagSpecifications"] = _tags(given.get("TagSpecifications") or (), own.get("TagSpecifications") or ())
    by_template = dict(zip(OWN_TAGS, (template.id, str(version.number)), strict=True))
    result["OwnTags"] = {**(own.get("OwnTags") or {}), **by_template}
    return result


def requirements(reader: Reader, ctx: RequestContext, named: Mapping[str, Any]) -> dict[str, Any] | None:
    """The InstanceRequirements of the named template, where it chooses types by attributes. Raises as `find`."""
    version = find(reader, ctx, named).version(named.get("Version"))
    return version.data.get("InstanceRequirements") if version is not None else None


def _tags(given: Any, own: Any) -> list[dict[str, Any]]:
    """Tags by type of resource: a key that the launch has too is the launch's."""
    found: dict[str, dict[str, str]] = {}
    for spec in (*given, *own):
        tags = found.setdefault(spec.get("ResourceType") or "", {})
        tags.update({each.get("Key") or "": each.get("Value") or "" for each in spec.get("Tags") or ()})
    return [
        {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        for kind, tags in found.items()
    ]
