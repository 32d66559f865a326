"""The exceptions that ECR's model declares and the handlers raise. `oci` is the code of the same in the registry's API
(OCI distribution-spec, "Error Codes"); `registry_status` its HTTP status there."""

from __future__ import annotations

from typing import ClassVar

from kunren.core.errors import AwsError


class EcrError(AwsError):
    oci: ClassVar[str] = "UNKNOWN"
    registry_status: ClassVar[int] = 400


class ServerException(EcrError):
    code = "ServerException"
    status = 500
    registry_status = 500


class InvalidParameterException(EcrError):
    code = "InvalidParameterException"
    oci = "MANIFEST_INVALID"


class ValidationException(EcrError):
    code = "ValidationException"


class InvalidTagParameterException(EcrError):
    code = "InvalidTagParameterException"


class TooManyTagsException(EcrError):
    code = "TooManyTagsException"


class OfRepository(EcrError):
    """What is wrong with one repository, by its name and its registry's id."""

    text: ClassVar[str] = ""

    def __init__(self, name: str, registry: str) -> None:
        super().__init__(self.text.format(name=name, registry=registry))


class RepositoryAlreadyExistsException(OfRepository):
    code = "RepositoryAlreadyExistsException"
    text = "The repository with name '{name}' already exists in the registry with id '{registry}'"


class RepositoryNotFoundException(OfRepository):
    code = "RepositoryNotFoundException"
    oci, registry_status = "NAME_UNKNOWN", 404
    text = "The repository with name '{name}' does not exist in the registry with id '{registry}'"


class RepositoryNotEmptyException(OfRepository):
    code = "RepositoryNotEmptyException"
    text = (
        "The repository with name '{name}' in registry with id '{registry}' cannot be deleted because it still "
        "contains images"
    )


class RepositoryPolicyNotFoundException(OfRepository):
    code = "RepositoryPolicyNotFoundException"
    text = "Repository policy does not exist for the repository with name '{name}' in the registry with id '{registry}'"


class RegistryPolicyNotFoundException(EcrError):
    code = "RegistryPolicyNotFoundException"

    def __init__(self, registry: str) -> None:
        super().__init__(f"Registry policy does not exist in the registry with id '{registry}'")


class PullThroughCacheRuleNotFoundException(EcrError):
    code = "PullThroughCacheRuleNotFoundException"

    def __init__(self, prefix: str, registry: str) -> None:
        super().__init__(
            f"The pull through cache rule with prefix '{prefix}' does not exist in the registry with id '{registry}'"
        )


class PullThroughCacheRuleAlreadyExistsException(EcrError):
    code = "PullThroughCacheRuleAlreadyExistsException"

    def __init__(self, prefix: str, registry: str) -> None:
        super().__init__(
            f"A pull through cache rule with prefix '{prefix}' already exists in the registry with id '{registry}'"
        )


class LifecyclePolicyNotFoundException(OfRepository):
    code = "LifecyclePolicyNotFoundException"
    text = "Lifecycle policy does not exist for the repository with name '{name}' in the registry with id '{registry}'"


class LifecyclePolicyPreviewNotFoundException(OfRepository):
    code = "LifecyclePolicyPreviewNotFoundException"
    text = (
        "Lifecycle policy preview does not exist for the repository with name '{name}' in the registry with id "
        "'{registry}'"
    )


class LifecyclePolicyPreviewInProgressException(EcrError):
    code = "LifecyclePolicyPreviewInProgressException"


class ImageNotFoundException(EcrError):
    code = "ImageNotFoundException"
    oci = "MANIFEST_UNKNOWN"
    registry_status = 404


class ImageAlreadyExistsException(EcrError):
    code = "ImageAlreadyExistsException"


class ImageTagAlreadyExistsException(EcrError):
    code = "ImageTagAlreadyExistsException"
    oci = "TAG_INVALID"

    def __init__(self, tag: str, name: str) -> None:
        super().__init__(
            f"The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the "
            "repository is immutable."
        )


class ImageDigestDoesNotMatchException(EcrError):
    code = "ImageDigestDoesNotMatchException"
    oci = "DIGEST_INVALID"


class LayersNotFoundException(EcrError):
    code = "LayersNotFoundException"
    oci = "MANIFEST_BLOB_UNKNOWN"


class ReferencedImagesNotFoundException(EcrError):
    code = "ReferencedImagesNotFoundException"
    oci = "MANIFEST_BLOB_UNKNOWN"


class UploadNotFoundException(EcrError):
    code = "UploadNotFoundException"
    oci = "BLOB_UPLOAD_UNKNOWN"
    registry_status = 404


class InvalidLayerException(EcrError):
    code = "InvalidLayerException"
    oci = "DIGEST_INVALID"


class InvalidLayerPartException(EcrError):
    code = "InvalidLayerPartException"
    oci = "BLOB_UPLOAD_INVALID"
    registry_status = 416


class LayerPartTooSmallException(EcrError):
    code = "LayerPartTooSmallException"


class LayerAlreadyExistsException(EcrError):
    code = "LayerAlreadyExistsException"


class EmptyUploadException(EcrError):
    code = "EmptyUploadException"
    oci = "BLOB_UPLOAD_INVALID"


class LayersUnavailable(EcrError):
    """A layer is asked for that there is not."""

    code = "LayersNotFoundException"
    oci = "BLOB_UNKNOWN"
    registry_status = 404

    def __init__(self, digest: str, name: str, registry: str) -> None:
        super().__init__(
            f"The layer with digest '{digest}' does not exist in the repository with name '{name}' in the registry "
            f"with id '{registry}'"
        )


class LimitExceededException(EcrError):
    code = "LimitExceededException"


class NotWritten(ServerException):
    """The disk refused; nothing was changed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The layer could not be written to disk ({why}); nothing was changed")
