"""CreateTags, DeleteTags and DescribeTags, over every kind of resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.ec2 import errors, filters, ids, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, operation, paged
from kunren.services.ec2.model import SecurityGroup

Change = Callable[[Mapping[str, str]], dict[str, str]]


class Tag(NamedTuple):
    resource_id: str
    resource_type: str
    key: str
    value: str


FILTERS: dict[str, filters.Getter[Tag]] = {
    "key": lambda tag: tag.key,
    "resource-id": lambda tag: tag.resource_id,
    "resource-type": lambda tag: tag.resource_type,
    "value": lambda tag: tag.value,
}


class TagOperations(Ec2Base):
    @operation
    def create_tags(self, ctx: RequestContext, params: Params) -> None:
        more = tagging.checked(params["Tags"])
        self._change_tags(ctx, params["Resources"], lambda have: tagging.merged(have, more))

    @operation
    def delete_tags(self, ctx: RequestContext, params: Params) -> None:
        self._change_tags(ctx, params["Resources"], lambda have: tagging.without(have, params.get("Tags")))

    def _change_tags(self, ctx: RequestContext, resource_ids: list[str], change: Change) -> None:
        """All or nothing: the first id that does not exist refuses the request."""
        with self.store.write() as tx:
            for each in resource_ids:
                if each.startswith("sgr-"):
                    _change_rule(tx, ctx, each, change)
                    continue
                resource = self._tagged(tx, ctx, each)
                tags = change(resource.tags)
                if tags != resource.tags:
                    tx.put(replace(resource, tags=tags))

    def _tagged(self, tx: Tx, ctx: RequestContext, id: str) -> Any:
        """The resource of that id, of whatever kind: all that can be tagged have `tags`."""
        for kind in ids.TAGGABLE:
            if id.startswith(kind.form.prefix + "-"):
                return self.get(tx, ctx, kind, id)
        raise errors.InvalidId(id)

    @operation
    def describe_tags(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        tags = sorted(_all_tags(self.store.snapshot(), ctx))
        found = filters.select(tags, params.get("Filters"), FILTERS, lambda tag: {tag.key: tag.value})
        page, token = paged(found, params, lambda tag: "\0".join((tag.resource_id, tag.resource_type, tag.key)))
        return {
            "Tags": [
                {
                    "ResourceId": each.resource_id,
                    "ResourceType": each.resource_type,
                    "Key": each.key,
                    "Value": each.value,
                }
                for each in page
            ],
            "NextToken": token,
        }


def _change_rule(tx: Tx, ctx: RequestContext, rule_id: str, change: Change) -> None:
    for group in tx.list(SecurityGroup, ctx.account, ctx.region):
        for rule in group.rules:
            if rule.id == rule_id:
                changed = replace(rule, tags=change(rule.tags))
                tx.put(replace(group, rules=tuple(changed if each is rule else each for each in group.rules)))
                return
    raise errors.SecurityGroupRuleNotFound(rule_id)


def _all_tags(reader: store.Reader, ctx: RequestContext) -> Iterator[Tag]:
    for kind in ids.TAGGABLE:
        for each in reader.list(kind.resource, ctx.account, ctx.region):
            for key, value in each.tags.items():
                yield Tag(each.id, kind.form.tag_type, key, value)
    for group in reader.list(SecurityGroup, ctx.account, ctx.region):
        for rule in group.rules:
            for key, value in rule.tags.items():
                yield Tag(rule.id, ids.SECURITY_GROUP_RULE.tag_type, key, value)
