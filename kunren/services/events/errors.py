"""The exceptions of EventBridge's model, and those that its handlers raise besides."""

from __future__ import annotations

from kunren.core.errors import AwsError


class InvalidEventPatternException(AwsError):
    code = "InvalidEventPatternException"


class LimitExceededException(AwsError):
    code = "LimitExceededException"


class ResourceAlreadyExistsException(AwsError):
    code = "ResourceAlreadyExistsException"


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"


class IllegalStatusException(AwsError):
    code = "IllegalStatusException"


class ValidationException(AwsError):
    code = "ValidationException"
