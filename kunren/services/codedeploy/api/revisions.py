"""Revisions: where an application's contents are, registered or used by deployments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.codedeploy import errors, views
from kunren.services.codedeploy.api.base import ApiBase, Params, Result, check_batch, find_application, page
from kunren.services.codedeploy.model import SERVER, Application, Revision

_TEXTS = {"String": "string", "AppSpecContent": "appSpecContent"}


class Revisions(ApiBase):
    def register_application_revision(self, ctx: RequestContext, params: Params) -> None:
        name, now = params["applicationName"], self._clock.now()
        with self._store.write() as tx:
            location = checked_location(find_application(tx, ctx, name), params["revision"])
            found = of_location(tx, ctx, name, location)
            described = params.get("description") or found.description
            tx.put(replace(found, description=described, registered_at=found.registered_at or now))

    def get_application_revision(self, ctx: RequestContext, params: Params) -> Result:
        name, found = params["applicationName"], self._revision(ctx, params["applicationName"], params["revision"])
        if found is None:
            raise errors.RevisionDoesNotExistException("The specified revision does not exist")
        return {"applicationName": name, "revision": found.location, "revisionInfo": views.revision(found)}

    def batch_get_application_revisions(self, ctx: RequestContext, params: Params) -> Result:
        check_batch(params["revisions"], 25)
        name = params["applicationName"]
        found = [self._revision(ctx, name, each) for each in params["revisions"]]
        shown = [
            {"revisionLocation": each.location, "genericRevisionInfo": views.revision(each)}
            for each in found
            if each is not None
        ]
        return {"applicationName": name, "revisions": shown}

    def _revision(self, ctx: RequestContext, name: str, given: Mapping[str, Any]) -> Revision | None:
        snapshot = self._store.snapshot()
        location = checked_location(find_application(snapshot, ctx, name), given)
        return snapshot.get(Revision, ctx.account, ctx.region, f"{name}/{key_of(location)}")

    def list_application_revisions(self, ctx: RequestContext, params: Params) -> Result:
        snapshot, name = self._store.snapshot(), params["applicationName"]
        find_application(snapshot, ctx, name)
        bucket, prefix = params.get("s3Bucket"), params.get("s3KeyPrefix")
        if prefix and not bucket:
            raise errors.BucketNameFilterRequiredException("A bucket name is required with a key prefix")
        found = [each for each in snapshot.list(Revision, ctx.account, ctx.region) if each.application == name]
        if bucket:
            found = [each for each in found if _in_bucket(each.location, bucket, prefix or "")]
        if (deployed := params.get("deployed") or "ignore") != "ignore":
            found = [each for each in found if bool(each.groups) == (deployed == "include")]
        moments = {
            "registerTime": lambda each: each.registered_at or 0.0,
            "firstUsedTime": lambda each: each.first_used_at or 0.0,
            "lastUsedTime": lambda each: each.last_used_at or 0.0,
        }
        if by := params.get("sortBy"):
            found.sort(key=moments[by], reverse=params.get("sortOrder") == "descending")
        places = {each.id: f"{place:06d}" for place, each in enumerate(found)}
        shown, token = page(found, params.get("nextToken"), lambda each: places[each.id])
        return {"revisions": [each.location for each in shown], "nextToken": token}


def _in_bucket(location: Mapping[str, Any], bucket: str, prefix: str) -> bool:
    found = location.get("s3Location") or {}
    return found.get("bucket") == bucket and (found.get("key") or "").startswith(prefix)


def key_of(location: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(location, sort_keys=True).encode()).hexdigest()[:32]


def of_location(tx: Tx, ctx: RequestContext, application: str, location: dict[str, Any]) -> Revision:
    """The row of that revision, or a new one that the caller keeps."""
    id = f"{application}/{key_of(location)}"
    return tx.get(Revision, ctx.account, ctx.region, id) or Revision(
        account=ctx.account, region=ctx.region, id=id, application=application, location=location
    )


def checked_location(owner: Application, given: Mapping[str, Any]) -> dict[str, Any]:
    """A RevisionLocation as it is kept. Raises InvalidRevisionException, NotYet."""
    kind = given.get("revisionType")
    if kind == "GitHub":
        raise errors.NotYet("revisions from GitHub")
    if kind == "S3":
        place = {key: value for key, value in (given.get("s3Location") or {}).items() if value is not None}
        if not all(place.get(each) for each in ("bucket", "key", "bundleType")):
            raise errors.InvalidRevisionException("An S3 revision has a bucket, a key and a bundle type")
        texts = place["bundleType"] in ("YAML", "JSON")
        if texts != (owner.platform != SERVER):
            wanted = "one of: tar, tgz, zip" if owner.platform == SERVER else "either YAML or JSON"
            raise errors.InvalidRevisionException(f"BundleType must be {wanted}")
        if "eTag" in place:
            place["eTag"] = place["eTag"].strip('"')
        return {"revisionType": "S3", "s3Location": place}
    member = _TEXTS.get(kind or "")
    if member is None:
        raise errors.InvalidRevisionException("The revision must have a type")
    content = (given.get(member) or {}).get("content")
    if owner.platform == SERVER or not content:
        raise errors.InvalidRevisionException(f"A revision of type {kind} has contents, and is for other platforms")
    digest = hashlib.sha256(content.encode()).hexdigest()
    if (told := (given.get(member) or {}).get("sha256")) and told != digest:
        raise errors.InvalidRevisionException("The SHA-256 of the revision's contents does not match")
    return {"revisionType": kind, member: {"content": content, "sha256": digest}}
