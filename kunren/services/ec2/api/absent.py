"""Kinds that nothing can make yet, so that the honest answer is an empty list: instances and prefix lists."""

from __future__ import annotations

from typing import Any

from kunren.core.context import RequestContext
from kunren.services.ec2.api.base import Ec2Base, Params, operation
from kunren.services.ec2.ids import INSTANCE, PREFIX_LIST, IdForm


class AbsentOperations(Ec2Base):
    @operation
    def describe_instances(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _none_exists(params.get("InstanceIds"), INSTANCE)
        return {"Reservations": []}

    @operation
    def describe_prefix_lists(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _none_exists(params.get("PrefixListIds"), PREFIX_LIST)
        return {"PrefixLists": []}

    @operation
    def describe_managed_prefix_lists(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _none_exists(params.get("PrefixListIds"), PREFIX_LIST)
        return {"PrefixLists": []}


def _none_exists(wanted: list[str] | None, form: IdForm) -> None:
    for each in wanted or ():
        form.check(each)
    if wanted:
        raise form.missing(*wanted)
