"""What S3 keeps: buckets in the store of everything, objects and uploads in an index of their own (`index.py`)."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kunren.control.store import Resource

NULL_VERSION = "null"
ENABLED, SUSPENDED = "Enabled", "Suspended"


class Bucket(Resource, frozen=True, kw_only=True):
    """A bucket. Names are shared by all accounts, so the key has neither account nor region: `owner` and `home` do.

    `settings` holds each subresource as the wire gave it, by the name it has in the query string ("cors", "policy").
    """

    kind: ClassVar[str] = "s3.bucket"

    account: str = ""
    region: str = ""
    owner: str
    home: str
    created: float
    settings: dict[str, Any] = {}

    @property
    def versioning(self) -> str:
        """ "Enabled", "Suspended", or "" where it never was."""
        return str(self.settings.get("versioning", {}).get("Status", ""))

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.id}"


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """A piece of an object's content: one stored body (`bodies.py`), and its size in bytes."""

    body: str
    size: int


class PartOfObject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part that an object was completed from; checksums by algorithm."""

    number: int
    size: int
    checksums: dict[str, str] = {}


class Version(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of an object, or a delete marker. Times are AWS time in seconds; `headers` are the stored response
    headers by the model's member names (ContentType, CacheControl ...), `metadata` the user's own."""

    key: str
    version: str = NULL_VERSION
    marker: bool = False
    modified: float
    owner: str
    size: int = 0
    etag: str = ""
    segments: tuple[Segment, ...] = ()
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    storage_class: str = "STANDARD"
    checksums: dict[str, str] = {}
    checksum_type: str = "FULL_OBJECT"
    parts: tuple[PartOfObject, ...] = ()
    multipart: bool = False
    tags: dict[str, str] = {}
    grants: list[dict[str, Any]] | None = None
    encryption: dict[str, Any] = {}
    retention: dict[str, Any] | None = None
    legal_hold: str | None = None
    redirect: str | None = None
    replication: str | None = None
    restored_from: float | None = None
    restored_until: float | None = None

    def archived(self, now: float) -> bool:
        """Whether the content is out of reach: in an archive, and no restored copy is there now."""
        there = self.restored_from is not None and self.restored_from <= now < (self.restored_until or 0)
        return self.storage_class in ("GLACIER", "DEEP_ARCHIVE") and not there


class Upload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A multipart upload in progress. `template` is the version that completing it makes, but for its content."""

    id: str
    key: str
    initiated: float
    template: Version
    algorithm: str = ""
    checksum_type: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An uploaded part."""

    number: int
    size: int
    etag: str
    modified: float
    segments: tuple[Segment, ...]
    checksums: dict[str, str] = {}


KINDS = (Bucket,)
