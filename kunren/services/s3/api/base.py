"""What all groups of S3's operations stand on: finding the bucket, letting the caller in, what an answer says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.policies import ALLOW, Asker, decision
from kunren.services.s3 import acl, checksums, policy
from kunren.services.s3.bodies import Bodies, Stored
from kunren.services.s3.errors import no_such_bucket, refusal
from kunren.services.s3.events import Happening
from kunren.services.s3.index import Index, Writing
from kunren.services.s3.model import Bucket, Segment, Version

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
ENFORCED = "BucketOwnerEnforced"
BLOCKED = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]}


class S3Base:
    """State that the operations share."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, index: Index, bodies: Bodies,
        has_region: Callable[[str], bool], call: CallService,
    ) -> None:  # fmt: skip
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._index = index
        self._bodies = bodies
        self._has_region = has_region
        self._call = call
        self._leaving: set[str] = set()
        self.has_website: Callable[[str], None] = lambda region: None
        """Told the region of each bucket that becomes a website."""

    # --- buckets --------------------------------------------------------------------------------------------------

    def _find(self, snapshot: Snapshot | Tx, name: str) -> Bucket:
        """Raises NoSuchBucket."""
        found = snapshot.get(Bucket, "", "", name)
        if found is None or name in self._leaving:
            raise no_such_bucket(name)
        return found

    def _bucket(self, ctx: RequestContext, params: Mapping[str, Any], action: str, key: str | None = None) -> Bucket:
        """The bucket of a request that is let in. Raises NoSuchBucket, PermanentRedirect, AccessDenied."""
        bucket = self._find(self._store.snapshot(), params["Bucket"])
        asked = next((each for each in ctx.host.partition(":")[0].split(".") if _REGION.fullmatch(each)), "")
        if asked and asked != bucket.home and ctx.host.partition(":")[0].endswith(".amazonaws.com"):
            error = refusal(
                "PermanentRedirect", Bucket=bucket.id, Endpoint=f"{bucket.id}.s3.{bucket.home}.amazonaws.com"
            )
            error.headers.append(("x-amz-bucket-region", bucket.home))
            raise error
        expected = params.get("ExpectedBucketOwner")
        if expected is not None and expected != bucket.owner:
            raise refusal("AccessDenied")
        if not self._may(ctx, bucket, action, key, params):
            raise refusal("AccessDenied")
        return bucket

    def _may(
        self, ctx: RequestContext, bucket: Bucket, action: str, key: str | None, params: Mapping[str, Any]
    ) -> bool:
        """Whether the caller may do that. Who signed may; a service of AWS, and who did not sign, by the policy."""
        if ctx.acting is None and (ctx.access_key or not ctx.host):
            return True
        document = policy.of(bucket)
        resource = bucket.arn if key is None else f"{bucket.arn}/{key}"
        blocked = bucket.settings.get("publicAccessBlock") or {}
        asker = ctx.acting.asker if ctx.acting is not None else Asker()
        shut = ctx.acting is None and blocked.get("RestrictPublicBuckets")
        if document is not None and not (shut and policy.is_public(document)):
            decided = decision(policy.statements(document), asker, action, resource, _facts(ctx, params))
            if decided is not None:
                return decided == ALLOW
        return ctx.acting is None and self._may_by_grants(bucket, action, key)

    def _may_by_grants(self, bucket: Bucket, action: str, key: str | None) -> bool:
        """What access control lists let everybody do, where the bucket has them in force."""
        blocked = bucket.settings.get("publicAccessBlock") or {}
        if blocked.get("IgnorePublicAcls") or ownership(bucket) == ENFORCED:
            return False
        if action == "s3:ListBucket":
            return acl.lets_everyone(bucket.settings.get("acl") or [], "READ")
        if action == "s3:GetObject" and key is not None:
            version = self._index.read.current(bucket.id, key)
            return version is not None and acl.lets_everyone(version.grants or [], "READ")
        if action in ("s3:PutObject", "s3:DeleteObject"):
            return acl.lets_everyone(bucket.settings.get("acl") or [], "WRITE")
        return False

    def _set(self, bucket: Bucket, name: str, value: Any) -> None:
        """Set a subresource, or take it away with None."""
        with self._store.write() as tx:
            current = self._find(tx, bucket.id)
            settings = {key: each for key, each in current.settings.items() if key != name}
            if value is not None:
                settings[name] = value
            tx.put(msgspec.structs.replace(current, settings=settings))

    # --- objects --------------------------------------------------------------------------------------------------

    def _new_version_id(self, bucket: Bucket) -> str:
        """The id that the next version in that bucket gets: of its own where versioning is on, else "null"."""
        if bucket.versioning != "Enabled":
            return "null"
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
        return "".join(self._entropy.choice(letters) for _ in range(32))

    def _content(self, version: Version, start: int = 0, size: int | None = None) -> bytes | Stored:
        """What a handler gives as a body: bytes where that is little."""
        stored = Stored(
            self._bodies, self._index.read.data, version.segments, start, version.size if size is None else size
        )
        return bytes(stored) if stored.is_small else stored

    def _happened(self, writing: Writing, bucket: Bucket, event: str, version: Version, ctx: RequestContext) -> None:
        """Note it for those whom the bucket's configurations name, with the change itself."""
        if "notification" in bucket.settings:
            writing.note(
                Happening(
                    bucket=bucket.id,
                    event=event,
                    key=version.key,
                    version=version.version if bucket.versioning else "",
                    size=version.size,
                    etag=version.etag,
                    at=self._clock.now(),
                    account=ctx.account,
                    request=ctx.request_id,
                    source_ip=ctx.source_ip,
                )
            )

    def _now(self) -> float:
        return self._clock.now()


def _facts(ctx: RequestContext, params: Mapping[str, Any]) -> dict[str, str]:
    """Condition keys that have a value."""
    known = {"aws:sourceip": ctx.source_ip, "aws:securetransport": str(ctx.secure).lower()}
    if params.get("Prefix") is not None:
        known["s3:prefix"] = params["Prefix"]
    return {**known, **(ctx.acting.known if ctx.acting is not None else {})}


def ownership(bucket: Bucket) -> str:
    rules = (bucket.settings.get("ownershipControls") or {}).get("Rules") or [{}]
    return str(rules[0].get("ObjectOwnership") or ENFORCED)


def with_checksums(version: Version | Any) -> dict[str, Any]:
    """The members that tell an object's checksums."""
    out: dict[str, Any] = {checksums.member(name): value for name, value in version.checksums.items()}
    if out and isinstance(version, Version):
        out["ChecksumType"] = version.checksum_type
    return out


def shown_version(bucket: Bucket, version: Version) -> dict[str, Any]:
    """VersionId, where the bucket has versions."""
    return {"VersionId": version.version} if bucket.versioning else {}


def quoted(etag: str) -> str:
    return f'"{etag}"'


def segments_of(version: Version, start: int, size: int) -> tuple[Segment, ...] | None:
    """The segments that make up exactly that range, or None where it begins or ends within one."""
    out: list[Segment] = []
    position = 0
    for each in version.segments:
        if position >= start and position + each.size <= start + size:
            out.append(each)
        elif position < start + size and position + each.size > start:
            return None
        position += each.size
    return tuple(out)
