"""Which images are to be in other registries too ("Private image replication in Amazon ECR").

A push writes a row for each registry that the rules of its own send it to, in another region or of another account;
`replicating.py` makes the copies. Only what is pushed to a registry goes on: a copy does not, and nothing that was
there before the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kunren.control.store import Snapshot, Tx
from kunren.services.ecr.model import Image, Registry, Replication, Repository
from kunren.services.ecr.policy import lets_replicate


class Destination(NamedTuple):
    """A registry."""

    account: str
    region: str


def destinations(rules: Sequence[dict[str, Any]], repository: str) -> list[Destination]:
    """The registries that a repository's images go to, each once. Pure."""
    return list(dict.fromkeys(
        Destination(each["registryId"], each["region"])
        for rule in rules
        if any(repository.startswith(one["filter"]) for one in rule.get("repositoryFilters") or [{"filter": ""}])
        for each in rule["destinations"]
    ))  # fmt: skip


def want(tx: Tx, image: Image, tag: str | None) -> None:
    """Have an image that was just pushed, with the tag, where the registry's rules say."""
    registry = tx.get(Registry, image.account, image.region, Registry.only)
    for each in destinations(registry.rules if registry is not None else (), image.repository):
        id = f"{image.id}>{each.account}/{each.region}"
        before = tx.get(Replication, image.account, image.region, id)
        tags = (*(before.image_tags if before is not None else ()), *([tag] if tag is not None else []))
        tx.put(
            Replication(
                account=image.account, region=image.region, id=id, repository=image.repository, digest=image.digest,
                registry=each.account, destination=each.region, image_tags=tuple(dict.fromkeys(tags)),
            )
        )  # fmt: skip


def copies(tx: Tx, image: Image) -> list[tuple[Repository, Image]]:
    """The image in the registries that are to lose what is deleted here, where they let us ("Replicating image
    deletions in Amazon ECR")."""
    registry = tx.get(Registry, image.account, image.region, Registry.only)
    every = registry.rules if registry is not None else ()
    rules = [each for each in every if (each.get("deleteReplication") or {}).get("enabled")]
    places = [(*each, image.repository) for each in destinations(rules, image.repository)]
    there = [(tx.get(Repository, *each), tx.get(Image, *each[:2], image.id)) for each in places]
    return [
        (repository, copy)
        for repository, copy in there
        if repository is not None and copy is not None
        and lets_replicate(tx, image.account, repository, "ReplicateImage")
    ]  # fmt: skip


def replications(view: Snapshot | Tx, image: Image) -> list[Replication]:
    """Of an image, sorted by account and region."""
    every = view.list(Replication, image.account, image.region)
    return [each for each in every if (each.repository, each.digest) == (image.repository, image.digest)]
