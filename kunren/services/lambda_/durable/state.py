"""One execution and its operations, read from a snapshot or transaction, changed, and put back: a working copy.

It keeps the counters: every change of an operation is numbered, every event appended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from kunren.control.store import Resource, Tx
from kunren.services.lambda_.durable.model import DurableEvent, DurableExecution, DurableOperation, row_id
from kunren.services.lambda_.lookup import Source


class State:
    """`operations` are by their own id, in the order in which they started."""

    def __init__(self, execution: DurableExecution, operations: dict[str, DurableOperation]) -> None:
        self.execution = execution
        self.operations = operations
        self._changed: dict[str, DurableOperation] = {}
        self._events: list[DurableEvent] = []
        self._read = execution

    @classmethod
    def load(cls, source: Source, account: str, region: str, id: str) -> State | None:
        """None where there is no such execution."""
        execution = source.get(DurableExecution, account, region, id)
        if execution is None:
            return None
        operations = {}
        for number in range(1, execution.operations + 1):
            operation = source.get(DurableOperation, account, region, row_id(id, number))
            assert operation is not None, f"operation {number} of {id} is missing"
            operations[operation.operation] = operation
        return cls(execution, operations)

    def set(self, **fields: Any) -> None:
        """Change the execution."""
        self.execution = msgspec.structs.replace(self.execution, **fields)

    def start(self, **fields: Any) -> DurableOperation:
        """A new operation, the last of all."""
        execution = self.execution
        number = execution.operations + 1
        operation = DurableOperation(
            account=execution.account, region=execution.region, id=row_id(execution.id, number), **fields
        )
        self.set(operations=number)
        return self._put(operation)

    def change(self, operation: DurableOperation, **fields: Any) -> DurableOperation:
        """Change an operation, in a way that the function is to know of."""
        return self._put(msgspec.structs.replace(operation, **fields))

    def change_quietly(self, operation: DurableOperation, **fields: Any) -> None:
        """Change what the function does not see of an operation."""
        operation = msgspec.structs.replace(operation, **fields)
        self.operations[operation.operation] = self._changed[operation.operation] = operation

    def _put(self, operation: DurableOperation) -> DurableOperation:
        self.set(changes=self.execution.changes + 1)
        operation = msgspec.structs.replace(operation, change=self.execution.changes)
        self.operations[operation.operation] = self._changed[operation.operation] = operation
        return operation

    def record(self, type: str, at: float, operation: DurableOperation | None = None, **details: Any) -> None:
        """Append an event to the history."""
        execution = self.execution
        number = execution.events + 1
        event = DurableEvent(
            account=execution.account,
            region=execution.region,
            id=row_id(execution.id, number),
            type=type,
            at=at,
            details=details,
        )
        if operation is not None:
            event = msgspec.structs.replace(
                event,
                operation=operation.operation,
                parent=operation.parent,
                name=operation.name,
                sub_type=operation.sub_type,
            )
        self._events.append(event)
        self.set(events=number)

    def unseen(self) -> Iterator[DurableOperation]:
        """The operations that changed since the function last heard of them."""
        return (each for each in self.operations.values() if each.change > self.execution.seen)

    def save(self, tx: Tx) -> None:
        """Put back what changed."""
        if self.execution is not self._read:
            tx.put(self.execution)
        for operation in self._changed.values():
            tx.put(operation)
        for event in self._events:
            tx.put(event)


def delete(tx: Tx, execution: DurableExecution) -> None:
    """Take away an execution with all that it has."""
    kinds: tuple[tuple[type[Resource], int], ...] = (
        (DurableOperation, execution.operations),
        (DurableEvent, execution.events),
    )
    for kind, count in kinds:
        for number in range(1, count + 1):
            row = tx.get(kind, execution.account, execution.region, row_id(execution.id, number))
            if row is not None:
                tx.delete(row)
    tx.delete(execution)
