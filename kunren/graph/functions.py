"""Lambda functions."""

from __future__ import annotations

from kunren.graph.draft import Draft
from kunren.graph.model import Node
from kunren.services.lambda_.model import Function, FunctionStatus
from kunren.services.lambda_.view import state


def add(draft: Draft) -> None:
    for function in draft.every(Function):
        status = draft.snapshot.get(FunctionStatus, function.account, function.region, function.id)
        draft.add(
            Node(
                id=function.arn, kind="function", name=function.id, arn=function.arn, account=function.account,
                region=function.region, state=state(function, status),
                details={
                    "runtime": function.runtime,
                    "handler": function.handler,
                    "memory": f"{function.memory_size} MB",
                    "timeout": f"{function.timeout} s",
                },
            )
        )  # fmt: skip
