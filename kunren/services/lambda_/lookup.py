"""What a name with its qualifier leads to: a function, one of its versions, one of its aliases. Pure readers."""

from __future__ import annotations

from collections.abc import Callable

from kunren.control.store import Snapshot, Tx
from kunren.services.lambda_.capacity.model import LATEST_PUBLISHED
from kunren.services.lambda_.errors import (
    InvalidParameterValueException,
    NoPublishedVersionException,
    ResourceNotFoundException,
)
from kunren.services.lambda_.model import LATEST, Alias, Configured, Function, PublishedVersion
from kunren.services.lambda_.names import FunctionName

Source = Snapshot | Tx


def find_function(source: Source, name: FunctionName) -> Function:
    """The function, whatever its qualifier says. Raises ResourceNotFoundException."""
    function = source.get(Function, name.account, name.region, name.name)
    if function is None:
        raise ResourceNotFoundException(f"Function not found: {name.qualified_arn}")
    return function


def find(source: Source, name: FunctionName, choose: Callable[[Alias], str] | None = None) -> Configured:
    """What the qualifier names; of an alias its version, or the one of two that `choose` picks.
    Raises ResourceNotFoundException."""
    function = find_function(source, name)
    if name.qualifier in ("", LATEST):
        return function
    version = name.qualifier
    alias = get_alias(source, name)
    if alias is not None:
        version = choose(alias) if choose is not None else alias.version
        if version == LATEST:
            return function
    found = source.get(PublishedVersion, name.account, name.region, f"{name.name}:{version}")
    if found is None:
        raise ResourceNotFoundException(f"Function not found: {name.qualified_arn}")
    return found


def find_invoked(source: Source, name: FunctionName, choose: Callable[[Alias], str] | None = None) -> Configured:
    """What an invocation of that name runs: of a function on managed instances never $LATEST, but without a qualifier
    $LATEST.PUBLISHED. Raises ResourceNotFoundException, NoPublishedVersionException, InvalidParameterValueException."""
    found = find(source, name, choose)
    if found.capacity is None or found.version != LATEST:
        return found
    if name.qualifier:
        raise InvalidParameterValueException(
            "You cannot invoke the $LATEST version of a function that uses a capacity provider."
        )
    published = source.get(PublishedVersion, name.account, name.region, f"{name.name}:{LATEST_PUBLISHED}")
    if published is None:
        raise NoPublishedVersionException("The function has no published versions available.")
    return published


def version_number(version: Configured) -> int:
    """Where it stands among the versions: $LATEST first, then by number, $LATEST.PUBLISHED last."""
    if version.version.isdecimal():
        return int(version.version)
    return 0 if version.version == LATEST else 10**11


def get_alias(source: Source, name: FunctionName) -> Alias | None:
    """The alias that the qualifier is, if it is one."""
    return source.get(Alias, name.account, name.region, f"{name.name}:{name.qualifier}")


def find_alias(source: Source, name: FunctionName, alias: str) -> Alias:
    """Raises ResourceNotFoundException."""
    found = source.get(Alias, name.account, name.region, f"{name.name}:{alias}")
    if found is None:
        raise ResourceNotFoundException(f"Cannot find alias arn: {name.arn}:{alias}")
    return found


def versions_of(source: Source, function: Function) -> list[PublishedVersion]:
    """Its published versions, oldest first."""
    versions = source.list(PublishedVersion, function.account, function.region)
    return sorted((each for each in versions if each.name == function.id), key=version_number)


def aliases_of(source: Source, function: Function) -> list[Alias]:
    """Its aliases, by name."""
    return [each for each in source.list(Alias, function.account, function.region) if each.function == function.id]
