"""Rules: create, modify, describe, delete, reorder. The default rule belongs to its listener and is only shown here."""

from __future__ import annotations

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.elbv2 import arns, describe, errors
from kunren.services.elbv2.actions import check_listener
from kunren.services.elbv2.actions import normalise as normalised_actions
from kunren.services.elbv2.api.base import (
    Api,
    Params,
    Result,
    find_balancer,
    find_listener,
    find_rule,
    new_tags,
    pages,
)
from kunren.services.elbv2.associations import rules_of, rules_of_balancer
from kunren.services.elbv2.conditions import normalise as normalised_conditions
from kunren.services.elbv2.forwarding import check_forwards
from kunren.services.elbv2.limits import PRIORITY_MAX
from kunren.services.elbv2.model import Rule
from kunren.services.elbv2.transforms import normalise as normalised_transforms

_LAST = PRIORITY_MAX + 1


class RulesApi(Api):
    def create_rule(self, ctx: RequestContext, params: Params) -> Result:
        """CreateRule. A priority can be used once per listener."""
        transforms = normalised_transforms(params.get("Transforms") or ())
        tags = new_tags(params)
        priority = params["Priority"]
        _check_priority(priority)
        with self._store.write() as tx:
            listener = find_listener(tx, ctx, params["ListenerArn"])
            balancer = find_balancer(tx, ctx, listener.load_balancer_arn)
            if balancer.type == "network":
                raise errors.OperationNotPermitted("Rules are unsupported for Network Load Balancer listeners")
            conditions = normalised_conditions(params["Conditions"], self._limits)
            actions = normalised_actions(params["Actions"], "CreateRule")
            check_listener(actions, listener.protocol, listener.port)
            if any(rule.priority == priority for rule in rules_of(tx, listener)):
                raise _in_use(priority)
            count = sum(rule.priority > 0 for rule in rules_of_balancer(tx, balancer))
            if count >= self._limits.rules_per_load_balancer:
                raise errors.TooManyRules(
                    f"The maximum number of rules on load balancer '{balancer.id}' has been reached"
                )
            check_forwards(tx, ctx, self._limits, balancer, listener.protocol, actions)
            created = Rule(
                account=ctx.account,
                region=ctx.region,
                id=arns.rule_arn(self._parts.entropy, listener.id),
                listener_arn=listener.id,
                priority=priority,
                conditions=conditions,
                actions=actions,
                transforms=transforms,
                tags=tags,
            )
            tx.put(created)
        return {"Rules": [describe.rule(created)]}

    def modify_rule(self, ctx: RequestContext, params: Params) -> Result:
        """ModifyRule: conditions, actions, transforms, each replaced as a whole where it is given."""
        wanted_transforms, reset = params.get("Transforms"), bool(params.get("ResetTransforms"))
        if wanted_transforms and reset:
            raise errors.validation_error("You cannot specify both 'Transforms' and 'ResetTransforms'")
        with self._store.write() as tx:
            found = find_rule(tx, ctx, params["RuleArn"])
            if found.priority == 0:
                raise errors.OperationNotPermitted(f"Default rule '{found.id}' cannot be modified")
            wanted_conditions, wanted_actions = params.get("Conditions"), params.get("Actions")
            if not (wanted_conditions or wanted_actions or wanted_transforms or reset):
                raise errors.validation_error("Either conditions or actions must be specified")
            listener = find_listener(tx, ctx, found.listener_arn)
            balancer = find_balancer(tx, ctx, listener.load_balancer_arn)
            conditions, actions = found.conditions, found.actions
            if wanted_conditions:
                conditions = normalised_conditions(wanted_conditions, self._limits)
            if wanted_actions:
                actions = normalised_actions(wanted_actions, "ModifyRule", found.actions)
                check_listener(actions, listener.protocol, listener.port)
                check_forwards(tx, ctx, self._limits, balancer, listener.protocol, actions, found.id)
            transforms = () if reset else found.transforms
            if wanted_transforms:
                transforms = normalised_transforms(wanted_transforms)
            changed = msgspec.structs.replace(found, conditions=conditions, actions=actions, transforms=transforms)
            tx.put(changed)
        return {"Rules": [describe.rule(changed)]}

    def describe_rules(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeRules: those of a listener in the order they are tried, or those of the ARNs."""
        wanted, listener_arn = params.get("RuleArns") or [], params.get("ListenerArn")
        if not wanted and not listener_arn:
            raise errors.validation_error("You must specify either listener rule ARNs or a listener ARN")
        if wanted and listener_arn:
            raise errors.validation_error("Listener rule ARNs and a listener ARN cannot be specified at the same time")
        snapshot = self._store.snapshot()
        if listener_arn:
            found = rules_of(snapshot, find_listener(snapshot, ctx, listener_arn))
        else:
            for arn in wanted:
                arns.check_arn(arn, "listener rule")
            asked = (snapshot.get(Rule, ctx.account, ctx.region, arn) for arn in set(wanted))
            found = sorted((each for each in asked if each is not None), key=_order)
            if len(found) != len(set(wanted)):
                raise errors.RuleNotFound("One or more rules not found")
        chosen, marker = pages(params, found, _order)
        return {"Rules": [describe.rule(each) for each in chosen], "NextMarker": marker}

    def delete_rule(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = find_rule(tx, ctx, params["RuleArn"])
            if found.priority == 0:
                raise errors.OperationNotPermitted(f"Default rule '{found.id}' cannot be deleted")
            tx.delete(found)
        return {}

    def set_rule_priorities(self, ctx: RequestContext, params: Params) -> Result:
        """SetRulePriorities: all of them or none; rules may swap."""
        with self._store.write() as tx:
            wanted = self._wanted_priorities(tx, ctx, params)
            listeners = {rule.listener_arn for rule, _ in wanted}
            if len(listeners) > 1:
                raise errors.validation_error("All rules must belong to the same listener")
            listener = find_listener(tx, ctx, listeners.pop())
            moving = {rule.id for rule, _ in wanted}
            staying = {rule.priority for rule in rules_of(tx, listener) if rule.id not in moving}
            changed: list[Rule] = []
            for rule, priority in wanted:
                if priority in staying:
                    raise _in_use(priority)
                changed.append(msgspec.structs.replace(rule, priority=priority))
            for rule in changed:
                tx.put(rule)
        return {"Rules": [describe.rule(rule) for rule in changed]}

    def _wanted_priorities(self, tx: Tx, ctx: RequestContext, params: Params) -> list[tuple[Rule, int]]:
        wanted: list[tuple[Rule, int]] = []
        for pair in params["RulePriorities"]:
            arn, priority = pair.get("RuleArn"), pair.get("Priority")
            if not arn or priority is None:
                raise errors.validation_error("A rule ARN and a priority must be specified")
            _check_priority(priority)
            rule = find_rule(tx, ctx, arn)
            if rule.priority == 0:
                raise errors.OperationNotPermitted(f"The priority of default rule '{arn}' cannot be modified")
            if any(each.id == arn for each, _ in wanted):
                raise errors.validation_error(f"Rule '{arn}' was provided multiple times")
            if any(taken == priority for _, taken in wanted):
                raise errors.validation_error(f"Priority '{priority}' was provided multiple times")
            wanted.append((rule, priority))
        if not wanted:
            raise errors.validation_error("At least one rule priority must be specified")
        return wanted


def _order(rule: Rule) -> str:
    """Sorts by listener, then as the rules are tried."""
    return f"{rule.listener_arn} {rule.priority or _LAST:06d}"


def _in_use(priority: int) -> errors.PriorityInUse:
    return errors.PriorityInUse(f"Priority '{priority}' is currently in use")


def _check_priority(priority: int) -> None:
    if not 1 <= priority <= PRIORITY_MAX:
        raise errors.validation_error(f"Priority '{priority}' must be between '1-{PRIORITY_MAX}' inclusive")
