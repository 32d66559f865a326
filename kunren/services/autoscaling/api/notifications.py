"""What topics of SNS are told of a group."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.autoscaling import errors, events
from kunren.services.autoscaling.api.base import Operations, Params, Result, find, paged
from kunren.services.autoscaling.model import Group


class NotificationOperations(Operations):
    def put_notification_configuration(self, ctx: RequestContext, params: Params) -> Result:
        types, topic = params["NotificationTypes"], params["TopicARN"]
        if unknown := [each for each in types if each not in events.NOTIFICATION_TYPES]:
            raise errors.ValidationError(f'"{unknown[0]}" is not a valid notification type')
        if ":sns:" not in topic:
            raise errors.ValidationError(f"{topic} is not the ARN of a topic")
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            tx.put(replace(group, told={**group.told, topic: tuple(dict.fromkeys(types))}))
            events.note_test(tx, self._entropy, group, topic, self._clock.now())
        return {}

    def describe_notification_configurations(self, ctx: RequestContext, params: Params) -> Result:
        names = params.get("AutoScalingGroupNames") or ()
        found = [
            {"AutoScalingGroupName": group.id, "TopicARN": topic, "NotificationType": each}
            for group in self._store.snapshot().list(Group, ctx.account, ctx.region)
            if not names or group.id in names
            for topic in sorted(group.told)
            for each in sorted(group.told[topic])
        ]
        page, token = paged(found, params, lambda each: "\0".join(each.values()), 50)
        return {"NotificationConfigurations": page, "NextToken": token}

    def delete_notification_configuration(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            group = find(tx, ctx, params["AutoScalingGroupName"])
            if params["TopicARN"] not in group.told:
                raise errors.ValidationError(f"No such notification configuration: {params['TopicARN']}")
            tx.put(replace(group, told={k: v for k, v in group.told.items() if k != params["TopicARN"]}))
        return {}
