"""Connection notifications: SNS topics that are told what happens to endpoints, of a service or of one's own."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, filters, ids
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged, resource_id, token_of
from kunren.services.ec2.endpoint_errors import InvalidParameter
from kunren.services.ec2.endpoint_events import EVENTS
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import EndpointNotification
from kunren.services.ec2.store import remember_token

FILTERS: dict[str, Getter[EndpointNotification]] = {
    "connection-notification-arn": lambda each: each.topic,
    "connection-notification-id": lambda each: each.id,
    "connection-notification-state": lambda each: "Enabled",
    "connection-notification-type": lambda each: "Topic",
    "service-id": lambda each: each.service_id,
    "vpc-endpoint-id": lambda each: each.endpoint_id,
}


class EndpointNotificationOperations(Ec2Base):
    @operation
    def create_vpc_endpoint_connection_notification(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        service_id, endpoint_id = params.get("ServiceId"), params.get("VpcEndpointId")
        if bool(service_id) == bool(endpoint_id):
            raise InvalidParameter("Exactly one of ServiceId and VpcEndpointId must be specified.")
        events = _events(params["ConnectionEvents"])
        topic = _topic(params["ConnectionNotificationArn"])
        with self.store.write() as tx:
            made = self.replay(tx, ctx, params, EndpointNotification)
            if made is not None:
                notification = self.get(tx, ctx, ids.ENDPOINT_NOTIFICATION, made)
            else:
                if service_id:
                    self.get(tx, ctx, ids.ENDPOINT_SERVICE, service_id)
                if endpoint_id:
                    self.get(tx, ctx, ids.VPC_ENDPOINT, endpoint_id)
                notification = EndpointNotification(
                    account=ctx.account,
                    region=ctx.region,
                    id=self.entropy.resource_id("vpce-nfn"),
                    service_id=service_id,
                    endpoint_id=endpoint_id,
                    topic=topic,
                    events=events,
                    **token_of(params),
                )
                tx.put(notification)
                remember_token(tx, notification)
        return {"ConnectionNotification": _to_wire(notification), "ClientToken": params.get("ClientToken")}

    @operation
    def modify_vpc_endpoint_connection_notification(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            found = self.get(tx, ctx, ids.ENDPOINT_NOTIFICATION, params["ConnectionNotificationId"])
            if params.get("ConnectionNotificationArn"):
                found = replace(found, topic=_topic(params["ConnectionNotificationArn"]))
            if params.get("ConnectionEvents"):
                found = replace(found, events=_events(params["ConnectionEvents"]))
            tx.put(found)
        return {"ReturnValue": True}

    @operation
    def delete_vpc_endpoint_connection_notifications(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        unsuccessful = []
        with self.store.write() as tx:
            for id in dict.fromkeys(params["ConnectionNotificationIds"]):
                found = tx.get(EndpointNotification, ctx.account, ctx.region, id)
                if found is None:
                    error = ids.ENDPOINT_NOTIFICATION.form.missing(id)
                    unsuccessful.append({"ResourceId": id, "Error": {"Code": error.code, "Message": error.message}})
                else:
                    tx.delete(found)
        return {"Unsuccessful": unsuccessful}

    @operation
    def describe_vpc_endpoint_connection_notifications(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        held = snapshot.list(EndpointNotification, ctx.account, ctx.region)
        if wanted := params.get("ConnectionNotificationId"):
            held = [self.get(snapshot, ctx, ids.ENDPOINT_NOTIFICATION, wanted)]
        page, token = paged(filters.select(held, params.get("Filters"), FILTERS), params, resource_id)
        return {"ConnectionNotificationSet": [_to_wire(each) for each in page], "NextToken": token}


def _events(wanted: list[str]) -> tuple[str, ...]:
    for each in wanted:
        if each not in EVENTS:
            raise errors.InvalidParameterValue(f"Invalid connection event: '{each}'")
    return tuple(dict.fromkeys(wanted))


def _topic(arn: str) -> str:
    if not arn.startswith("arn:aws:sns:"):
        raise errors.InvalidParameterValue(f"Invalid ConnectionNotificationArn: '{arn}'")
    return arn


def _to_wire(notification: EndpointNotification) -> dict[str, Any]:
    return {
        "ConnectionNotificationId": notification.id,
        "ServiceId": notification.service_id,
        "VpcEndpointId": notification.endpoint_id,
        "ConnectionNotificationType": "Topic",
        "ConnectionNotificationArn": notification.topic,
        "ConnectionEvents": list(notification.events),
        "ConnectionNotificationState": "Enabled",
        "ServiceRegion": notification.region,
    }
