"""An image in one more repository, of whatever registry. Their layers are the same files."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kunren.control.store import Tx
from kunren.services.ecr.model import Image, Layer, Repository, within
from kunren.services.ecr.pushing import by_digest, by_tag, layer_of, may_move, without


def copy(tx: Tx, image: Image, tags: Sequence[str], into: Repository, now: float) -> list[tuple[Image, str | None]]:
    """Put the image, and what it lists, into a repository. A tag that may not move there stays where it is: the copy
    comes without it. What has come, each with each of its tags or with None; the image itself last."""
    here = {"account": into.account, "region": into.region, "repository": into.id}
    come: list[tuple[Image, str | None]] = []
    for each in image.blobs:
        layer = tx.get(Layer, image.account, image.region, within(image.repository, each))
        if layer is not None and layer_of(tx, into, each) is None:
            tx.put(msgspec.structs.replace(layer, id=within(into.id, each), pushed_at=now, **here))
    for each in image.manifests:
        part = tx.get(Image, image.account, image.region, within(image.repository, each))
        if part is not None and by_digest(tx, into, each) is None:
            come += copy(tx, part, (), into, now)
    made = by_digest(tx, into, image.digest) or msgspec.structs.replace(
        image, id=within(into.id, image.digest), image_tags=(), pushed_at=now, pulled_at=None, **here
    )
    given = [each for each in tags if _comes_free(tx, into, each, image.digest)]
    made = msgspec.structs.replace(made, image_tags=tuple(dict.fromkeys((*made.image_tags, *given))))
    tx.put(made)
    return [*come, *((made, tag) for tag in given or (None,))]


def _comes_free(tx: Tx, repository: Repository, tag: str, digest: str) -> bool:
    """Whether the image may have the tag; who had it has it no more then."""
    holder = by_tag(tx, repository, tag)
    if holder is not None and holder.digest != digest:
        if not may_move(repository, tag):
            return False
        tx.put(without(holder, (tag,)))
    return True
