"""Tells SNS topics what happens to VPC endpoints ("Receive alerts for endpoint service events").

What happened is written down in the transaction in which it happens, for each notification that wants it, and taken
away once SNS has the message: so nothing is lost, and after a crash something may be told twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock, iso_utc
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.model import EndpointEvent, EndpointNotification, VpcEndpoint

CONNECT, ACCEPT, REJECT, DELETE = EVENTS = ("Connect", "Accept", "Reject", "Delete")


def note(tx: Tx, entropy: Entropy, endpoint: VpcEndpoint, event: str, now: float) -> None:
    """Something happened to the endpoint: whoever asked is to be told."""
    for each in tx.every(EndpointNotification):
        of_service = (each.account, each.service_id) == (endpoint.provider, endpoint.service)
        of_endpoint = (each.account, each.endpoint_id) == (endpoint.account, endpoint.id)
        if each.region == endpoint.region and event in each.events and (of_service or of_endpoint):
            message = {
                "event": event,
                "vpcEndpointId": endpoint.id,
                "vpcEndpointOwner": endpoint.account,
                "serviceId": endpoint.service,
                "notificationId": each.id,
                "time": iso_utc(now),
            }
            tx.put(
                EndpointEvent(
                    account=each.account,
                    region=each.region,
                    id=entropy.hex(16),
                    topic=each.topic,
                    message=json.dumps(message),
                )
            )


class EndpointEvents:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store = store
        self._call = call
        self._controller = Controller(
            "endpoint-events",
            store,
            clock,
            keys=lambda snapshot, key: (_work(key),),
            every=_all_work,
            reconcile=self._reconcile,
            wants=lambda kind: kind == EndpointEvent.kind,
        )

    async def run(self) -> None:
        await self._controller.run()

    async def settled(self) -> None:
        await self._controller.settled()

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        event = self._store.snapshot().get(EndpointEvent, account, region, id)
        if event is None:
            return
        try:
            await self._call(account, region, "sns", "Publish", {"TopicArn": event.topic, "Message": event.message})
        except AwsError as error:
            if error.code not in ("NotFound", "AuthorizationError"):
                raise  # the topic is there: again later
        with self._store.write() as tx:
            if tx.get(EndpointEvent, account, region, id) is not None:
                tx.delete(event)


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"


def _all_work(snapshot: Snapshot) -> Iterable[str]:
    return [_work(each.key) for each in snapshot.every(EndpointEvent)]
