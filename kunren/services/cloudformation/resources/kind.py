"""What a resource type is: how it is made, changed and deleted by its service's operations, and what Ref and Fn::GetAtt
give. Most types are a `Declared`: a row of names, no code. What a row can't say is a method of a class of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jmespath

from kunren.core.errors import AwsError
from kunren.services.cloudformation.work import Failed, Work, is_missing

Params = Callable[[Work], Mapping[str, Any]]
IN_USE = frozenset(
    {
        "ClusterContainsContainerInstancesException", "DependencyViolation", "InvalidIPAddress.InUse", "ResourceInUse",
        "ResourceInUseException",
    }
)  # fmt: skip
FREE_WITHIN_S = 300.0
"""AWS time that a deletion waits for what still uses the resource."""


class Unreadable(Exception):
    """Kunren can't tell what a type's resource is like now."""


class Kind:
    """Base of all. `properties` are those that it understands; None where any will do."""

    type: str = ""
    properties: frozenset[str] | None = frozenset()
    attributes: frozenset[str] = frozenset()
    always_updates: bool = False
    """Whether what it stands for may have changed though its properties have not."""

    can_be_snapshot: bool = False
    """Whether the policy `Snapshot` is for it: `snapshot` makes one then."""

    def has_attribute(self, name: str) -> bool:
        return name in self.attributes

    def missing(self) -> str:
        """What Kunren lacks on this machine for the type, in the words of a 501; "" for nothing."""
        return ""

    def must_replace(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Whether a change needs a new resource though the schema leaves it open."""
        return False

    async def create(self, work: Work) -> None:
        raise NotImplementedError

    async def update(self, work: Work) -> None:
        raise NotImplementedError

    async def delete(self, work: Work) -> None:
        raise NotImplementedError

    async def snapshot(self, work: Work) -> None:
        """Keep what it holds, before it is deleted; waits until that is complete."""
        raise NotImplementedError

    async def read(self, work: Work) -> Mapping[str, Any] | None:
        """The properties as they are now, as far as can be told, with the attributes kept in `work`; None where it is
        gone. For drift and import. Raises Unreadable."""
        raise Unreadable


class Setting:
    """Properties that an operation of its own sets, behind creation and on update: when one of them is stated, or
    changes. `on_create` False: the creation takes them itself."""

    def __init__(self, operation: str, properties: str, params: Params, on_create: bool = True) -> None:
        self.operation, self.properties, self.params, self.on_create = (
            operation,
            tuple(properties.split()),
            params,
            on_create,
        )


def change(operation: str, key: str, properties: str, params: Params | None = None) -> Setting:
    """Properties that the creation takes, and that this operation changes: it is told the id as `key`, and all of them,
    by their own names or as `params` has them."""

    def told(work: Work) -> Mapping[str, Any]:
        return {**(params(work) if params is not None else work.pick(*properties.split())), key: work.physical}

    return Setting(operation, properties, told, on_create=False)


class Taken:
    """How to ask whether the account has one of a stated name already, for creations that would write over it: `found`
    is the path to it in the answer, or a function of the answer and the name. What a stack wrote over, its rollback
    would delete."""

    def __init__(
        self,
        operation: str,
        params: Callable[[Work, str], Mapping[str, Any]],
        found: str | Callable[[Mapping[str, Any], str], Any] = "@",
    ) -> None:
        self.operation, self.params, self.found = operation, params, found

    async def must_be_free(self, service: str, work: Work, name: str) -> None:
        """Raises Failed."""

        def found(answer: Mapping[str, Any]) -> Any:
            return self.found(answer, name) if callable(self.found) else jmespath.search(self.found, answer)

        await work.must_be_free(name, service, self.operation, self.params(work, name), found)


class Tagging:
    """How a service takes tags: with the creation (`given`), and later (`change`)."""

    def __init__(
        self,
        given: Callable[[Work], Mapping[str, Any]] | None,
        change: Callable[[Work, dict[str, str], list[str]], Sequence[tuple[str, Mapping[str, Any]]]],
    ) -> None:
        self.given, self.change = given, change

    async def apply(self, service: str, work: Work) -> None:
        added = {key: value for key, value in work.tags.items() if work.old_tags.get(key) != value}
        removed = [key for key in work.old_tags if key not in work.tags]
        if added or removed:
            for operation, params in self.change(work, added, removed):
                await work.write(service, operation, params)


def small(name: str) -> str:
    """A member's name as the many APIs have it whose names begin small."""
    return name[:1].lower() + name[1:]


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tagging(
    named: str,
    by: str | Callable[[Work], str] = "",
    add: str = "TagResource",
    remove: str = "UntagResource",
    *,
    tags: str = "Tags",
    keys: str = "TagKeys",
    as_map: bool = False,
    many: bool = False,
    created: str | None = "",
) -> Tagging:
    """The usual way: two operations, by the resource's id, or by an attribute of it or what a function gives (`by`).
    `created` names the parameter of the creation ("": as `tags`; None: it takes none)."""

    def shape(given: Mapping[str, str]) -> Any:
        return dict(given) if as_map else pairs(given)

    def change(work: Work, added: dict[str, str], removed: list[str]) -> list[tuple[str, Mapping[str, Any]]]:
        id = by(work) if callable(by) else work.attributes[by] if by else work.physical
        to = {named: [id] if many else id}
        calls: list[tuple[str, Mapping[str, Any]]] = []
        if removed:
            calls.append((remove, {**to, keys: removed}))
        if added:
            calls.append((add, {**to, tags: shape(added)}))
        return calls

    given = None if created is None else lambda work: {created or tags: shape(work.tags)} if work.tags else {}
    return Tagging(given, change)


class Declared(Kind):
    """A type as a row.

    - `create` with what it `takes` ("Name", or "Name=Parameter") and `extra`; `made` is the path of the id in its
      answer. Where the resource has a name, `name` is the property, `longest` its most characters, and the id.
    - `describe` asks for it by `by` (in a list where that ends in "[]"); `item` is the path to it in the answer;
      `gives` are its attributes, as paths in the item. `ready` is a path that is true when it is stable, `broken` one
      that gives a reason why it never will be.
    - `taken` asks whether somebody has the stated name, where the creation would write over what is there.
    - `settings` and `tags` can change, and `updates`, that a subclass does. `delete` takes `delete_by` or `key`, and
      `delete_extra`; `await_end` waits until Describe has nothing of it, or `ended` is true of it.
    """

    def __init__(
        self,
        type: str,
        service: str,
        *,
        create: str,
        takes: str = "",
        extra: Params | None = None,
        made: str = "",
        name: str = "",
        longest: int = 64,
        lower: bool = False,
        key: str = "",
        describe: str = "",
        by: str = "",
        item: str = "@",
        gives: Mapping[str, str | Callable[[Any], Any]] | None = None,
        ready: str = "",
        broken: str = "",
        settings: Sequence[Setting] = (),
        tags: Tagging | None = None,
        delete: str = "",
        delete_extra: Params | None = None,
        also: str = "",
        await_end: bool = False,
        ended: str = "",
        region: str = "",
        updates: str = "",
        delete_by: str = "",
        tag_property: str = "Tags",
        taken: Taken | None = None,
    ) -> None:
        self.type, self.service = type, service
        self.create_operation, self.takes, self.extra, self.made = create, tuple(takes.split()), extra, made
        self.name, self.longest, self.lower, self.key = name, longest, lower, key
        self.describe, self.by, self.item = describe, by or key, item
        self.gives = dict(gives or {})
        self.ready, self.broken, self.ended = ready, broken, ended
        self.settings, self.tags, self.delete_operation, self.delete_extra = tuple(settings), tags, delete, delete_extra
        self.await_end, self.region = await_end, region
        self.delete_by, self.taken = delete_by, taken
        self.tag_property, self.updates = tag_property, frozenset(updates.split())
        own = {each.partition("=")[0] for each in self.takes} | set(also.split()) | ({name} if name else set())
        for each in self.settings:
            own |= set(each.properties)
        self.properties = frozenset(own | ({tag_property} if tags else set()))
        self.attributes = frozenset(self.gives)

    # -- parts -------------------------------------------------------------------------------------------------------

    def id_params(self, work: Work) -> dict[str, Any]:
        name = self.delete_by or self.key
        return {name.removesuffix("[]"): [work.physical] if name.endswith("[]") else work.physical}

    def chosen_name(self, work: Work) -> str:
        found: str = work.get(self.name) or work.name(self.longest, self.lower)
        return found

    def describe_params(self, work: Work) -> dict[str, Any]:
        by, in_list = self.by.removesuffix("[]"), self.by.endswith("[]")
        return {by: [work.physical] if in_list else work.physical}

    async def item_of(self, work: Work) -> Any:
        """What Describe shows of it; None where it is gone."""
        try:
            answer = await work.read(self.service, self.describe, self.describe_params(work), self.region)
        except AwsError as error:
            if is_missing(error):
                return None
            raise
        return jmespath.search(self.item, answer)

    async def somebodys(self, work: Work) -> Any:
        """Whether somebody has the name, where that is the id. Raises AwsError: nobody has."""
        return await self.item_of(work) if self.describe and not self.made else None

    async def settle(self, work: Work) -> None:
        """Wait until it is stable, and keep its attributes; where it is only looked at, as it is."""
        if not self.describe:
            work.attributes = dict.fromkeys(self.gives, work.physical)
            return

        async def stable() -> Any:
            item = await self.item_of(work)
            if work.looking:
                return item or {}
            if item is None:
                return None
            if self.broken and (why := jmespath.search(self.broken, item)):
                raise Failed(
                    f'Resource handler returned message: "{why}" (RequestToken: {work.token}, '
                    "HandlerErrorCode: NotStabilized)"
                )
            return item if not self.ready or jmespath.search(self.ready, item) else None

        item = await work.until(stable)
        found = (
            (name, path(item) if callable(path) else jmespath.search(path, item)) for name, path in self.gives.items()
        )
        work.attributes = {name: value for name, value in found if value is not None}

    async def must_be_free(self, work: Work) -> None:
        """Where the name is stated. Raises Failed."""
        if self.taken is not None and self.name in work.properties:
            await self.taken.must_be_free(self.service, work, work.properties[self.name])

    # -- operations --------------------------------------------------------------------------------------------------

    async def create(self, work: Work) -> None:
        params = work.pick(*self.takes)
        if self.name:
            name = self.chosen_name(work)
            await self.must_be_free(work)
            params[self.key if not self.made else self.name] = name
            if not self.made:
                work.known(name)
        if self.extra is not None:
            params.update(self.extra(work))
        if self.tags is not None and self.tags.given is not None:
            params.update(self.tags.given(work))
        await work.write(
            self.service,
            self.create_operation,
            params,
            self.made,
            physical=bool(self.made),
            region=self.region,
            taken=(lambda: self.somebodys(work)) if self.name in work.properties else None,
        )
        for each in self.settings:
            if each.on_create and any(name in work.properties for name in each.properties):
                await work.write(self.service, each.operation, each.params(work), region=self.region)
        await self.settle(work)
        if self.tags is not None and self.tags.given is None:
            await self.tags.apply(self.service, work)

    async def update(self, work: Work) -> None:
        settable = {name for each in self.settings for name in each.properties} | {self.tag_property} | self.updates
        wanting = [name for name in sorted(self.properties or ()) if name not in settable and work.changed(name)]
        if wanting:
            raise Failed(f"Kunren does not implement changes of {', '.join(wanting)} of {self.type} yet.")
        for each in self.settings:
            if work.changed(*each.properties):
                await work.write(self.service, each.operation, each.params(work), region=self.region)
        if self.tags is not None:
            await self.tags.apply(self.service, work)
        await self.settle(work)

    async def delete(self, work: Work) -> None:
        params = {**self.id_params(work), **(self.delete_extra(work) if self.delete_extra else {})}
        began = work.clock.now()

        async def asked() -> bool | None:
            try:
                await work.write(self.service, self.delete_operation, params, region=self.region, missing_ok=True)
            except AwsError as error:
                if error.code not in IN_USE or work.clock.now() - began > FREE_WITHIN_S:
                    raise
                return None  # what used it is on its way out
            return True

        await work.until(asked)
        if self.await_end:

            async def gone() -> bool | None:
                item = await self.item_of(work)
                return True if item is None or (self.ended and jmespath.search(self.ended, item)) else None

            await work.until(gone)

    async def read(self, work: Work) -> Mapping[str, Any] | None:
        if not self.describe:
            raise Unreadable
        item = await self.item_of(work)
        if item is None:
            return None
        await self.settle(work)
        wire = {name: new or name for name, _, new in (each.partition("=") for each in self.takes)}
        names = {name: wire.get(name, name) for name in self.properties or ()}
        return {name: item[key] for name, key in names.items() if isinstance(item, dict) and key in item}
