"""The exceptions that Cloud Map's model declares and the handlers raise."""

from __future__ import annotations

from kunren.core.errors import AwsError


class InvalidInput(AwsError):
    code = "InvalidInput"


class NamespaceNotFound(AwsError):
    code = "NamespaceNotFound"
    status = 404


class ServiceNotFound(AwsError):
    code = "ServiceNotFound"
    status = 404


class InstanceNotFound(AwsError):
    code = "InstanceNotFound"
    status = 404


class OperationNotFound(AwsError):
    code = "OperationNotFound"
    status = 404


class CustomHealthNotFound(AwsError):
    code = "CustomHealthNotFound"
    status = 404


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"
    status = 404


class NamespaceAlreadyExists(AwsError):
    code = "NamespaceAlreadyExists"


class ServiceAlreadyExists(AwsError):
    code = "ServiceAlreadyExists"


class DuplicateRequest(AwsError):
    code = "DuplicateRequest"
    status = 409


class ResourceInUse(AwsError):
    code = "ResourceInUse"
    status = 409


class ResourceLimitExceeded(AwsError):
    code = "ResourceLimitExceeded"


class TooManyTagsException(AwsError):
    code = "TooManyTagsException"


class ServiceAttributesLimitExceededException(AwsError):
    code = "ServiceAttributesLimitExceededException"
