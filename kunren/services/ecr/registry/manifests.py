"""Manifests, by tag and by digest; lists of tags, of referrers and of repositories."""

from __future__ import annotations

import re
from typing import Any

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.fronts import FrontAnswer
from kunren.dataplane.images.reference import DIGEST, TAG
from kunren.services.ecr.caching import cache
from kunren.services.ecr.manifests import MANIFEST_BYTES_MAX, OCI_INDEX
from kunren.services.ecr.model import Image, Repository
from kunren.services.ecr.pushing import (
    View,
    by_digest,
    by_tag,
    images_of,
    listing,
    put,
    remove,
    repository_at,
    untag,
)
from kunren.services.ecr.registry.answers import VERSION, Refusal, document, empty
from kunren.services.ecr.registry.asked import Asked
from kunren.services.ecr.registry.pulls import pulled

_COUNT = re.compile(r"[0-9]{1,9}")
_PAGE_MAX = 1000


class ManifestAnswers:
    """All raise EcrError, Refusal."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def manifest(self, asked: Asked) -> FrontAnswer:
        method = asked.request.method
        if method in ("GET", "HEAD"):
            return await self._get(asked)
        if method == "PUT":
            return await self._put(asked)
        if method == "DELETE":
            return await self._delete(asked)
        raise Refusal(405, "UNSUPPORTED", "The operation is unsupported.")

    async def _get(self, asked: Asked) -> FrontAnswer:
        with self._store.write() as tx:
            if asked.imports:
                cache(tx, asked.path.place, asked.path.rest, self._clock.now())
            repository = repository_at(tx, asked.path.place)
            image = _named(tx, repository, asked.path.rest)
            if asked.request.method == "GET":
                pulled(tx, image, self._clock.now())
        text = image.manifest.encode()
        headers = [("Content-Type", image.media_type), ("Docker-Content-Digest", image.digest),
                   ("Content-Length", str(len(text))), VERSION]  # fmt: skip
        return FrontAnswer(200, headers, text if asked.request.method == "GET" else b"")

    async def _put(self, asked: Asked) -> FrontAnswer:
        reference, text = asked.path.rest, asked.request.body
        if len(text) > MANIFEST_BYTES_MAX:
            raise Refusal(413, "SIZE_INVALID", f"A manifest may have {MANIFEST_BYTES_MAX} bytes at most")
        digest = reference if DIGEST.fullmatch(reference) else None
        if digest is None and not TAG.fullmatch(reference):
            raise Refusal(400, "TAG_INVALID", f"Invalid tag '{reference}'")
        try:
            text.decode()
        except UnicodeDecodeError:
            raise Refusal(400, "MANIFEST_INVALID", "The manifest is not UTF-8") from None
        with self._store.write() as tx:
            repository = repository_at(tx, asked.path.place)
            kind = asked.request.headers.get("content-type")
            tag = reference if digest is None else None
            image = put(tx, repository, text, kind, tag, digest, self._clock.now())
        await self._store.durable()
        subject = [("OCI-Subject", image.subject)] if image.subject else []
        where = f"{asked.base}/{repository.id}/manifests/{image.digest}"
        return empty(201, [("Location", where), ("Docker-Content-Digest", image.digest), *subject])

    async def _delete(self, asked: Asked) -> FrontAnswer:
        with self._store.write() as tx:
            repository = repository_at(tx, asked.path.place)
            image = _named(tx, repository, asked.path.rest)
            if asked.path.rest != image.digest:
                untag(tx, repository, asked.path.rest, self._clock.now())
            elif lists := listing(tx, repository, image.digest):
                text = f"Requested image referenced by manifest list: [{', '.join(lists)}]"
                raise Refusal(405, "DENIED", text)
            else:
                remove(tx, image, self._clock.now())
        await self._store.durable()
        return empty(202, [])

    # --- lists ----------------------------------------------------------------------------------------------------

    def tags(self, asked: Asked) -> FrontAnswer:
        snapshot = self._store.snapshot()
        repository = repository_at(snapshot, asked.path.place)
        found = sorted(tag for image in images_of(snapshot, repository) for tag in image.image_tags)
        part, link = _page(found, asked, f"/v2/{repository.id}/tags/list")
        return document(200, {"name": repository.id, "tags": part}, link)

    def catalog(self, asked: Asked) -> FrontAnswer:
        found = self._store.snapshot().list(Repository, asked.path.account, asked.path.region)
        part, link = _page([each.id for each in found], asked, "/v2/_catalog")
        return document(200, {"repositories": part}, link)

    def referrers(self, asked: Asked) -> FrontAnswer:
        snapshot, digest = self._store.snapshot(), asked.path.rest
        if not DIGEST.fullmatch(digest):
            raise Refusal(400, "DIGEST_INVALID", f"Invalid digest '{digest}'")
        repository = repository_at(snapshot, asked.path.place)
        kind = asked.query.get("artifactType")
        found = [
            _described(each)
            for each in images_of(snapshot, repository)
            if each.subject == digest and kind in (None, each.artifact_type)
        ]
        applied = [("OCI-Filters-Applied", "artifactType")] if kind is not None else []
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
        return document(200, index, applied, OCI_INDEX)


def _named(view: View, repository: Repository, reference: str) -> Image:
    """Raises Refusal."""
    found = by_digest(view, repository, reference) if ":" in reference else by_tag(view, repository, reference)
    if found is None:
        raise Refusal(404, "MANIFEST_UNKNOWN", "Requested image not found")
    return found


def _described(image: Image) -> dict[str, Any]:
    told: dict[str, Any] = {
        "mediaType": image.media_type, "digest": image.digest, "size": len(image.manifest.encode()),
        "artifactType": image.artifact_type,
    }  # fmt: skip
    if image.annotations:
        told["annotations"] = image.annotations
    return told


def _page(names: list[str], asked: Asked, path: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Those behind `last`, `n` of them, and the Link to the next page."""
    count = asked.query.get("n", "")
    most = min(int(count), _PAGE_MAX) if _COUNT.fullmatch(count) else _PAGE_MAX
    behind = [each for each in names if each > asked.query.get("last", "")]
    part = behind[:most]
    if not part or len(behind) <= most:
        return part, []
    return part, [("Link", f'<{path}?last={part[-1]}&n={most}>; rel="next"')]
