"""Functions: AWS::Lambda::…"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kunren.services.cloudformation.resources.codedeploy import appspec, deployed
from kunren.services.cloudformation.resources.inline import RESPONSE_MODULES
from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, change, tagging
from kunren.services.cloudformation.work import Failed, Work

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_CONFIGURATION = (
    "DeadLetterConfig Description DurableConfig Environment EphemeralStorage FileSystemConfigs Handler ImageConfig "
    "Layers LoggingConfig MemorySize Role Runtime SnapStart Timeout TracingConfig VpcConfig"
)
_EMPTY: Mapping[str, Any] = {
    "DeadLetterConfig": {"TargetArn": ""},
    "Description": "",
    "Environment": {"Variables": {}},
    "Layers": [],
    "EphemeralStorage": {"Size": 512},
    "MemorySize": 128,
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
}


def code(work: Work) -> dict[str, Any]:
    """The function's code as the operations take it. Lines in the template become `index`, beside the module that
    answers CloudFormation ("cfn-response module")."""
    given = work.properties["Code"]
    if "ZipFile" not in given:
        return {key: value for key, value in given.items() if key != "SourceKMSKeyArn"}
    runtime = work.get("Runtime", "")
    if not runtime.startswith(("python", "nodejs")):
        raise Failed(
            f"ZipFile can only be used when Runtime is set to one of nodejs and python, not {runtime or 'none'}."
        )
    return {"ZipFile": packed("python" if runtime.startswith("python") else "nodejs", given["ZipFile"])}


@lru_cache(maxsize=16)
def packed(language: str, lines: str) -> bytes:
    suffix, (name, module) = "py" if language == "python" else "js", RESPONSE_MODULES[language]
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in ((f"index.{suffix}", lines), (name, module)):
            entry = zipfile.ZipInfo(file, _ZIP_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text)
    return found.getvalue()


class Function(Declared):
    async def create(self, work: Work) -> None:
        await super().create(work)
        if "ReservedConcurrentExecutions" in work.properties:
            await self._reserve(work)

    async def update(self, work: Work) -> None:
        if work.changed("Code", "Architectures"):
            params = {"FunctionName": work.physical, **code(work), **work.pick("Architectures")}
            await work.write("lambda", "UpdateFunctionCode", params)
            await self.settle(work)
        if changed := [name for name in _CONFIGURATION.split() if work.changed(name)]:
            values = {name: work.get(name, _EMPTY.get(name)) for name in changed}
            params = {
                "FunctionName": work.physical,
                **{key: value for key, value in values.items() if value is not None},
            }
            await work.write("lambda", "UpdateFunctionConfiguration", params)
            await self.settle(work)
        if work.changed("ReservedConcurrentExecutions"):
            await self._reserve(work)
        await super().update(work)

    async def _reserve(self, work: Work) -> None:
        reserved = work.get("ReservedConcurrentExecutions")
        if reserved is None:
            await work.write("lambda", "DeleteFunctionConcurrency", {"FunctionName": work.physical})
        else:
            params = {"FunctionName": work.physical, "ReservedConcurrentExecutions": reserved}
            await work.write("lambda", "PutFunctionConcurrency", params)


class Layer(Declared):
    def id_params(self, work: Work) -> dict[str, Any]:
        name, _, version = work.physical.rpartition(":")
        return {"LayerName": name, "VersionNumber": int(version)}


class Version(Kind):
    type = "AWS::Lambda::Version"
    properties = frozenset({"CodeSha256", "Description", "FunctionName", "ProvisionedConcurrencyConfig"})
    attributes = frozenset({"Version", "FunctionArn"})

    async def create(self, work: Work) -> None:
        params = work.pick("FunctionName", "CodeSha256", "Description")
        await work.write("lambda", "PublishVersion", params, "FunctionArn", physical=True)
        function, _, version = work.physical.rpartition(":")
        work.attributes = {"Version": version, "FunctionArn": work.physical}

        async def active() -> bool | None:
            shown = await work.read(
                "lambda", "GetFunctionConfiguration", {"FunctionName": function, "Qualifier": version}
            )
            return True if shown.get("State", "Active") == "Active" else None

        await work.until(active)
        await _provision(work, function, version)

    async def delete(self, work: Work) -> None:
        function, _, version = work.physical.rpartition(":")
        await work.write("lambda", "DeleteFunction", {"FunctionName": function, "Qualifier": version}, missing_ok=True)


async def _provision(work: Work, function: str, qualifier: str) -> None:
    if config := work.get("ProvisionedConcurrencyConfig"):
        params = {"FunctionName": function, "Qualifier": qualifier, **config}
        await work.write("lambda", "PutProvisionedConcurrencyConfig", params)

        async def ready() -> bool | None:
            shown = await work.read(
                "lambda", "GetProvisionedConcurrencyConfig", {"FunctionName": function, "Qualifier": qualifier}
            )
            if shown["Status"] == "FAILED":
                raise Failed(shown.get("StatusReason", "Provisioned concurrency failed"))
            return True if shown["Status"] == "READY" else None

        await work.until(ready)


class Alias(Kind):
    type = "AWS::Lambda::Alias"
    properties = frozenset(
        {"Description", "FunctionName", "FunctionVersion", "Name", "ProvisionedConcurrencyConfig", "RoutingConfig"}
    )
    attributes = frozenset({"AliasArn"})

    async def create(self, work: Work) -> None:
        await work.write("lambda", "CreateAlias", self._params(work), "AliasArn", physical=True)
        if not work.physical:  # made before a restart
            shown = await work.read("lambda", "GetAlias", work.pick("FunctionName", "Name"))
            work.known(shown["AliasArn"])
        work.attributes = {"AliasArn": work.physical}
        await _provision(work, work.properties["FunctionName"], work.properties["Name"])

    async def update(self, work: Work) -> None:
        shifting = work.update_policy.get("CodeDeployLambdaAliasUpdate")
        if shifting and work.changed("FunctionVersion"):
            await self._shift(work, shifting)
        await work.write("lambda", "UpdateAlias", self._params(work))
        if work.changed("ProvisionedConcurrencyConfig"):
            if work.get("ProvisionedConcurrencyConfig"):
                await _provision(work, work.properties["FunctionName"], work.properties["Name"])
            else:
                params = {"FunctionName": work.properties["FunctionName"], "Qualifier": work.properties["Name"]}
                await work.write("lambda", "DeleteProvisionedConcurrencyConfig", params)

    async def delete(self, work: Work) -> None:
        await work.write("lambda", "DeleteAlias", work.pick("FunctionName", "Name"), missing_ok=True)

    async def _shift(self, work: Work, policy: Mapping[str, Any]) -> None:
        """Have CodeDeploy take the alias to the new version, and wait until it has."""
        name, alias = work.properties["FunctionName"], work.properties["Name"]
        hooks = {
            event: policy[f"{event}Hook"]
            for event in ("BeforeAllowTraffic", "AfterAllowTraffic")
            if policy.get(f"{event}Hook")
        }
        before, after = work.before["FunctionVersion"], work.properties["FunctionVersion"]
        revision = appspec(name, alias, before, after, hooks)
        await deployed(work, policy["ApplicationName"], policy["DeploymentGroupName"], {"revision": revision})

    def _params(self, work: Work) -> dict[str, Any]:
        found = work.pick("Description", "FunctionName", "FunctionVersion", "Name")
        weights = (work.get("RoutingConfig") or {}).get("AdditionalVersionWeights", [])
        return {
            **found,
            "RoutingConfig": {
                "AdditionalVersionWeights": {each["FunctionVersion"]: each["FunctionWeight"] for each in weights}
            },
        }


class Permission(Kind):
    type = "AWS::Lambda::Permission"
    properties = frozenset(
        {
            "Action",
            "EventSourceToken",
            "FunctionName",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "Principal",
            "PrincipalOrgID",
            "SourceAccount",
            "SourceArn",
        }
    )
    attributes = frozenset({"Id"})

    async def create(self, work: Work) -> None:
        work.known(work.name(100))
        await work.write("lambda", "AddPermission", {"StatementId": work.physical, **work.properties})
        work.attributes = {"Id": work.physical}

    async def delete(self, work: Work) -> None:
        params = {"FunctionName": work.properties["FunctionName"], "StatementId": work.physical}
        await work.write("lambda", "RemovePermission", params, missing_ok=True)


class Url(Kind):
    type = "AWS::Lambda::Url"
    properties = frozenset({"AuthType", "Cors", "InvokeMode", "Qualifier", "TargetFunctionArn"})
    attributes = frozenset({"FunctionArn", "FunctionUrl"})
    _NAMES = ("TargetFunctionArn=FunctionName", "AuthType", "Cors", "InvokeMode", "Qualifier")

    async def create(self, work: Work) -> None:
        made = await work.write(
            "lambda",
            "CreateFunctionUrlConfig",
            work.pick(*self._NAMES),
            lambda answer: [answer["FunctionArn"], answer["FunctionUrl"]],
        )
        work.known(made[0])
        work.attributes = {"FunctionArn": made[0], "FunctionUrl": made[1]}

    async def update(self, work: Work) -> None:
        await work.write("lambda", "UpdateFunctionUrlConfig", {"Cors": {}, **work.pick(*self._NAMES)})

    async def delete(self, work: Work) -> None:
        await work.write(
            "lambda",
            "DeleteFunctionUrlConfig",
            work.pick("TargetFunctionArn=FunctionName", "Qualifier"),
            missing_ok=True,
        )


class EventInvokeConfig(Kind):
    type = "AWS::Lambda::EventInvokeConfig"
    properties = frozenset(
        {"DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "Qualifier"}
    )

    async def create(self, work: Work) -> None:
        work.known(f"{work.properties['FunctionName']}|{work.properties['Qualifier']}")
        await work.write("lambda", "PutFunctionEventInvokeConfig", work.properties)

    async def update(self, work: Work) -> None:
        await work.write("lambda", "PutFunctionEventInvokeConfig", work.properties)

    async def delete(self, work: Work) -> None:
        await work.write(
            "lambda", "DeleteFunctionEventInvokeConfig", work.pick("FunctionName", "Qualifier"), missing_ok=True
        )


_MAPPING = (
    "AmazonManagedKafkaEventSourceConfig BatchSize BisectBatchOnFunctionError DestinationConfig "
    "DocumentDBEventSourceConfig Enabled "
    "FilterCriteria FunctionName FunctionResponseTypes KmsKeyArn MaximumBatchingWindowInSeconds "
    "MaximumRecordAgeInSeconds "
    "MaximumRetryAttempts MetricsConfig ParallelizationFactor ProvisionedPollerConfig ScalingConfig "
    "SourceAccessConfigurations TumblingWindowInSeconds"
)
_TAGS = tagging("Resource", by="Arn", as_map=True)
KINDS: tuple[Kind, ...] = (
    Function(
        "AWS::Lambda::Function",
        "lambda",
        create="CreateFunction",
        takes=f"Architectures CodeSigningConfigArn KmsKeyArn=KMSKeyArn PackageType {_CONFIGURATION}",
        extra=lambda work: {"Code": code(work)},
        also="Code ReservedConcurrentExecutions",
        updates=f"Architectures Code ReservedConcurrentExecutions {_CONFIGURATION}",
        name="FunctionName",
        key="FunctionName",
        describe="GetFunctionConfiguration",
        ready="State == 'Active' && (LastUpdateStatus || 'Successful') == 'Successful'",
        broken="State == 'Failed' && StateReason || LastUpdateStatus == 'Failed' && LastUpdateStatusReason",
        settings=[
            Setting(
                "PutRuntimeManagementConfig",
                "RuntimeManagementConfig",
                lambda work: {
                    "FunctionName": work.physical,
                    "UpdateRuntimeOn": "Auto",
                    **(work.get("RuntimeManagementConfig") or {}),
                },
            ),
            Setting(
                "PutFunctionRecursionConfig",
                "RecursiveLoop",
                lambda work: {"FunctionName": work.physical, "RecursiveLoop": work.get("RecursiveLoop", "Terminate")},
            ),
        ],
        gives={"Arn": "FunctionArn"},
        tags=_TAGS,
        delete="DeleteFunction",
    ),
    Declared(
        "AWS::Lambda::EventSourceMapping",
        "lambda",
        create="CreateEventSourceMapping",
        takes=(
            "EventSourceArn Queues SelfManagedEventSource SelfManagedKafkaEventSourceConfig "
            f"StartingPosition StartingPositionTimestamp Topics {_MAPPING}"
        ),
        made="UUID",
        key="UUID",
        describe="GetEventSourceMapping",
        ready="State == 'Enabled' || State == 'Disabled'",
        settings=[change("UpdateEventSourceMapping", "UUID", _MAPPING)],
        gives={"Id": "UUID", "EventSourceMappingArn": "EventSourceMappingArn"},
        tags=tagging("Resource", by="EventSourceMappingArn", as_map=True),
        delete="DeleteEventSourceMapping",
        await_end=True,
    ),
    Layer(
        "AWS::Lambda::LayerVersion",
        "lambda",
        create="PublishLayerVersion",
        takes="CompatibleArchitectures CompatibleRuntimes Content Description LicenseInfo",
        extra=lambda work: {"LayerName": work.get("LayerName") or work.name()},
        also="LayerName",
        made="LayerVersionArn",
        key="LayerVersionArn",
        gives={"LayerVersionArn": ""},
        delete="DeleteLayerVersion",
    ),
    Version(),
    Alias(),
    Permission(),
    Url(),
    EventInvokeConfig(),
)
