"""Distributions and what they use: AWS::CloudFront::… CloudFormation writes plain lists where the API counts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kunren.core.errors import AwsError
from kunren.services.cloudformation.resources.kind import Kind, pairs
from kunren.services.cloudformation.work import Work, is_missing

_NAMES = {
    "AcmCertificateArn": "ACMCertificateArn",
    "IamCertificateId": "IAMCertificateId",
    "SslSupportMethod": "SSLSupportMethod",
    "IPV6Enabled": "IsIPV6Enabled",
    "OriginCustomHeaders": "CustomHeaders",
    "OriginSSLProtocols": "OriginSslProtocols",
    "Locations": "Items",
}


def counted(items: list[Any]) -> dict[str, Any]:
    """A list as the API has it."""
    return {"Quantity": len(items), **({"Items": items} if items else {})}


def converted(value: Any) -> Any:
    """A configuration in the API's shape: lists counted, some names spelt otherwise."""
    if isinstance(value, list):
        return counted([converted(each) for each in value])
    if isinstance(value, dict):
        if "Quantity" in value and "Items" in value:  # written the API's way already (origin groups)
            return {"Quantity": value["Quantity"], "Items": [converted(each) for each in value["Items"]]}
        if value.keys() == {"Items"}:
            return counted([converted(each) for each in value["Items"]])
        return {_NAMES.get(key, key): converted(each) for key, each in value.items()}
    return value


def _origin(given: dict[str, Any]) -> dict[str, Any]:
    if "S3OriginConfig" in given:
        given["S3OriginConfig"] = {"OriginAccessIdentity": "", **given["S3OriginConfig"]}
    if "CustomOriginConfig" in given:
        given["CustomOriginConfig"] = {"HTTPPort": 80, "HTTPSPort": 443, **given["CustomOriginConfig"]}
    return given


def _behavior(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = converted(given)
    allowed = given.get("AllowedMethods")
    if allowed is not None:
        found["AllowedMethods"] = counted(list(allowed))
        found["AllowedMethods"]["CachedMethods"] = counted(list(given.get("CachedMethods") or ["GET", "HEAD"]))
    found.pop("CachedMethods", None)
    for key in ("TrustedKeyGroups", "TrustedSigners"):
        if key in given:
            found[key] = {"Enabled": bool(given[key]), **counted(list(given[key]))}
    if "CachePolicyId" not in given and "ForwardedValues" not in given:
        found["ForwardedValues"] = {"QueryString": False, "Cookies": {"Forward": "none"}}
    return found


def distribution(given: Mapping[str, Any], reference: str) -> dict[str, Any]:
    """DistributionConfig as the API has it."""
    found: dict[str, Any] = converted(
        {key: value for key, value in given.items() if key not in ("CacheBehaviors", "DefaultCacheBehavior")}
    )
    found["DefaultCacheBehavior"] = _behavior(given["DefaultCacheBehavior"])
    found["CacheBehaviors"] = counted([_behavior(each) for each in given.get("CacheBehaviors") or []])
    found.setdefault("Comment", "")
    for each in found.get("Origins", {}).get("Items", ()):
        _origin(each)
    found["CallerReference"] = reference
    if "Logging" in given:
        found["Logging"] = {"Enabled": True, "IncludeCookies": False, "Prefix": "", **given["Logging"]}
    restriction = (found.get("Restrictions") or {}).get("GeoRestriction")
    if restriction is not None:
        items = restriction.pop("Items", {})
        restriction |= {
            "Quantity": items.get("Quantity", 0),
            **({"Items": items["Items"]} if items.get("Items") else {}),
        }
    return found


class Versioned(Kind):
    """A kind whose changes name the version they are for (ETag): read, then change."""

    service = "cloudfront"
    get, update_operation, delete_operation = "", "", ""

    def named(self, work: Work) -> dict[str, Any]:
        return {"Id": work.physical}

    async def etag(self, work: Work) -> str | None:
        """None where it is gone."""
        try:
            return str((await work.read("cloudfront", self.get, self.named(work)))["ETag"])
        except AwsError as error:
            if is_missing(error):
                return None
            raise

    async def change(self, work: Work, params: Mapping[str, Any]) -> None:
        await work.write(
            "cloudfront", self.update_operation, {**self.named(work), "IfMatch": await self.etag(work), **params}
        )

    async def delete(self, work: Work) -> None:
        etag = await self.etag(work)
        if etag is not None:
            await work.write(
                "cloudfront", self.delete_operation, {**self.named(work), "IfMatch": etag}, missing_ok=True
            )


class Distribution(Versioned):
    """It is off and deployed before it goes."""

    type = "AWS::CloudFront::Distribution"
    properties = frozenset({"DistributionConfig", "Tags"})
    attributes = frozenset({"Id", "DomainName"})
    get, update_operation, delete_operation = "GetDistributionConfig", "UpdateDistribution", "DeleteDistribution"

    async def create(self, work: Work) -> None:
        config = distribution(work.properties["DistributionConfig"], work.token)
        if work.tags:
            params = {"DistributionConfigWithTags": {"DistributionConfig": config, "Tags": {"Items": pairs(work.tags)}}}
            await work.write("cloudfront", "CreateDistributionWithTags", params, "Distribution.Id", physical=True)
        else:
            await work.write(
                "cloudfront", "CreateDistribution", {"DistributionConfig": config}, "Distribution.Id", physical=True
            )
        await self._deployed(work)

    async def update(self, work: Work) -> None:
        if work.changed("DistributionConfig"):
            held = await work.read("cloudfront", "GetDistributionConfig", {"Id": work.physical})
            reference = held["DistributionConfig"]["CallerReference"]
            await self.change(
                work, {"DistributionConfig": distribution(work.properties["DistributionConfig"], reference)}
            )
        await self._deployed(work)
        added = {key: value for key, value in work.tags.items() if work.old_tags.get(key) != value}
        removed = [key for key in work.old_tags if key not in work.tags]
        arn = f"arn:aws:cloudfront::{work.account}:distribution/{work.physical}"
        if added:
            await work.write("cloudfront", "TagResource", {"Resource": arn, "Tags": {"Items": pairs(added)}})
        if removed:
            await work.write("cloudfront", "UntagResource", {"Resource": arn, "TagKeys": {"Items": removed}})

    async def _deployed(self, work: Work) -> None:
        async def deployed() -> Mapping[str, Any] | None:
            shown: Mapping[str, Any] = (await work.read("cloudfront", "GetDistribution", {"Id": work.physical}))[
                "Distribution"
            ]
            return shown if shown["Status"] == "Deployed" else None

        shown = await work.until(deployed)
        work.attributes = {"Id": work.physical, "DomainName": shown["DomainName"]}

    async def delete(self, work: Work) -> None:
        if await self.etag(work) is None:
            return
        held = (await work.read("cloudfront", "GetDistributionConfig", {"Id": work.physical}))["DistributionConfig"]
        if held["Enabled"]:
            await self.change(work, {"DistributionConfig": {**held, "Enabled": False}})
        await self._deployed(work)
        await super().delete(work)


class Function(Versioned):
    type = "AWS::CloudFront::Function"
    properties = frozenset({"AutoPublish", "FunctionCode", "FunctionConfig", "Name"})
    attributes = frozenset({"FunctionARN", "FunctionMetadata.FunctionARN", "Stage"})
    get, update_operation, delete_operation = "DescribeFunction", "UpdateFunction", "DeleteFunction"

    def named(self, work: Work) -> dict[str, Any]:
        return {"Name": work.physical.rpartition("/")[2]}

    async def create(self, work: Work) -> None:
        params = {"Name": work.properties["Name"], **self._params(work)}
        await work.write("cloudfront", "CreateFunction", params, "FunctionSummary.FunctionMetadata.FunctionARN")
        work.known(f"arn:aws:cloudfront::{work.account}:function/{work.properties['Name']}")
        await self._publish(work)

    async def update(self, work: Work) -> None:
        await self.change(work, self._params(work))
        await self._publish(work)

    async def _publish(self, work: Work) -> None:
        if work.get("AutoPublish"):
            await work.write("cloudfront", "PublishFunction", {**self.named(work), "IfMatch": await self.etag(work)})
        stage = "LIVE" if work.get("AutoPublish") else "DEVELOPMENT"
        work.attributes = {"FunctionARN": work.physical, "FunctionMetadata.FunctionARN": work.physical, "Stage": stage}

    def _params(self, work: Work) -> dict[str, Any]:
        config = converted(work.properties["FunctionConfig"])
        return {"FunctionConfig": config, "FunctionCode": work.properties["FunctionCode"].encode()}


class Configured(Versioned):
    """Policies and the like: one configuration, whose lists are converted by `shape`."""

    def __init__(self, noun: str, config: str, answer: str, shape: Callable[[Any], Any] = converted) -> None:
        self.type = f"AWS::CloudFront::{noun}"
        self._config, self._answer, self._create, self._shape = config, answer, f"Create{noun}", shape
        self.get, self.update_operation, self.delete_operation = f"Get{noun}", f"Update{noun}", f"Delete{noun}"
        self.properties = frozenset({config})
        self.attributes = frozenset({"Id"})

    async def create(self, work: Work) -> None:
        params = {self._config: self._shaped(work)}
        await work.write("cloudfront", self._create, params, f"{self._answer}.Id", physical=True)
        work.attributes = {"Id": work.physical}

    async def update(self, work: Work) -> None:
        await self.change(work, {self._config: self._shaped(work)})

    def _shaped(self, work: Work) -> Any:
        return self._shape(work.properties[self._config])


class KeyValueStore(Kind):
    type = "AWS::CloudFront::KeyValueStore"
    properties = frozenset({"Comment", "ImportSource", "Name"})
    attributes = frozenset({"Arn", "Id", "Status"})

    async def create(self, work: Work) -> None:
        work.known(work.properties["Name"])
        params = work.pick("Comment", "Name")
        if source := work.get("ImportSource"):
            params["ImportSource"] = {"SourceARN": source["SourceArn"], "SourceType": source["SourceType"]}
        await work.write("cloudfront", "CreateKeyValueStore", params)

        async def ready() -> Mapping[str, Any] | None:
            shown: Mapping[str, Any] = (
                await work.read("cloudfront", "DescribeKeyValueStore", {"Name": work.physical})
            )["KeyValueStore"]
            return shown if shown["Status"] == "READY" else None

        shown = await work.until(ready)
        work.attributes = {"Arn": shown["ARN"], "Id": shown["Id"], "Status": shown["Status"]}

    async def update(self, work: Work) -> None:
        held = await work.read("cloudfront", "DescribeKeyValueStore", {"Name": work.physical})
        params = {"Name": work.physical, "Comment": work.get("Comment", ""), "IfMatch": held["ETag"]}
        await work.write("cloudfront", "UpdateKeyValueStore", params)

    async def delete(self, work: Work) -> None:
        try:
            held = await work.read("cloudfront", "DescribeKeyValueStore", {"Name": work.physical})
        except AwsError as error:
            if is_missing(error):
                return
            raise
        await work.write(
            "cloudfront", "DeleteKeyValueStore", {"Name": work.physical, "IfMatch": held["ETag"]}, missing_ok=True
        )


KINDS: tuple[Kind, ...] = (
    Distribution(),
    Function(),
    KeyValueStore(),
    Configured("OriginAccessControl", "OriginAccessControlConfig", "OriginAccessControl"),
    Configured("CachePolicy", "CachePolicyConfig", "CachePolicy"),
    Configured("OriginRequestPolicy", "OriginRequestPolicyConfig", "OriginRequestPolicy"),
    Configured("ResponseHeadersPolicy", "ResponseHeadersPolicyConfig", "ResponseHeadersPolicy"),
    Configured("KeyGroup", "KeyGroupConfig", "KeyGroup", shape=dict),
    Configured("PublicKey", "PublicKeyConfig", "PublicKey", shape=dict),
)
