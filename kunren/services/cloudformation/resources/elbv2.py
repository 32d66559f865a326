"""Load balancers: AWS::ElasticLoadBalancingV2::…"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kunren.services.cloudformation.resources.kind import Declared, Kind, Setting, Taken, change, tagging
from kunren.services.cloudformation.work import Work

_TAGS = tagging("ResourceArns", add="AddTags", remove="RemoveTags", many=True)


def _attributes(operation: str, key: str, property: str) -> Setting:
    """Attributes as a list of Key and Value; one that is no longer stated keeps its value, as on AWS."""
    return Setting(operation, property, lambda work: {key: work.physical, "Attributes": work.get(property) or []})


def _certificates(work: Work) -> dict[str, Any]:
    """A listener takes one certificate; more are resources of their own."""
    return {"Certificates": work.properties["Certificates"]} if "Certificates" in work.properties else {}


def _full_name(key: str, behind: str, prefix: str = "") -> Callable[[Any], str]:
    """The end of an ARN, by which metrics name it."""
    return lambda item: prefix + item[key].partition(behind)[2]


def _listener(work: Work) -> Mapping[str, Any]:
    names = ("AlpnPolicy", "DefaultActions", "MutualAuthentication", "Port", "Protocol", "SslPolicy")
    return {"ListenerArn": work.physical, **work.pick(*names), **_certificates(work)}


class TargetGroup(Declared):
    """Its targets are registered with it, and follow changes."""

    async def create(self, work: Work) -> None:
        await super().create(work)
        if targets := work.get("Targets"):
            await work.write("elbv2", "RegisterTargets", {"TargetGroupArn": work.physical, "Targets": targets})

    async def update(self, work: Work) -> None:
        old, new = work.before.get("Targets") or [], work.get("Targets") or []
        for operation, targets in (
            ("DeregisterTargets", [each for each in old if each not in new]),
            ("RegisterTargets", [each for each in new if each not in old]),
        ):
            if targets:
                await work.write("elbv2", operation, {"TargetGroupArn": work.physical, "Targets": targets})
        await super().update(work)


class ListenerCertificate(Kind):
    type = "AWS::ElasticLoadBalancingV2::ListenerCertificate"
    properties = frozenset({"Certificates", "ListenerArn"})
    attributes = frozenset({"Id"})

    async def create(self, work: Work) -> None:
        await self._change(work, "AddListenerCertificates", work.properties["Certificates"])
        work.physical = work.name(128)
        work.attributes = {"Id": work.physical}

    async def update(self, work: Work) -> None:
        old, new = work.before["Certificates"], work.properties["Certificates"]
        await self._change(work, "AddListenerCertificates", [each for each in new if each not in old])
        await self._change(work, "RemoveListenerCertificates", [each for each in old if each not in new])

    async def delete(self, work: Work) -> None:
        await self._change(work, "RemoveListenerCertificates", work.properties["Certificates"])

    async def _change(self, work: Work, operation: str, certificates: list[Any]) -> None:
        if certificates:
            params = {"ListenerArn": work.properties["ListenerArn"], "Certificates": certificates}
            await work.write("elbv2", operation, params, missing_ok=operation.startswith("Remove"))


_CHECKS = (
    "HealthCheckEnabled HealthCheckIntervalSeconds HealthCheckPath HealthCheckPort HealthCheckProtocol "
    "HealthCheckTimeoutSeconds HealthyThresholdCount Matcher UnhealthyThresholdCount"
)
KINDS: tuple[Kind, ...] = (
    Declared(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "elbv2",
        create="CreateLoadBalancer",
        taken=Taken("DescribeLoadBalancers", lambda work, name: {"Names": [name]}),
        takes="IpAddressType Scheme SecurityGroups SubnetMappings Subnets Type EnablePrefixForIpv6SourceNat",
        name="Name",
        longest=32,
        made="LoadBalancers[0].LoadBalancerArn",
        key="LoadBalancerArn",
        describe="DescribeLoadBalancers",
        by="LoadBalancerArns[]",
        item="LoadBalancers[0]",
        ready="State.Code == 'active' || State.Code == 'active_impaired'",
        broken="State.Code == 'failed' && State.Reason",
        settings=[
            _attributes("ModifyLoadBalancerAttributes", "LoadBalancerArn", "LoadBalancerAttributes"),
            Setting(
                "SetIpAddressType",
                "IpAddressType",
                lambda work: {"LoadBalancerArn": work.physical, "IpAddressType": work.get("IpAddressType", "ipv4")},
                on_create=False,
            ),
            Setting(
                "SetSecurityGroups",
                "SecurityGroups EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
                lambda work: {
                    "LoadBalancerArn": work.physical,
                    "SecurityGroups": work.get("SecurityGroups") or [],
                    **work.pick("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"),
                },
                on_create=False,
            ),
            Setting(
                "SetSubnets",
                "Subnets SubnetMappings EnablePrefixForIpv6SourceNat",
                lambda work: {
                    "LoadBalancerArn": work.physical,
                    **work.pick("Subnets", "SubnetMappings", "EnablePrefixForIpv6SourceNat"),
                },
                on_create=False,
            ),
        ],
        gives={
            "LoadBalancerArn": "LoadBalancerArn",
            "DNSName": "DNSName",
            "CanonicalHostedZoneID": "CanonicalHostedZoneId",
            "LoadBalancerName": "LoadBalancerName",
            "LoadBalancerFullName": _full_name("LoadBalancerArn", ":loadbalancer/"),
            "SecurityGroups": "SecurityGroups",
        },
        tags=_TAGS,
        delete="DeleteLoadBalancer",
        await_end=True,
    ),
    TargetGroup(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        "elbv2",
        create="CreateTargetGroup",
        taken=Taken("DescribeTargetGroups", lambda work, name: {"Names": [name]}),
        takes=f"IpAddressType Port Protocol ProtocolVersion TargetControlPort TargetType VpcId {_CHECKS}",
        name="Name",
        longest=32,
        made="TargetGroups[0].TargetGroupArn",
        key="TargetGroupArn",
        describe="DescribeTargetGroups",
        by="TargetGroupArns[]",
        item="TargetGroups[0]",
        also="Targets",
        updates="Targets",
        settings=[
            _attributes("ModifyTargetGroupAttributes", "TargetGroupArn", "TargetGroupAttributes"),
            change("ModifyTargetGroup", "TargetGroupArn", _CHECKS),
        ],
        gives={
            "TargetGroupArn": "TargetGroupArn",
            "TargetGroupName": "TargetGroupName",
            "TargetGroupFullName": _full_name("TargetGroupArn", ":targetgroup/", "targetgroup/"),
            "LoadBalancerArns": "LoadBalancerArns",
        },
        tags=_TAGS,
        delete="DeleteTargetGroup",
    ),
    Declared(
        "AWS::ElasticLoadBalancingV2::Listener",
        "elbv2",
        create="CreateListener",
        takes="AlpnPolicy DefaultActions LoadBalancerArn MutualAuthentication Port Protocol SslPolicy Certificates",
        made="Listeners[0].ListenerArn",
        key="ListenerArn",
        describe="DescribeListeners",
        by="ListenerArns[]",
        item="Listeners[0]",
        settings=[
            _attributes("ModifyListenerAttributes", "ListenerArn", "ListenerAttributes"),
            Setting(
                "ModifyListener",
                "AlpnPolicy DefaultActions MutualAuthentication Port Protocol SslPolicy Certificates",
                _listener,
                on_create=False,
            ),
        ],
        gives={"ListenerArn": "ListenerArn"},
        tags=_TAGS,
        delete="DeleteListener",
    ),
    Declared(
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        "elbv2",
        create="CreateRule",
        takes="Actions Conditions ListenerArn Priority Transforms",
        made="Rules[0].RuleArn",
        key="RuleArn",
        describe="DescribeRules",
        by="RuleArns[]",
        item="Rules[0]",
        settings=[
            change("ModifyRule", "RuleArn", "Actions Conditions Transforms"),
            Setting(
                "SetRulePriorities",
                "Priority",
                lambda work: {"RulePriorities": [{"RuleArn": work.physical, "Priority": work.properties["Priority"]}]},
                on_create=False,
            ),
        ],
        gives={"RuleArn": "RuleArn", "IsDefault": "IsDefault"},
        tags=_TAGS,
        delete="DeleteRule",
    ),
    ListenerCertificate(),
)
