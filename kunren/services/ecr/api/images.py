"""Images and layers by ECR's own API, as Docker's credential helpers and the console use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.dataplane.images.reference import DIGEST
from kunren.services.ecr.api.base import Base, named, paged
from kunren.services.ecr.errors import (
    ImageNotFoundException,
    InvalidLayerPartException,
    InvalidParameterException,
    LayerAlreadyExistsException,
    LayerPartTooSmallException,
    LayersUnavailable,
)
from kunren.services.ecr.model import Image, Repository
from kunren.services.ecr.pushing import (
    View,
    by_digest,
    by_tag,
    images_of,
    layer_of,
    listing,
    put,
    remove,
    untag,
)
from kunren.services.ecr.registry.pulls import pulled
from kunren.services.ecr.tokens import layer_name

PART_BYTES, PART_BYTES_MIN = 20 * 1024 * 1024, 5 * 1024 * 1024
"""InitiateLayerUpload's partSize, and what every part but the last has at least (LayerPartTooSmallException)."""
_URL_LIFE_S = 3600


class ImageOperations(Base):
    """Handlers."""

    # --- layers ---------------------------------------------------------------------------------------------------

    def batch_check_layer_availability(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        repository = self._repository(snapshot, ctx, params)
        layers, failures = [], []
        for digest in params["layerDigests"]:
            if not DIGEST.fullmatch(digest):
                why = {"failureCode": "InvalidLayerDigest", "failureReason": "Invalid layer digest"}
                failures.append({"layerDigest": digest, **why})
            elif (layer := layer_of(snapshot, repository, digest)) is None:
                layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
            else:
                size = {"layerSize": layer.size, "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}
                layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE", **size})
        return {"layers": layers, "failures": failures}

    def initiate_layer_upload(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        repository = self._repository(self._store.snapshot(), ctx, params)
        return {"uploadId": self._uploads.start(repository).id, "partSize": PART_BYTES}

    async def upload_layer_part(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        repository = self._repository(self._store.snapshot(), ctx, params)
        upload = self._uploads.find(repository.account, repository.region, repository.id, params["uploadId"])
        first, last, data = params["partFirstByte"], params["partLastByte"], params["layerPartBlob"]
        if first != upload.size or last - first + 1 != len(data) or not data:
            raise InvalidLayerPartException(
                f"The layer part upload of bytes {first} to {last} is not valid: the next expected byte is "
                f"{upload.size}",
                registryId=repository.account, repositoryName=repository.id, uploadId=upload.id,
                lastValidByteReceived=upload.size - 1,
            )  # fmt: skip
        upload = await self._uploads.append(upload, data, len(data) < PART_BYTES_MIN)
        return {**named(repository), "uploadId": upload.id, "lastByteReceived": upload.size - 1}

    async def complete_layer_upload(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        repository = self._repository(snapshot, ctx, params)
        upload = self._uploads.find(repository.account, repository.region, repository.id, params["uploadId"])
        wanted = params["layerDigests"][0]
        if layer_of(snapshot, repository, wanted) is not None:
            raise LayerAlreadyExistsException(
                f"Layer with digest '{wanted}' already exists in the repository with name '{repository.id}' in the "
                f"registry with id '{repository.account}'"
            )
        if upload.short and upload.size >= PART_BYTES_MIN:
            raise LayerPartTooSmallException(f"Layer parts must be at least {PART_BYTES_MIN} bytes in size")
        layer = await self._uploads.complete(upload, wanted)
        return {**named(repository), "uploadId": upload.id, "layerDigest": layer.digest}

    def get_download_url_for_layer(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        repository = self._repository(snapshot, ctx, params)
        layer = layer_of(snapshot, repository, params["layerDigest"])
        if layer is None:
            raise LayersUnavailable(params["layerDigest"], repository.id, repository.account)
        host, _, name = repository.uri.partition("/")
        of = layer_name(repository.account, repository.region, name, layer.digest)
        pass_ = self._token(ctx, _URL_LIFE_S, of)
        url = f"https://{host}/v2/{name}/blobs/{layer.digest}?token={pass_.replace('+', '%2B').replace('=', '%3D')}"
        return {"downloadUrl": url, "layerDigest": layer.digest}

    # --- images ---------------------------------------------------------------------------------------------------

    def put_image(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        tag = params.get("imageTag")
        with self._store.write() as tx:
            repository = self._repository(tx, ctx, params)
            image = put(
                tx, repository, params["imageManifest"].encode(), params.get("imageManifestMediaType"), tag,
                params.get("imageDigest"), self._clock.now(), again=False,
            )  # fmt: skip
        return {"image": _image(repository, image, tag)}

    def batch_get_image(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        images, failures = [], []
        accepted = params.get("acceptedMediaTypes")
        with self._store.write() as tx:
            repository = self._repository(tx, ctx, params)
            for wanted in params["imageIds"]:
                image, failure = _found(tx, repository, wanted)
                if image is not None and accepted and image.media_type not in accepted:
                    image, failure = None, _failure(wanted, "ImageNotFound", "Requested image not found")
                if image is None:
                    failures.append(failure)
                    continue
                images.append(_image(repository, image, wanted.get("imageTag")))
                pulled(tx, image, self._clock.now())
        return {"images": images, "failures": failures}

    def describe_images(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        repository = self._repository(snapshot, ctx, params)
        if params.get("imageIds"):
            if params.get("maxResults") or params.get("nextToken"):
                raise InvalidParameterException(
                    "Invalid parameter at 'maxResults' failed to satisfy constraint: 'cannot be used with imageIds'"
                )
            found = [must_find(snapshot, repository, each) for each in params["imageIds"]]
            return {"imageDetails": [_details(snapshot, repository, each) for each in found]}
        chosen = [each for each in images_of(snapshot, repository) if _passes(each, params)]
        part, more = paged(chosen, params, lambda each: each.digest)
        return {"imageDetails": [_details(snapshot, repository, each) for each in part], **more}

    def list_images(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        repository = self._repository(snapshot, ctx, params)
        ids = [
            {"imageDigest": image.digest, **({"imageTag": tag} if tag else {})}
            for image in images_of(snapshot, repository)
            if _passes(image, params)
            for tag in sorted(image.image_tags) or [""]
        ]
        part, more = paged(ids, params, lambda each: f"{each['imageDigest']} {each.get('imageTag', '')}")
        return {"imageIds": part, **more}

    def list_image_referrers(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        repository = self._repository(snapshot, ctx, params)
        kinds = (params.get("filter") or {}).get("artifactTypes")
        found = [
            {
                "digest": each.digest, "mediaType": each.media_type, "artifactType": each.artifact_type,
                "size": len(each.manifest.encode()), "annotations": each.annotations, "artifactStatus": "ACTIVE",
            }
            for each in images_of(snapshot, repository)
            if each.subject == params["subjectId"]["imageDigest"] and (not kinds or each.artifact_type in kinds)
        ]  # fmt: skip
        part, more = paged(found, params, lambda each: str(each["digest"]), most=50, usual=50)
        return {"referrers": part, **more}

    def batch_delete_image(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        deleted: list[dict[str, str]] = []
        failures: list[dict[str, Any]] = []
        with self._store.write() as tx:
            repository = self._repository(tx, ctx, params)
            for wanted in params["imageIds"]:
                image, failure = _found(tx, repository, wanted)
                if image is None:
                    failures.append(failure)
                elif wanted.get("imageTag"):
                    untag(tx, repository, wanted["imageTag"], self._clock.now())
                    deleted.append({"imageDigest": image.digest, "imageTag": wanted["imageTag"]})
                else:
                    self._delete(tx, repository, image, wanted, deleted, failures)
        self.changed()
        return {"imageIds": deleted, "failures": failures}

    def _delete(
        self, tx: Tx, repository: Repository, image: Image, wanted: Mapping[str, str], deleted: list[dict[str, str]],
        failures: list[dict[str, Any]],
    ) -> None:  # fmt: skip
        """An image with all of its tags, unless an index lists it."""
        if lists := listing(tx, repository, image.digest):
            text = f"Requested image referenced by manifest list: [{', '.join(lists)}]"
            failures.append(_failure(wanted, "ImageReferencedByManifestList", text))
            return
        remove(tx, image, self._clock.now())
        deleted.extend(
            {"imageDigest": image.digest, **({"imageTag": tag} if tag else {})} for tag in image.image_tags or [""]
        )


def _passes(image: Image, params: Mapping[str, Any]) -> bool:
    wanted = params.get("filter") or {}
    status, state = wanted.get("tagStatus", "ANY"), wanted.get("imageStatus", "ANY")
    return status != ("UNTAGGED" if image.image_tags else "TAGGED") and state in ("ANY", "ACTIVE")


def _failure(wanted: Mapping[str, str], code: str, reason: str) -> dict[str, Any]:
    return {"imageId": dict(wanted), "failureCode": code, "failureReason": reason}


def _found(view: View, repository: Repository, wanted: Mapping[str, str]) -> tuple[Image | None, dict[str, Any]]:
    """The image, or why there is none."""
    tag, digest = wanted.get("imageTag"), wanted.get("imageDigest")
    if not tag and not digest:
        text = "Invalid request parameters: both tag and digest cannot be null"
        return None, _failure(wanted, "MissingDigestAndTag", text)
    if digest and not DIGEST.fullmatch(digest):
        text = "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
        return None, _failure(wanted, "InvalidImageDigest", text)
    image = by_digest(view, repository, digest) if digest else by_tag(view, repository, tag or "")
    if image is not None and digest and tag and tag not in image.image_tags:
        text = f"Tag does not match digest: Tag={tag}, Digest={digest}"
        return None, _failure(wanted, "ImageTagDoesNotMatchDigest", text)
    return image, _failure(wanted, "ImageNotFound", "Requested image not found")


def must_find(view: View, repository: Repository, wanted: Mapping[str, str]) -> Image:
    image, failure = _found(view, repository, wanted)
    if image is None:
        if failure["failureCode"] in ("MissingDigestAndTag", "InvalidImageDigest"):
            raise InvalidParameterException(failure["failureReason"])
        raise missing(repository, wanted.get("imageDigest"), wanted.get("imageTag"))
    return image


def missing(repository: Repository, digest: str | None, tag: str | None) -> AwsError:
    told = f"{{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}}"
    return ImageNotFoundException(
        f"The image with imageId {told} does not exist within the repository with name '{repository.id}' in the "
        f"registry with id '{repository.account}'"
    )


def _image(repository: Repository, image: Image, tag: str | None) -> dict[str, Any]:
    return {
        **named(repository),
        "imageId": {"imageDigest": image.digest, **({"imageTag": tag} if tag else {})},
        "imageManifest": image.manifest,
        "imageManifestMediaType": image.media_type,
    }


def _details(view: View, repository: Repository, image: Image) -> dict[str, Any]:
    listed = [one for each in image.manifests if (one := by_digest(view, repository, each)) is not None]
    told: dict[str, Any] = {
        **named(repository),
        "imageDigest": image.digest,
        "imageSizeInBytes": image.size or sum(each.size for each in listed),
        "imagePushedAt": image.pushed_at,
        "imageManifestMediaType": image.media_type,
        "imageStatus": "ACTIVE",
    }
    if image.image_tags:
        told["imageTags"] = list(image.image_tags)
    if image.artifact_type:
        told["artifactMediaType"] = image.artifact_type
    if image.pulled_at is not None:
        told["lastRecordedPullTime"] = image.pulled_at
    if image.subject is not None:
        told["subjectManifestDigest"] = image.subject
    return told
