"""The dispatch table, made by looking at service objects."""

from typing import Any

from kunren.core.context import RequestContext
from kunren.gateway.links.dispatch import DispatchTable
from kunren.wire.catalog import Catalog


class Sqs:
    list_queues = "not a method"

    def create_queue(self, context: RequestContext, params: dict[str, Any]) -> None: ...

    async def receive_message(self, context: RequestContext, params: dict[str, Any]) -> None: ...

    def helper(self) -> None: ...


def test_only_methods_named_as_operations_are_dispatched_to() -> None:
    service = Sqs()
    table = DispatchTable(Catalog(), {"sqs": service})
    assert table.operations("sqs") == ["CreateQueue", "ReceiveMessage"]
    assert table.method("sqs", "CreateQueue") == service.create_queue
    assert table.method("sqs", "ListQueues") is None
    assert "sqs" in table
    assert "sns" not in table
    assert table.method("sns", "Publish") is None
