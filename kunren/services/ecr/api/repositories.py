"""Repositories, their tags and policies, and tokens for the registry."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.ecr.api.base import Base, checked_policy, named, paged
from kunren.services.ecr.errors import (
    InvalidParameterException,
    LifecyclePolicyNotFoundException,
    LifecyclePolicyPreviewInProgressException,
    LifecyclePolicyPreviewNotFoundException,
    LimitExceededException,
    RepositoryAlreadyExistsException,
    RepositoryNotEmptyException,
    RepositoryNotFoundException,
    RepositoryPolicyNotFoundException,
    TooManyTagsException,
)
from kunren.services.ecr.lifecycle import parse
from kunren.services.ecr.model import (
    IN_PROGRESS,
    MUTABLE,
    Checked,
    Image,
    Layer,
    LayerUpload,
    Preview,
    Replication,
    Repository,
    exclusions_shown,
    shown,
    within,
)
from kunren.services.ecr.pushing import images_of
from kunren.services.ecr.tokens import LIFE_S, USER

# "Amazon ECR service quotas"
REPOSITORIES_MAX, TAGS_MAX, EXCLUSIONS_MAX = 100_000, 50, 5


class RepositoryOperations(Base):
    """Handlers."""

    # --- repositories ---------------------------------------------------------------------------------------------

    def create_repository(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        _refuse_scanning(params, "CreateRepository")
        place = self._place(ctx, params)
        mutability, exclusions = _mutability(params)
        encryption = dict(params.get("encryptionConfiguration") or {"encryptionType": "AES256"})
        if encryption["encryptionType"] != "AES256":
            encryption.setdefault("kmsKey", f"arn:aws:kms:{ctx.region}:{ctx.account}:alias/aws/ecr")
        tags = tags_from_wire(params.get("tags"))
        _check_tags(tags)
        with self._store.write() as tx:
            if tx.get(Repository, *place) is not None:
                raise RepositoryAlreadyExistsException(place.name, place.account)
            if len(tx.list(Repository, place.account, place.region)) >= REPOSITORIES_MAX:
                raise LimitExceededException(f"The quota of {REPOSITORIES_MAX} repositories is reached")
            made = Repository(
                account=place.account, region=place.region, id=place.name, created_at=self._clock.now(),
                mutability=mutability, exclusions=exclusions, encryption=encryption, tags=tags,
            )  # fmt: skip
            tx.put(made)
        self.changed()
        return {"repository": shown(made)}

    def describe_repositories(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, account = self._store.snapshot(), params.get("registryId") or ctx.account
        names = params.get("repositoryNames")
        if names is not None:
            if params.get("maxResults") or params.get("nextToken"):
                raise InvalidParameterException(
                    "Invalid parameter at 'maxResults' failed to satisfy constraint: 'cannot be used with "
                    "repositoryNames'"
                )
            return {
                "repositories": [
                    shown(self._repository(snapshot, ctx, {**params, "repositoryName": name})) for name in names
                ]
            }
        part, more = paged(snapshot.list(Repository, account, ctx.region), params, lambda each: each.id)
        return {"repositories": [shown(each) for each in part], **more}

    def delete_repository(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = self._repository(tx, ctx, params)
            images = images_of(tx, found)
            if images and not params.get("force"):
                raise RepositoryNotEmptyException(found.id, found.account)
            for kind in (Image, Layer, LayerUpload, Replication, Checked):
                for each in tx.list(kind, found.account, found.region):
                    if each.repository == found.id:  # type: ignore[attr-defined]
                        tx.delete(each)
            if (preview := tx.get(Preview, found.account, found.region, found.id)) is not None:
                tx.delete(preview)
            tx.delete(found)
        self.changed()
        return {"repository": shown(found)}

    def put_image_tag_mutability(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        mutability, exclusions = _mutability(params)
        with self._store.write() as tx:
            found = self._repository(tx, ctx, params)
            changed = msgspec.structs.replace(found, mutability=mutability, exclusions=exclusions)
            tx.put(changed)
        return {**named(changed), "imageTagMutability": mutability, **exclusions_shown(changed)}

    def put_image_scanning_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        _refuse_scanning(params, "PutImageScanningConfiguration")
        found = self._repository(self._store.snapshot(), ctx, params)
        return {**named(found), "imageScanningConfiguration": {"scanOnPush": False}}

    def get_authorization_token(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        expires_at = self._clock.now() + LIFE_S
        password = self._token(ctx, LIFE_S)
        token = base64.b64encode(f"{USER}:{password}".encode()).decode()
        return {
            "authorizationData": [
                {
                    "authorizationToken": token, "expiresAt": expires_at,
                    "proxyEndpoint": f"https://{each}.dkr.ecr.{ctx.region}.amazonaws.com",
                }
                for each in params.get("registryIds") or [ctx.account]
            ]
        }  # fmt: skip

    # --- tags -----------------------------------------------------------------------------------------------------

    def _tagged(self, tx: Tx, ctx: RequestContext, arn: str) -> Repository:
        parts = arn.split(":", 5)
        if len(parts) != 6 or parts[2] != "ecr" or not parts[5].startswith("repository/"):
            raise InvalidParameterException(
                f"Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN' {arn}"
            )
        found = tx.get(Repository, parts[4], parts[3], parts[5].removeprefix("repository/"))
        if found is None or parts[3] != ctx.region:
            raise RepositoryNotFoundException(parts[5].removeprefix("repository/"), parts[4])
        return found

    def tag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["resourceArn"])
            tags = {**found.tags, **tags_from_wire(params["tags"])}
            _check_tags(tags)
            tx.put(msgspec.structs.replace(found, tags=tags))

    def untag_resource(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            found = self._tagged(tx, ctx, params["resourceArn"])
            left = {key: value for key, value in found.tags.items() if key not in params["tagKeys"]}
            tx.put(msgspec.structs.replace(found, tags=left))

    def list_tags_for_resource(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            return {"tags": tags_to_wire(self._tagged(tx, ctx, params["resourceArn"]).tags)}

    # --- policies -------------------------------------------------------------------------------------------------

    def set_repository_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        text = checked_policy(params["policyText"], "repository")
        return {**self._with(ctx, params, policy=text), "policyText": text}

    def get_repository_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._repository(self._store.snapshot(), ctx, params)
        if found.policy is None:
            raise RepositoryPolicyNotFoundException(found.id, found.account)
        return {**named(found), "policyText": found.policy}

    def delete_repository_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        before = self.get_repository_policy(ctx, params)
        self._with(ctx, params, policy=None)
        return before

    def put_lifecycle_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        text = params["lifecyclePolicyText"]
        parse(text)
        answer = self._with(ctx, params, lifecycle=text, evaluated_at=None)
        self.changed()
        return {**answer, "lifecyclePolicyText": text}

    def get_lifecycle_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._repository(self._store.snapshot(), ctx, params)
        if found.lifecycle is None:
            raise LifecyclePolicyNotFoundException(found.id, found.account)
        at = {"lastEvaluatedAt": found.evaluated_at} if found.evaluated_at is not None else {}
        return {**named(found), "lifecyclePolicyText": found.lifecycle, **at}

    def delete_lifecycle_policy(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        before = self.get_lifecycle_policy(ctx, params)
        self._with(ctx, params, lifecycle=None, evaluated_at=None)
        return before

    def _with(self, ctx: RequestContext, params: dict[str, Any], **changes: Any) -> dict[str, Any]:
        with self._store.write() as tx:
            changed = msgspec.structs.replace(self._repository(tx, ctx, params), **changes)
            tx.put(changed)
        return named(changed)

    def start_lifecycle_policy_preview(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            found = self._repository(tx, ctx, params)
            text = params.get("lifecyclePolicyText") or found.lifecycle
            if text is None:
                raise LifecyclePolicyNotFoundException(found.id, found.account)
            parse(text)
            running = tx.get(Preview, found.account, found.region, found.id)
            if running is not None and running.status == IN_PROGRESS:
                raise LifecyclePolicyPreviewInProgressException(
                    f"A lifecycle policy preview is in progress for the repository with name '{found.id}' in the "
                    f"registry with id '{found.account}'"
                )
            made = Preview(account=found.account, region=found.region, id=found.id, policy=text)
            tx.put(made)
        self.changed()
        return {**named(found), "lifecyclePolicyText": text, "status": made.status}

    def get_lifecycle_policy_preview(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot = self._store.snapshot()
        found = self._repository(snapshot, ctx, params)
        preview = snapshot.get(Preview, found.account, found.region, found.id)
        if preview is None:
            raise LifecyclePolicyPreviewNotFoundException(found.id, found.account)
        results: list[dict[str, Any]] = []
        wanted = params.get("imageIds")
        status = (params.get("filter") or {}).get("tagStatus", "ANY")
        for digest, priority in preview.found:
            image = snapshot.get(Image, found.account, found.region, within(found.id, digest))
            if image is None or status == ("UNTAGGED" if image.image_tags else "TAGGED"):
                continue
            if wanted and not any(
                each.get("imageDigest") == digest or each.get("imageTag") in image.image_tags for each in wanted
            ):
                continue
            tags = {"imageTags": list(image.image_tags)} if image.image_tags else {}
            results.append(
                {
                    **tags, "imageDigest": digest, "imagePushedAt": image.pushed_at, "action": {"type": "EXPIRE"},
                    "appliedRulePriority": priority, "storageClass": "STANDARD",
                }
            )  # fmt: skip
        results.sort(key=lambda each: each["imageDigest"])
        part, more = paged(results, params, lambda each: str(each["imageDigest"]), most=100)
        return {
            **named(found), "lifecyclePolicyText": preview.policy, "status": preview.status, "previewResults": part,
            "summary": {"expiringImageTotalCount": len(preview.found)}, **more,
        }  # fmt: skip


def _mutability(params: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Raises InvalidParameterException."""
    mutability = params.get("imageTagMutability") or MUTABLE
    filters = tuple(each["filter"] for each in params.get("imageTagMutabilityExclusionFilters") or ())
    if bool(filters) != mutability.endswith("_WITH_EXCLUSION") or len(filters) > EXCLUSIONS_MAX:
        raise InvalidParameterException(
            "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: 'between 1 and "
            f"{EXCLUSIONS_MAX} filters with a mutability setting WITH_EXCLUSION, and none without'"
        )
    if any(each.count("*") > 2 for each in filters):
        raise InvalidParameterException(
            "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: 'a filter may "
            "have two wildcards at most'"
        )
    return mutability, filters


def _check_tags(tags: dict[str, str]) -> None:
    if len(tags) > TAGS_MAX:
        raise TooManyTagsException(f"A repository can have {TAGS_MAX} tags at most")


def _refuse_scanning(params: dict[str, Any], operation: str) -> None:
    """Nothing here scans: whoever asks for it is told so."""
    if (params.get("imageScanningConfiguration") or {}).get("scanOnPush"):
        raise NotImplementedByKunren("ecr", f"{operation} with scanOnPush (scanning of images)")
