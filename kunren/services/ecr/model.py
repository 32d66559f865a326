"""Repositories, what was pushed to them, and uploads under way ("Amazon ECR components")."""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.control.store import Resource

MUTABLE, IMMUTABLE = "MUTABLE", "IMMUTABLE"
IN_PROGRESS, COMPLETE, FAILED = "IN_PROGRESS", "COMPLETE", "FAILED"


class Repository(Resource, frozen=True, kw_only=True):
    """`id` is the name; `account` is the registry. `exclusions` are the filters that are exempt from `mutability`.
    `policy` and `lifecycle` are texts as they were given."""

    kind: ClassVar[str] = "ecr.repository"

    created_at: float
    mutability: str = MUTABLE
    exclusions: tuple[str, ...] = ()
    encryption: dict[str, str]
    policy: str | None = None
    lifecycle: str | None = None
    evaluated_at: float | None = None
    tags: dict[str, str] = {}

    @property
    def arn(self) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.id}"

    @property
    def uri(self) -> str:
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/{self.id}"


class Image(Resource, frozen=True, kw_only=True):
    """A manifest in a repository; `id` is REPOSITORY@DIGEST. `blobs` are its configuration and layers, `manifests` what
    an index lists, `subject` what it is about. `size` in bytes."""

    kind: ClassVar[str] = "ecr.image"

    repository: str
    digest: str
    manifest: str
    media_type: str
    artifact_type: str = ""
    blobs: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    subject: str | None = None
    annotations: dict[str, str] = {}
    size: int = 0
    image_tags: tuple[str, ...] = ()
    pushed_at: float
    pulled_at: float | None = None


class Layer(Resource, frozen=True, kw_only=True):
    """A blob that a repository has; `id` is REPOSITORY@DIGEST. Repositories that have the same share its file."""

    kind: ClassVar[str] = "ecr.layer"

    repository: str
    digest: str
    size: int
    pushed_at: float


class LayerUpload(Resource, frozen=True, kw_only=True):
    """A layer on its way in: `size` bytes of it are on disk and acknowledged. `short` says that a part was smaller than
    parts before the last may be."""

    kind: ClassVar[str] = "ecr.upload"

    repository: str
    size: int = 0
    short: bool = False
    started_at: float


class Preview(Resource, frozen=True, kw_only=True):
    """What a lifecycle policy would do; `id` is the repository. `found` are digests, each with the rule's priority."""

    kind: ClassVar[str] = "ecr.preview"

    policy: str
    status: str = IN_PROGRESS
    found: tuple[tuple[str, int], ...] = ()


class Registry(Resource, frozen=True, kw_only=True):
    """What is set for all of a registry's repositories: `rules` as PutReplicationConfiguration has them, `policy` as it
    was given."""

    kind: ClassVar[str] = "ecr.registry"
    only: ClassVar[str] = "registry"

    rules: tuple[dict[str, Any], ...] = ()
    policy: str | None = None


class Replication(Resource, frozen=True, kw_only=True):
    """An image that is to be in another registry too; `id` is REPOSITORY@DIGEST>ACCOUNT/REGION. `image_tags` are those
    that the copy has yet to get; `failure` says why there is none."""

    kind: ClassVar[str] = "ecr.replication"

    repository: str
    digest: str
    registry: str
    destination: str
    image_tags: tuple[str, ...] = ()
    status: str = IN_PROGRESS
    failure: str | None = None


class CacheRule(Resource, frozen=True, kw_only=True):
    """What is pulled of repositories whose names begin so (`id`, "ROOT" for all) comes from another registry of ECR:
    of that of `upstream` (its host) from those whose names begin with `upstream_prefix`."""

    kind: ClassVar[str] = "ecr.cache-rule"

    upstream: str
    upstream_prefix: str
    role: str | None = None
    created_at: float
    updated_at: float


class Checked(Resource, frozen=True, kw_only=True):
    """When it was last looked whether a tag has moved upstream; `id` is REPOSITORY:TAG."""

    kind: ClassVar[str] = "ecr.checked"

    repository: str
    at: float


class TokenKey(Resource, frozen=True, kw_only=True):
    """What authorization tokens are sealed with (hexadecimal); one for all registries."""

    kind: ClassVar[str] = "ecr.token-key"

    secret: str


class ImageEvent(Resource, frozen=True, kw_only=True):
    """Something that EventBridge is to be told; it stays until it was."""

    kind: ClassVar[str] = "ecr.event"

    detail: dict[str, str]
    at: float


KINDS = (
    Repository,
    Image,
    Layer,
    LayerUpload,
    Preview,
    Registry,
    Replication,
    CacheRule,
    Checked,
    TokenKey,
    ImageEvent,
)


def usual(account: str, region: str, name: str, now: float) -> Repository:
    """A repository that an image needs which nobody has created: with the settings that no one stated."""
    encryption = {"encryptionType": "AES256"}
    return Repository(account=account, region=region, id=name, created_at=now, encryption=encryption)


def within(repository: str, digest: str) -> str:
    """The id of an image or a layer."""
    return f"{repository}@{digest}"


def shown(repository: Repository) -> dict[str, Any]:
    """A Repository on the wire."""
    return {
        "repositoryArn": repository.arn,
        "registryId": repository.account,
        "repositoryName": repository.id,
        "repositoryUri": repository.uri,
        "createdAt": repository.created_at,
        "imageTagMutability": repository.mutability,
        **exclusions_shown(repository),
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfiguration": repository.encryption,
    }


def exclusions_shown(repository: Repository) -> dict[str, Any]:
    if not repository.exclusions:
        return {}
    filters = [{"filterType": "WILDCARD", "filter": each} for each in repository.exclusions]
    return {"imageTagMutabilityExclusionFilters": filters}
