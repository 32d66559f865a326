"""What a manifest says of itself and refers to. Pure.

Sources: OCI image-spec (manifest.md, image-index.md), Docker's image manifest version 2 schema 2.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from kunren.dataplane.images.reference import DIGEST
from kunren.services.ecr.errors import InvalidParameterException

MANIFEST_BYTES_MAX = 4_194_304
_SIZE_MAX = 1 << 53  # what JSON keeps everywhere
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
KNOWN = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)
_INDEXES = (OCI_INDEX, DOCKER_LIST)


class Manifest(NamedTuple):
    """`blobs` are (digest, size) of the configuration and of the layers that the registry has to have."""

    digest: str
    media_type: str
    artifact_type: str
    blobs: tuple[tuple[str, int], ...]
    manifests: tuple[str, ...]
    subject: str | None
    annotations: dict[str, str]


def read(text: bytes, told: str | None = None) -> Manifest:
    """`told` is the media type that came with it. Raises InvalidParameterException."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid("it is not JSON") from None
    if not isinstance(found, dict) or found.get("schemaVersion") != 2:
        raise _invalid("its schemaVersion is not 2")
    media_type = _media_type(found, told)
    index = media_type in _INDEXES
    try:
        described = [] if index else [found["config"], *found["layers"]]
        blobs = tuple(
            (_digest(each), _size(each)) for each in described if not each.get("urls")
        )  # fmt: skip
        manifests = tuple(_digest(each) for each in found["manifests"]) if index else ()
        subject = _digest(found["subject"]) if found.get("subject") else None
        own = found.get("artifactType") or ("" if index else str(found["config"]["mediaType"]))
        annotations = {str(key): str(value) for key, value in (found.get("annotations") or {}).items()}
        "".join((str(own), *annotations, *annotations.values())).encode()  # refuses halves of characters
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _invalid(f"{error!r} in it is missing or of the wrong type") from None
    return Manifest(_of(text), media_type, str(own), blobs, manifests, subject, annotations)


def _media_type(found: Mapping[str, Any], told: str | None) -> str:
    own = found.get("mediaType")
    told = (told or "").partition(";")[0].strip() or None
    if told in ("application/json", "application/octet-stream"):
        told = None
    if own and told and own != told:
        raise _invalid(f"its mediaType is {own} and it came as {told}")
    chosen = own or told or (OCI_INDEX if "manifests" in found else OCI_MANIFEST)
    if chosen not in KNOWN:
        raise _invalid(f"its media type {chosen} is not supported")
    return str(chosen)


def _digest(described: Mapping[str, Any]) -> str:
    if not DIGEST.fullmatch(described["digest"]):
        raise ValueError("digest")
    return str(described["digest"])


def _size(described: Mapping[str, Any]) -> int:
    size = described["size"]
    if type(size) is not int or not 0 <= size <= _SIZE_MAX:
        raise ValueError("size")
    return size


def _of(text: bytes) -> str:
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def _invalid(why: str) -> InvalidParameterException:
    return InvalidParameterException(
        f"Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax': {why}"
    )
