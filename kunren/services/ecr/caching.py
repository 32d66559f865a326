"""Pull through caches of other registries of ECR ("Sync an upstream registry with an Amazon ECR private registry").

Who pulls an image that is not there, from a repository whose name a rule of the registry claims, gets it from upstream:
it is copied first, into a repository that is made where it is missing. A tag is looked for upstream again a day after
it was last; a digest never moves.
"""

from __future__ import annotations

from collections.abc import Sequence

from kunren.control.store import Snapshot, Tx
from kunren.services.ecr.copying import copy
from kunren.services.ecr.events import note_cached
from kunren.services.ecr.model import CacheRule, Checked, Image, Repository, usual
from kunren.services.ecr.policy import lets_pull
from kunren.services.ecr.pushing import Place, by_digest, by_tag
from kunren.services.ecr.registry.asked import registry_of

ROOT = "ROOT"
CHECKED_EVERY_S = 24 * 3600


def rule_for(rules: Sequence[CacheRule], name: str) -> CacheRule | None:
    """The one that claims a repository of that name: of several the one that says most of it. Pure."""
    found = [each for each in rules if each.id == ROOT or name.startswith(f"{each.id}/")]
    return max(found, key=lambda each: 0 if each.id == ROOT else len(each.id), default=None)


def upstream_of(rule: CacheRule, name: str) -> Place | None:
    """Where the rule's upstream has what the cache calls so. Pure."""
    registry = registry_of(rule.upstream)
    if registry is None:
        return None
    rest = name if rule.id == ROOT else name.removeprefix(f"{rule.id}/")
    return Place(*registry, rest if rule.upstream_prefix == ROOT else f"{rule.upstream_prefix}/{rest}")


def due(view: Snapshot | Tx, place: Place, reference: str, now: float) -> Image | None:
    """The upstream's image that is to be copied before somebody pulls that tag or digest; None where none is."""
    rule = rule_for(view.list(CacheRule, place.account, place.region), place.name)
    source = upstream_of(rule, place.name) if rule is not None else None
    if rule is None or source is None:
        return None
    if held(view, place, reference) and (":" in reference or _fresh(view, place, reference, now)):
        return None
    there = view.get(Repository, *source)
    if there is None or not lets_pull(view, place.account, rule.role, there):
        return None
    return _found(view, there, reference)


def held(view: Snapshot | Tx, place: Place, reference: str) -> bool:
    """Whether the image is there already, perhaps as it was upstream before."""
    here = view.get(Repository, *place)
    return here is not None and _found(view, here, reference) is not None


def cache(tx: Tx, place: Place, reference: str, now: float) -> None:
    """Have the image here that somebody is about to pull, if a rule is to bring it."""
    image = due(tx, place, reference, now)
    if image is None:
        return
    tag = reference if ":" not in reference else None
    into = tx.get(Repository, *place)
    if into is None:
        into = usual(*place, now)
        tx.put(into)
    if tag is not None:
        tx.put(
            Checked(account=place.account, region=place.region, id=f"{place.name}:{tag}", repository=place.name, at=now)
        )
    if (here := _found(tx, into, reference)) is not None and here.digest == image.digest:
        return
    made, given = copy(tx, image, [tag] if tag is not None else [], into, now)[-1]
    rule = rule_for(tx.list(CacheRule, place.account, place.region), place.name)
    assert rule is not None
    note_cached(tx, made, rule, given, now)


def _fresh(view: Snapshot | Tx, place: Place, tag: str, now: float) -> bool:
    checked = view.get(Checked, place.account, place.region, f"{place.name}:{tag}")
    return checked is not None and now - checked.at < CHECKED_EVERY_S


def _found(view: Snapshot | Tx, repository: Repository, reference: str) -> Image | None:
    return by_digest(view, repository, reference) if ":" in reference else by_tag(view, repository, reference)
