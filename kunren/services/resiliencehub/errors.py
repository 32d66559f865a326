"""The exceptions that resiliencehub's model declares and its handlers raise."""

from __future__ import annotations

from kunren.core.errors import AwsError


class ValidationException(AwsError):
    code = "ValidationException"


class ConflictException(AwsError):
    code = "ConflictException"
    status = 409


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"
    status = 404


def missing(kind: str, id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"{kind} {id} not found", resourceId=id, resourceType=kind)
