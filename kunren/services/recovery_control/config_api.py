"""The configuration of routing controls (Recovery Control Configuration API Reference)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from urllib.parse import unquote

import msgspec

from kunren.control.store import Resource, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import WireError
from kunren.core.pagination import InvalidToken, page
from kunren.services.recovery_control.errors import (
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from kunren.services.recovery_control.model import DEPLOYED, Cluster, ControlPanel, RoutingControl, SafetyRule
from kunren.services.route53.model import HealthCheck

R = TypeVar("R", Cluster, ControlPanel, RoutingControl, SafetyRule)
GLOBAL = ""
# "Quotas for routing control"
CLUSTERS_MAX, PANELS_MAX, CONTROLS_MAX, RULES_MAX = 2, 50, 100, 20
PAGE = 1000


class ConfigApi:
    """Handlers of route53-recovery-control-config. `woken` is told of clusters that are to be made."""

    service: ClassVar[str] = "route53-recovery-control-config"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, regions: Sequence[str]) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._regions = tuple(regions)
        self.woken: Callable[[], None] = lambda: None

    # --- finding --------------------------------------------------------------------------------------------------

    def _find(self, view: Snapshot | Tx, kind: type[R], ctx: RequestContext, arn: str) -> R:
        """Raises ResourceNotFoundException."""
        found = view.get(kind, ctx.account, GLOBAL, unquote(arn))
        if found is None:
            raise ResourceNotFoundException(f"Resource not found: {unquote(arn)}")
        return found

    def _arn(self, ctx: RequestContext, resource: str) -> str:
        return f"arn:aws:route53-recovery-control::{ctx.account}:{resource}"

    def _again(self, tx: Tx, kind: type[R], ctx: RequestContext, token: str | None) -> R | None:
        """What the same client token made already."""
        made = (each for each in tx.list(kind, ctx.account, GLOBAL) if token and each.token == token)
        return next(made, None)

    @staticmethod
    def _room(others: Sequence[Resource], names: Sequence[str], name: str, most: int) -> None:
        if name in names:
            raise ConflictException(f"A resource with the name {name} already exists")
        if len(others) >= most:
            raise ServiceQuotaExceededException(f"The quota of {most} is reached")

    # --- clusters -------------------------------------------------------------------------------------------------

    def create_cluster(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        _check_network(params)
        with self._store.write() as tx:
            made = self._again(tx, Cluster, ctx, params.get("ClientToken"))
            if made is None:
                others = tx.list(Cluster, ctx.account, GLOBAL)
                self._room(others, [each.name for each in others], params["ClusterName"], CLUSTERS_MAX)
                made = Cluster(
                    account=ctx.account, region=GLOBAL, id=self._arn(ctx, f"cluster/{self._entropy.uuid()}"),
                    name=params["ClusterName"], regions=self._regions, token=params.get("ClientToken"),
                    network_type=params.get("NetworkType") or "IPV4", tags=params.get("Tags") or {},
                )  # fmt: skip
                tx.put(made)
                tx.put(self._panel(ctx, made, "DefaultControlPanel", True, None, {}))
        self.woken()
        return {"Cluster": cluster_shape(made)}

    def describe_cluster(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"Cluster": cluster_shape(self._find(self._store.snapshot(), Cluster, ctx, params["ClusterArn"]))}

    def update_cluster(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        _check_network(params)
        with self._store.write() as tx:
            found = self._find(tx, Cluster, ctx, params["ClusterArn"])
            changed = msgspec.structs.replace(found, network_type=params["NetworkType"])
            tx.put(changed)
        return {"Cluster": cluster_shape(changed)}

    def delete_cluster(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._find(tx, Cluster, ctx, params["ClusterArn"])
            panels = [each for each in tx.list(ControlPanel, ctx.account, GLOBAL) if each.cluster == found.id]
            if any(not each.default for each in panels) or any(self._controls(tx, each) for each in panels):
                raise ConflictException("The cluster still has control panels or routing controls")
            for each in panels:
                tx.delete(each)
            tx.delete(found)

    def list_clusters(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return _page("Clusters", self._store.snapshot().list(Cluster, ctx.account, GLOBAL), params, cluster_shape)

    # --- control panels -------------------------------------------------------------------------------------------

    def _panel(
        self, ctx: RequestContext, cluster: Cluster, name: str, default: bool, token: str | None, tags: dict[str, str]
    ) -> ControlPanel:
        arn = self._arn(ctx, f"controlpanel/{self._entropy.hex(32)}")
        return ControlPanel(
            account=ctx.account, region=GLOBAL, id=arn, name=name, cluster=cluster.id, default=default, token=token,
            tags=tags,
        )  # fmt: skip

    def _controls(self, view: Snapshot | Tx, panel: ControlPanel) -> list[RoutingControl]:
        return [each for each in view.list(RoutingControl, panel.account, GLOBAL) if each.panel == panel.id]

    def _rules(self, view: Snapshot | Tx, panel: ControlPanel) -> list[SafetyRule]:
        return [each for each in view.list(SafetyRule, panel.account, GLOBAL) if each.panel == panel.id]

    def create_control_panel(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            made = self._again(tx, ControlPanel, ctx, params.get("ClientToken"))
            if made is None:
                cluster = self._find(tx, Cluster, ctx, params["ClusterArn"])
                others = [each for each in tx.list(ControlPanel, ctx.account, GLOBAL) if each.cluster == cluster.id]
                name = params["ControlPanelName"]
                self._room(others, [each.name for each in others], name, PANELS_MAX)
                made = self._panel(ctx, cluster, name, False, params.get("ClientToken"), params.get("Tags") or {})
                tx.put(made)
        return {"ControlPanel": self._panel_shape(self._store.snapshot(), made)}

    def describe_control_panel(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = self._find(snapshot, ControlPanel, ctx, params["ControlPanelArn"])
        return {"ControlPanel": self._panel_shape(snapshot, found)}

    def update_control_panel(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = self._find(tx, ControlPanel, ctx, params["ControlPanelArn"])
            changed = msgspec.structs.replace(found, name=params["ControlPanelName"])
            tx.put(changed)
        return {"ControlPanel": self._panel_shape(self._store.snapshot(), changed)}

    def delete_control_panel(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._find(tx, ControlPanel, ctx, params["ControlPanelArn"])
            if found.default:
                raise ConflictException("The default control panel goes with its cluster")
            if self._controls(tx, found) or self._rules(tx, found):
                raise ConflictException("The control panel still has routing controls or safety rules")
            tx.delete(found)

    def list_control_panels(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, cluster = self._store.snapshot(), params.get("ClusterArn")
        found = [each for each in snapshot.list(ControlPanel, ctx.account, GLOBAL) if cluster in (None, each.cluster)]
        return _page("ControlPanels", found, params, lambda each: self._panel_shape(snapshot, each))

    def _panel_shape(self, view: Snapshot, panel: ControlPanel) -> dict[str, Any]:
        return {
            "ClusterArn": panel.cluster, "ControlPanelArn": panel.id, "DefaultControlPanel": panel.default,
            "Name": panel.name, "RoutingControlCount": len(self._controls(view, panel)), "Status": DEPLOYED,
            "Owner": panel.account,
        }  # fmt: skip

    # --- routing controls -----------------------------------------------------------------------------------------

    def create_routing_control(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            made = self._again(tx, RoutingControl, ctx, params.get("ClientToken"))
            if made is None:
                cluster = self._find(tx, Cluster, ctx, params["ClusterArn"])
                panel = self._panel_for(tx, ctx, cluster, params.get("ControlPanelArn"))
                others, name = self._controls(tx, panel), params["RoutingControlName"]
                self._room(others, [each.name for each in others], name, CONTROLS_MAX)
                made = RoutingControl(
                    account=ctx.account, region=GLOBAL, id=f"{panel.id}/routingcontrol/{self._entropy.hex(16)}",
                    name=name, panel=panel.id, cluster=cluster.id, token=params.get("ClientToken"),
                )  # fmt: skip
                tx.put(made)
        return {"RoutingControl": control_shape(made)}

    def _panel_for(self, tx: Tx, ctx: RequestContext, cluster: Cluster, arn: str | None) -> ControlPanel:
        if arn is not None:
            panel = self._find(tx, ControlPanel, ctx, arn)
            if panel.cluster != cluster.id:
                raise ValidationException("The control panel is not one of the cluster's")
            return panel
        own = (each for each in tx.list(ControlPanel, ctx.account, GLOBAL) if each.cluster == cluster.id)
        return next(each for each in own if each.default)

    def describe_routing_control(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._find(self._store.snapshot(), RoutingControl, ctx, params["RoutingControlArn"])
        return {"RoutingControl": control_shape(found)}

    def update_routing_control(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = self._find(tx, RoutingControl, ctx, params["RoutingControlArn"])
            changed = msgspec.structs.replace(found, name=params["RoutingControlName"])
            tx.put(changed)
        return {"RoutingControl": control_shape(changed)}

    def delete_routing_control(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._find(tx, RoutingControl, ctx, params["RoutingControlArn"])
            for rule in tx.list(SafetyRule, ctx.account, GLOBAL):
                if found.id in (*rule.controls, *rule.targets):
                    raise ConflictException(f"The routing control is part of the safety rule {rule.name}")
            tx.delete(found)

    def list_routing_controls(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        panel = self._find(snapshot, ControlPanel, ctx, params["ControlPanelArn"])
        return _page("RoutingControls", self._controls(snapshot, panel), params, control_shape)

    def list_associated_route53_health_checks(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        control = self._find(snapshot, RoutingControl, ctx, params["RoutingControlArn"])
        found = [
            each
            for each in snapshot.list(HealthCheck, ctx.account, GLOBAL)
            if each.config.routing_control == control.id
        ]
        return _page("HealthCheckIds", found, params, lambda each: each.id)

    # --- safety rules ---------------------------------------------------------------------------------------------

    def create_safety_rule(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        given, gating = _one_of(params, "AssertionRule", "GatingRule")
        with self._store.write() as tx:
            made = self._again(tx, SafetyRule, ctx, params.get("ClientToken"))
            if made is None:
                panel = self._find(tx, ControlPanel, ctx, given["ControlPanelArn"])
                others = self._rules(tx, panel)
                self._room(others, [each.name for each in others], given["Name"], RULES_MAX)
                controls = tuple(given["GatingControls" if gating else "AssertedControls"])
                targets = tuple(given["TargetControls"]) if gating else ()
                own = {each.id for each in self._controls(tx, panel)}
                if not controls or not set(controls) | set(targets) <= own:
                    raise ValidationException("The routing controls of a safety rule must be in its control panel")
                made = SafetyRule(
                    account=ctx.account, region=GLOBAL, id=f"{panel.id}/safetyrule/{self._entropy.hex(16)}",
                    name=given["Name"], panel=panel.id, gating=gating, controls=controls, targets=targets,
                    config=given["RuleConfig"], wait_ms=given["WaitPeriodMs"], token=params.get("ClientToken"),
                    tags=params.get("Tags") or {},
                )  # fmt: skip
                tx.put(made)
        return rule_shape(made)

    def describe_safety_rule(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return rule_shape(self._find(self._store.snapshot(), SafetyRule, ctx, params["SafetyRuleArn"]))

    def update_safety_rule(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        given, _ = _one_of(params, "AssertionRuleUpdate", "GatingRuleUpdate")
        with self._store.write() as tx:
            found = self._find(tx, SafetyRule, ctx, given["SafetyRuleArn"])
            changed = msgspec.structs.replace(found, name=given["Name"], wait_ms=given["WaitPeriodMs"])
            tx.put(changed)
        return rule_shape(changed)

    def delete_safety_rule(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            tx.delete(self._find(tx, SafetyRule, ctx, params["SafetyRuleArn"]))

    def list_safety_rules(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        panel = self._find(snapshot, ControlPanel, ctx, params["ControlPanelArn"])
        found = self._rules(snapshot, panel)
        return _page("SafetyRules", found, params, listed_rule)

    # --- tags -----------------------------------------------------------------------------------------------------

    def _tagged(self, view: Snapshot | Tx, ctx: RequestContext, arn: str) -> Cluster | ControlPanel | SafetyRule:
        name = unquote(arn)
        found = (
            view.get(Cluster, ctx.account, GLOBAL, name)
            or view.get(ControlPanel, ctx.account, GLOBAL, name)
            or view.get(SafetyRule, ctx.account, GLOBAL, name)
        )
        if found is None:
            raise ResourceNotFoundException(f"Resource not found: {name}")
        return found

    def list_tags_for_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": self._tagged(self._store.snapshot(), ctx, params["ResourceArn"]).tags}

    def tag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["ResourceArn"])
            tx.put(msgspec.structs.replace(found, tags={**found.tags, **params["Tags"]}))

    def untag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["ResourceArn"])
            kept = {name: value for name, value in found.tags.items() if name not in params["TagKeys"]}
            tx.put(msgspec.structs.replace(found, tags=kept))

    def get_resource_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """Only a cluster that is shared has one, and nothing is shared here."""
        raise ResourceNotFoundException(f"No policy found for {unquote(params['ResourceArn'])}")


def _one_of(params: Mapping[str, Any], assertion: str, gating: str) -> tuple[Mapping[str, Any], bool]:
    given = [name for name in (assertion, gating) if params.get(name) is not None]
    if len(given) != 1:
        raise ValidationException(f"Exactly one of {assertion} and {gating} must be specified")
    return params[given[0]], given[0] == gating


T = TypeVar("T", bound=Resource)


def _page(name: str, items: Sequence[T], params: Mapping[str, Any], shape: Callable[[T], Any]) -> dict[str, Any]:
    try:
        found, token = page(items, params.get("NextToken"), params.get("MaxResults") or PAGE, lambda each: each.id)
    except InvalidToken:
        raise ValidationException("Invalid NextToken") from None
    return {name: [shape(each) for each in found], **({"NextToken": token} if token else {})}


def cluster_shape(cluster: Cluster) -> dict[str, Any]:
    return {
        "ClusterArn": cluster.id,
        "ClusterEndpoints": [{"Endpoint": endpoint(cluster, each), "Region": each} for each in cluster.regions],
        "Name": cluster.name,
        "Status": cluster.status,
        "Owner": cluster.account,
        "NetworkType": cluster.network_type,
    }


def _check_network(params: Mapping[str, Any]) -> None:
    """Raises NotImplemented: a cluster's endpoints answer at IPv4 addresses alone."""
    if params.get("NetworkType", "IPV4") != "IPV4":
        text = f"Kunren does not give clusters the NetworkType {params['NetworkType']} yet. Use IPV4."
        raise WireError("NotImplemented", text, 501)


def endpoint(cluster: Cluster, region: str) -> str:
    """Where a cluster answers in a region, as AWS names it."""
    return f"https://{cluster.id[-8:]}.route53-recovery-cluster.{region}.amazonaws.com/v1"


def control_shape(control: RoutingControl) -> dict[str, Any]:
    return {
        "ControlPanelArn": control.panel, "Name": control.name, "RoutingControlArn": control.id, "Status": DEPLOYED,
        "Owner": control.account,
    }  # fmt: skip


def rule_shape(rule: SafetyRule) -> dict[str, Any]:
    shared = {
        "ControlPanelArn": rule.panel, "Name": rule.name, "RuleConfig": rule.config, "SafetyRuleArn": rule.id,
        "Status": DEPLOYED, "WaitPeriodMs": rule.wait_ms, "Owner": rule.account,
    }  # fmt: skip
    if rule.gating:
        told = {**shared, "GatingControls": list(rule.controls), "TargetControls": list(rule.targets)}
        return {"GatingRule": told}
    return {"AssertionRule": {**shared, "AssertedControls": list(rule.controls)}}


def listed_rule(rule: SafetyRule) -> dict[str, Any]:
    """In a list, members have other names."""
    (told,) = rule_shape(rule).values()
    return {"GATING" if rule.gating else "ASSERTION": told}
