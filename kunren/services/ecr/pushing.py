"""Images come into a repository, get tags, lose them, and go. Called within transactions, by ECR's API and by the
registry's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.services.ecr import manifests
from kunren.services.ecr.errors import (
    ImageAlreadyExistsException,
    ImageDigestDoesNotMatchException,
    ImageTagAlreadyExistsException,
    LayersNotFoundException,
    ReferencedImagesNotFoundException,
    RepositoryNotFoundException,
)
from kunren.services.ecr.events import DELETE, PUSH, note
from kunren.services.ecr.lifecycle import excluded
from kunren.services.ecr.model import IMMUTABLE, Image, Layer, Repository, within
from kunren.services.ecr.replication import copies, replications, want

View = Snapshot | Tx


class Place(NamedTuple):
    """A repository, by registry, region and name."""

    account: str
    region: str
    name: str


def repository_at(view: View, place: Place) -> Repository:
    """Raises RepositoryNotFoundException."""
    found = view.get(Repository, place.account, place.region, place.name)
    if found is None:
        raise RepositoryNotFoundException(place.name, place.account)
    return found


def images_of(view: View, repository: Repository) -> list[Image]:
    """Sorted by digest."""
    found = view.list(Image, repository.account, repository.region)
    return [each for each in found if each.repository == repository.id]


def by_digest(view: View, repository: Repository, digest: str) -> Image | None:
    return view.get(Image, repository.account, repository.region, within(repository.id, digest))


def by_tag(view: View, repository: Repository, tag: str) -> Image | None:
    return next((each for each in images_of(view, repository) if tag in each.image_tags), None)


def layer_of(view: View, repository: Repository, digest: str) -> Layer | None:
    return view.get(Layer, repository.account, repository.region, within(repository.id, digest))


def may_move(repository: Repository, tag: str) -> bool:
    """Whether a tag that is there may be given to another image."""
    return repository.mutability.startswith(IMMUTABLE) == excluded(tag, repository.exclusions)


def put(
    tx: Tx, repository: Repository, text: bytes, media_type: str | None, tag: str | None, digest: str | None,
    now: float, *, again: bool = True,
) -> Image:  # fmt: skip
    """The image with that manifest, and with the tag. `again`: it may be there already, with the tag too.
    Raises EcrError."""
    manifest = manifests.read(text, media_type)
    if digest is not None and digest != manifest.digest:
        raise ImageDigestDoesNotMatchException(
            f"The image digest '{digest}' does not match the digest '{manifest.digest}' of the manifest"
        )
    image = by_digest(tx, repository, manifest.digest)
    holder = by_tag(tx, repository, tag) if tag is not None else None
    if not again and image is not None and (tag is None or holder == image):
        raise ImageAlreadyExistsException(
            f"Image with digest '{manifest.digest}' and tag '{tag}' already exists in the repository with name "
            f"'{repository.id}' in registry with id '{repository.account}'"
        )
    if holder is not None and tag is not None and not may_move(repository, tag):
        raise ImageTagAlreadyExistsException(tag, repository.id)
    _check_parts(tx, repository, manifest)
    if image is None:
        image = Image(
            account=repository.account, region=repository.region, id=within(repository.id, manifest.digest),
            repository=repository.id, digest=manifest.digest, manifest=text.decode(), media_type=manifest.media_type,
            artifact_type=manifest.artifact_type, blobs=tuple(each for each, _ in manifest.blobs),
            manifests=manifest.manifests, subject=manifest.subject, annotations=manifest.annotations,
            size=sum(size for _, size in manifest.blobs), pushed_at=now,
        )  # fmt: skip
    if tag is not None:
        if holder is not None and holder != image:
            tx.put(without(holder, (tag,)))
        if tag not in image.image_tags:
            image = msgspec.structs.replace(image, image_tags=(*image.image_tags, tag))
    tx.put(image)
    note(tx, image, PUSH, tag, now)
    want(tx, image, tag)
    return image


def _check_parts(tx: Tx, repository: Repository, manifest: manifests.Manifest) -> None:
    missing = [each for each, _ in manifest.blobs if layer_of(tx, repository, each) is None]
    if missing:
        raise LayersNotFoundException(
            f"Layers with digests '{', '.join(missing)}' required for pushing image into repository with name "
            f"'{repository.id}' in the registry with id '{repository.account}' do not exist"
        )
    absent = [each for each in manifest.manifests if by_digest(tx, repository, each) is None]
    if absent:
        raise ReferencedImagesNotFoundException(
            f"Images with digests '{', '.join(absent)}' required for pushing image into repository with name "
            f"'{repository.id}' in the registry with id '{repository.account}' do not exist"
        )


def without(image: Image, tags: Iterable[str]) -> Image:
    gone = set(tags)
    return msgspec.structs.replace(image, image_tags=tuple(each for each in image.image_tags if each not in gone))


def listing(view: View, repository: Repository, digest: str) -> list[str]:
    """The digests of the indexes that list an image."""
    return [each.digest for each in images_of(view, repository) if digest in each.manifests]


def remove(tx: Tx, image: Image, now: float) -> None:
    """An image goes, with all of its tags, and so do its copies where the registry's rules say that."""
    _delete(tx, image, now)
    for repository, copy in copies(tx, image):
        if not listing(tx, repository, copy.digest):
            _delete(tx, copy, now)


def _delete(tx: Tx, image: Image, now: float) -> None:
    tx.delete(image)
    for each in replications(tx, image):
        tx.delete(each)
    for tag in image.image_tags or (None,):
        note(tx, image, DELETE, tag, now)


def untag(tx: Tx, repository: Repository, tag: str, now: float) -> Image | None:
    """Take a tag away; with its last one the image goes too. The image as it was, None where no image has the tag."""
    image = by_tag(tx, repository, tag)
    if image is not None:
        left = without(image, (tag,))
        if left.image_tags or listing(tx, repository, image.digest):
            for each in (image, *(copy for _, copy in copies(tx, image) if tag in copy.image_tags)):
                tx.put(without(each, (tag,)))
                note(tx, each, DELETE, tag, now)
        else:
            remove(tx, image, now)
    return image
