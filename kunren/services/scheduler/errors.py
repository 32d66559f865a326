"""The exceptions of EventBridge Scheduler's model."""

from __future__ import annotations

from kunren.core.errors import AwsError


class ConflictException(AwsError):
    code = "ConflictException"
    status = 409


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"
    status = 404


class ValidationException(AwsError):
    code = "ValidationException"
