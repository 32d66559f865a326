"""How long recovery takes and what is lost, per component and disruption: estimated from what is configured. Pure.

The arithmetic is Elastic Load Balancing's, Route 53's and Global Accelerator's own: health check interval times
threshold plus timeout, then the time to live of the DNS answers that clients hold. Restoring and deploying take what
the constants below assume; nothing here measures anything, so a drill's result goes before it.
"""

from __future__ import annotations

from kunren.services.resiliencehub.facts import ALIAS_TTL_S, BALANCER, BUCKET, FUNCTION, QUEUE, TABLE, Component, Facts
from kunren.services.resiliencehub.model import DISRUPTIONS, NEVER_S, Disruption, Recovery

ROLL_BACK_S, DEPLOY_S, RESTORE_S = 60, 900, 7200
"""An alias pointed back; code deployed anew; data restored from a copy."""
ESTIMATED = "Estimated from the configuration; no drill has measured it."


def recoveries(component: Component, facts: Facts) -> dict[str, Recovery]:
    """What each disruption costs this component."""
    return {each: _recovery(component, facts, each) for each in DISRUPTIONS}


def _recovery(component: Component, facts: Facts, disruption: Disruption) -> Recovery:
    if disruption == "Region":
        return _region(component, facts)
    match component.kind:
        case kind if kind == BALANCER:
            return _balancer(component, disruption)
        case kind if kind == FUNCTION:
            return _function(component, disruption)
    return _data(component, disruption)


def _balancer(component: Component, disruption: Disruption) -> Recovery:
    """A load balancer is as good as the worst of the groups behind it; one that answers by itself has none."""
    if disruption == "AZ" and component.zones < 2:
        return never("single-az", "The load balancer stands in one Availability Zone.")
    worst = 0.0
    for behind in component.behind:
        if behind.detection_s is None:
            return never("no-health-check", "Nobody checks the health of the targets.")
        if behind.targets < 2:
            return never("single-target", "There is no second target that serves.")
        if disruption == "AZ" and behind.zones < 2:
            return never("single-az", "All targets are in one Availability Zone.")
        worst = max(worst, behind.detection_s)
    if disruption == "AZ":
        return known(max(worst, ALIAS_TTL_S), 0, "Health checks, then the time to live of the load balancer's name.")
    return known(worst, 0, "The load balancer's health checks take the target out.")


def _function(component: Component, disruption: Disruption) -> Recovery:
    if disruption != "Software":
        return known(0, 0, "Lambda runs functions in several Availability Zones.")
    if component.versions:
        return known(ROLL_BACK_S, 0, "An alias is pointed back to the version before.")
    return known(DEPLOY_S, 0, "The code is deployed anew.", "no-version")


def _data(component: Component, disruption: Disruption) -> Recovery:
    if disruption != "Software":
        return known(0, 0, "The service keeps data in several Availability Zones.")
    if component.kind == QUEUE:
        return known(DEPLOY_S, 0, "The consumer is deployed anew; messages wait.")
    if component.versions:
        return known(RESTORE_S, 0, "The versions before are put back.")
    return never("no-backup", "No copy is known from which data could be restored.")


def _region(component: Component, facts: Facts) -> Recovery:
    if component.kind in (TABLE, BUCKET, QUEUE):
        if not component.replicas:
            return never("no-replica", "No replica in another Region is known.")
        return known(RESTORE_S, RESTORE_S, f"The replica in {component.replicas[0]} is put into service.")
    others = [each for each in facts.components if each.kind == component.kind and each.region != component.region]
    if not others:
        return never("no-replica", "There is nothing of the kind in another Region.")
    if not facts.ways:
        return never("no-way", "No DNS record and no accelerator leads clients to the other Region.")
    noticing = [each for each in facts.ways if each.detection_s is not None]
    if not noticing:
        return never("no-failover-check", f"Nothing tells {facts.ways[0].name} that a Region does not answer.")
    best = min(noticing, key=lambda each: (each.detection_s or 0.0) + each.ttl_s)
    behind = max((each.detection_s or 0.0 for each in component.behind), default=0.0)
    seconds = max(best.detection_s or 0.0, behind) + best.ttl_s
    words = f"{best.name} notices, then its time to live of {best.ttl_s} s."
    return known(seconds, 0, words, "ttl" if best.ttl_s else "")


def known(rto_s: float, rpo_s: float, words: str, missing: str = "") -> Recovery:
    return Recovery(
        rto_s=round(rto_s), rpo_s=round(rpo_s), rto_words=f"{words} {ESTIMATED}", rpo_words=ESTIMATED,
        missing=(missing,) if missing else (),
    )  # fmt: skip


def never(missing: str, words: str) -> Recovery:
    """It does not come back by itself, and no plan says how."""
    return Recovery(rto_s=NEVER_S, rpo_s=NEVER_S, rto_words=words, rpo_words=words, missing=(missing,))
