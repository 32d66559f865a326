"""Launch templates and their versions."""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, ids, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id, token_of
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances import templates
from kunren.services.ec2.instances.launcher import checked_user_data
from kunren.services.ec2.instances.model import LaunchTemplate, TemplateVersion, version_number

_NAME = re.compile(r"[a-zA-Z0-9().\-/_]{3,128}")
VERSIONS_MAX = 10_000

_FILTERS: dict[str, filters.Getter[LaunchTemplate]] = {
    "create-time": lambda each: None,
    "launch-template-name": lambda each: each.name,
}


def _creator(account: str) -> str:
    return f"arn:aws:iam::{account}:root"


def template_to_wire(template: LaunchTemplate) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "CreateTime": template.created_at,
        "CreatedBy": _creator(template.account),
        "DefaultVersionNumber": template.default_version,
        "LatestVersionNumber": template.latest,
        "Operator": {"Managed": False},
        "Tags": tags_to_wire(template.tags),
    }


def version_to_wire(template: LaunchTemplate, version: TemplateVersion) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionNumber": version.number,
        "VersionDescription": version.description,
        "CreateTime": version.created_at,
        "CreatedBy": _creator(template.account),
        "DefaultVersion": version.number == template.default_version,
        "LaunchTemplateData": version.data,
        "Operator": {"Managed": False},
    }


class LaunchTemplateOperations(Ec2Base):
    @operation
    def create_launch_template(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        name = params["LaunchTemplateName"]
        if _NAME.fullmatch(name) is None:
            raise errors.InvalidParameterValue(
                f"Invalid launch template name '{name}'. A name has 3 to 128 letters, digits and any of ().-/_"
            )
        tags = tagging.at_creation(params, "launch-template")
        data = _checked(params["LaunchTemplateData"])
        now = self.clock.now()
        with self.store.write() as tx:
            if (made := self.replay(tx, ctx, params, LaunchTemplate)) is not None:
                return {"LaunchTemplate": template_to_wire(self.get(tx, ctx, ids.LAUNCH_TEMPLATE, made))}
            if any(each.name == name for each in tx.list(LaunchTemplate, ctx.account, ctx.region)):
                raise refused.TemplateNameInUse()
            version = TemplateVersion(number=1, data=data, created_at=now, description=params.get("VersionDescription"))
            template = LaunchTemplate(
                account=ctx.account, region=ctx.region, id=self.entropy.resource_id("lt"), name=name,
                versions=(version,), created_at=now, tags=tags, **token_of(params),
            )  # fmt: skip
            tx.put(template)
            store.remember_token(tx, template)
            return {"LaunchTemplate": template_to_wire(template)}

    @operation
    def create_launch_template_version(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            template = templates.find(tx, ctx, params)
            if len(template.versions) >= VERSIONS_MAX:
                raise errors.InvalidParameterValue("The limit of versions per launch template has been reached")
            base: dict[str, Any] = {}
            if params.get("SourceVersion"):
                base = self._version(template, params["SourceVersion"]).data
            version = TemplateVersion(
                number=template.latest_version + 1, data={**base, **_checked(params["LaunchTemplateData"])},
                created_at=self.clock.now(), description=params.get("VersionDescription"),
            )  # fmt: skip
            changed = replace(template, versions=(*template.versions, version), latest_version=version.number)
            tx.put(changed)
            return {"LaunchTemplateVersion": version_to_wire(changed, version)}

    @operation
    def describe_launch_templates(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        held = chosen(snapshot, ctx, ids.LAUNCH_TEMPLATE, params, "LaunchTemplateIds", _FILTERS)
        if names := params.get("LaunchTemplateNames"):
            if missing := [each for each in names if each not in {found.name for found in held}]:
                raise refused.TemplateNameNotFound(*missing)
            held = [each for each in held if each.name in names]
        page, token = paged(held, params, resource_id, least=1)
        return {"LaunchTemplates": [template_to_wire(each) for each in page], "NextToken": token}

    @operation
    def describe_launch_template_versions(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        wanted = params.get("Versions") or ()
        found: list[tuple[LaunchTemplate, TemplateVersion]] = []
        if params.get("LaunchTemplateId") or params.get("LaunchTemplateName"):
            template = templates.find(snapshot, ctx, params)
            found = [(template, self._version(template, each)) for each in wanted]
            if not wanted:
                found = [(template, each) for each in reversed(template.versions)]
        elif not wanted or not set(wanted) <= {"$Latest", "$Default"}:
            raise errors.MissingParameterText("The request must contain a launch template, or $Latest or $Default")
        else:
            for template in snapshot.list(LaunchTemplate, ctx.account, ctx.region):
                found += [(template, self._version(template, each)) for each in dict.fromkeys(wanted)]
        low, high = _number(params, "MinVersion", 0), _number(params, "MaxVersion", VERSIONS_MAX)
        found = [each for each in found if low <= each[1].number <= high]
        table: dict[str, filters.Getter[tuple[LaunchTemplate, TemplateVersion]]] = {
            "is-default-version": lambda each: each[1].number == each[0].default_version,
            "image-id": lambda each: each[1].data.get("ImageId"),
            "instance-type": lambda each: each[1].data.get("InstanceType"),
        }
        found = filters.select(found, params.get("Filters"), table)
        page, token = paged(found, params, lambda each: f"{each[0].id}|{VERSIONS_MAX - each[1].number:06}", least=1)
        return {"LaunchTemplateVersions": [version_to_wire(*each) for each in page], "NextToken": token}

    @operation
    def modify_launch_template(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            template = templates.find(tx, ctx, params)
            if params.get("DefaultVersion"):
                version = self._version(template, params["DefaultVersion"])
                template = replace(template, default_version=version.number)
                tx.put(template)
            return {"LaunchTemplate": template_to_wire(template)}

    @operation
    def delete_launch_template(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            template = templates.find(tx, ctx, params)
            store.forget_token(tx, template)
            tx.delete(template)
            return {"LaunchTemplate": template_to_wire(template)}

    @operation
    def delete_launch_template_versions(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        gone: list[dict[str, Any]] = []
        kept: list[dict[str, Any]] = []
        with self.store.write() as tx:
            template = templates.find(tx, ctx, params)
            named = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name}
            for each in params["Versions"]:
                version = template.version(each)
                if version is None:
                    error = {"Code": "launchTemplateVersionDoesNotExist", "Message": f"Version {each} does not exist."}
                elif version.number == template.default_version:
                    error = {"Code": "unexpectedError", "Message": "The default version can't be deleted."}
                else:
                    template = replace(template, versions=tuple(one for one in template.versions if one != version))
                    gone.append({**named, "VersionNumber": version.number})
                    continue
                kept.append({**named, "VersionNumber": version_number(each), "ResponseError": error})
            tx.put(template)
        return {
            "SuccessfullyDeletedLaunchTemplateVersions": gone,
            "UnsuccessfullyDeletedLaunchTemplateVersions": kept,
        }

    def _version(self, template: LaunchTemplate, named: str) -> TemplateVersion:
        found = template.version(named)
        if found is None:
            raise refused.VersionNotFound(template.id, named)
        return found


def _number(params: Params, member: str, otherwise: int) -> int:
    if not params.get(member):
        return otherwise
    number = version_number(params[member])
    if number is None:
        raise errors.InvalidParameterValue(f"Value ({params[member]}) for parameter {member} is invalid.")
    return number


def _checked(data: dict[str, Any]) -> dict[str, Any]:
    """LaunchTemplateData, of which only what can be judged without a launch is."""
    if not data:
        raise errors.MissingParameterText("The request must contain LaunchTemplateData")
    checked_user_data(data.get("UserData"))
    return data
