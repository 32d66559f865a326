"""What all groups of S3's operations stand on: finding the bucket, letting the caller in, what an answer says."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.authorization import RESOURCE, Caller, Verdict, denial, judge
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.condition_keys import Facts, of_request
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import WireError
from kunren.core.policies import ALLOW, UNKNOWN, Asker, decision
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


FormCaller = Callable[[Mapping[str, str]], Awaitable[Caller]]


class S3Base:
    """State that the operations share."""

    form_caller: FormCaller | None = None
    """In strict mode: who signed a form's policy, by its fields. Raises SignatureDoesNotMatch and its like."""

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
        bucket = self._reached(ctx, params)
        self._let(ctx, bucket, action, key, params)
        return bucket

    def _reached(self, ctx: RequestContext, params: Mapping[str, Any]) -> Bucket:
        """The bucket that a request names, whatever is to be done with it."""
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
        return bucket

    def _let(
        self, ctx: RequestContext, bucket: Bucket, action: str, key: str | None, params: Mapping[str, Any]
    ) -> None:
        """Raises AccessDenied where the caller may not do that."""
        if not self._may(ctx, bucket, action, key, params):
            raise self._denied(ctx, bucket, action, key, params)

    def _denied(
        self, ctx: RequestContext, bucket: Bucket, action: str, key: str | None, params: Mapping[str, Any]
    ) -> WireError:
        """The error; in the bucket's own account it says whose policy is missing or denies."""
        if ctx.caller is None or ctx.account != bucket.owner:
            return refusal("AccessDenied")
        verdict = self._verdict(ctx, ctx.caller, bucket, action, key, params)
        return refusal("AccessDenied", denial(ctx.caller.arn, action, arn_of(bucket, key), verdict, quoted=True))

    def _let_account(self, ctx: RequestContext, action: str, resource: str) -> None:
        """Whether the caller may do what is about no bucket that there is. Raises AccessDenied."""
        if ctx.caller is None:
            if self.form_caller is not None and ctx.host and not ctx.access_key:
                raise refusal("AccessDenied")  # nobody signed, in strict mode
            return
        verdict = judge(ctx.caller, action, resource, lambda: self._facts(ctx, {}))
        if not verdict.allowed:
            shown = UNKNOWN if resource == "*" else resource
            raise refusal("AccessDenied", denial(ctx.caller.arn, action, shown, verdict, quoted=True))

    def _verdict(
        self, ctx: RequestContext, caller: Caller, bucket: Bucket, action: str, key: str | None,
        params: Mapping[str, Any],
    ) -> Verdict:  # fmt: skip
        """What identity policies and the bucket's say together (strict mode)."""
        document = policy.of(bucket)
        blocked = bucket.settings.get("publicAccessBlock") or {}
        if document is not None and blocked.get("RestrictPublicBuckets") and caller.account != bucket.owner:
            document = None if policy.is_public(document) else document
        verdict = judge(
            caller, action, arn_of(bucket, key), lambda: self._facts(ctx, params),
            policy=policy.statements(document) if document is not None else None, owner=bucket.owner,
            canonical=acl.canonical_id(caller.account),
        )  # fmt: skip
        if not verdict.allowed and verdict.by == RESOURCE and not verdict.explicit:
            return Verdict(True) if self._may_by_grants(bucket, action, key) else verdict
        return verdict

    def _may(
        self, ctx: RequestContext, bucket: Bucket, action: str, key: str | None, params: Mapping[str, Any]
    ) -> bool:
        """Whether the caller may do that. Who signed may, but in strict mode by policies alone; a service of AWS, and
        who did not sign, by the bucket's policy."""
        if ctx.caller is not None:
            return self._verdict(ctx, ctx.caller, bucket, action, key, params).allowed
        if ctx.acting is None and (ctx.access_key or not ctx.host):
            return True
        document = policy.of(bucket)
        resource = arn_of(bucket, key)
        blocked = bucket.settings.get("publicAccessBlock") or {}
        asker = ctx.acting.asker if ctx.acting is not None else Asker()
        shut = ctx.acting is None and blocked.get("RestrictPublicBuckets")
        if document is not None and not (shut and policy.is_public(document)):
            decided = decision(policy.statements(document), asker, action, resource, self._facts(ctx, params))
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

    def _facts(self, ctx: RequestContext, params: Mapping[str, Any]) -> Facts:
        """Condition keys that have a value."""
        known = of_request(ctx.source_ip, ctx.secure, ctx.region, int(self._now()))
        more = {key: str(params[name]) for name, key in _CONDITIONED.items() if params.get(name) is not None}
        acting = ctx.acting.known if ctx.acting is not None else {}
        return {**known, **more, **acting} if more or acting else known

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


def arn_of(bucket: Bucket, key: str | None) -> str:
    return bucket.arn if key is None else f"{bucket.arn}/{key}"


_CONDITIONED = {
    "Prefix": "s3:prefix", "Delimiter": "s3:delimiter", "MaxKeys": "s3:max-keys", "ACL": "s3:x-amz-acl",
    "VersionId": "s3:versionid", "StorageClass": "s3:x-amz-storage-class",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption", "CopySource": "s3:x-amz-copy-source",
    "MetadataDirective": "s3:x-amz-metadata-directive",
}  # fmt: skip
"""Condition keys by the parameter that they tell of ("Actions, resources, and condition keys for Amazon S3")."""


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
