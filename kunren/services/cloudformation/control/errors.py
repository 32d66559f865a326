"""The errors of Cloud Control API's operations."""

from __future__ import annotations

from kunren.core.errors import AwsError


class AccessDeniedException(AwsError):
    code = "AccessDeniedException"


class TypeNotFoundException(AwsError):
    code = "TypeNotFoundException"


class UnsupportedActionException(AwsError):
    code = "UnsupportedActionException"


class InvalidRequestException(AwsError):
    code = "InvalidRequestException"


class HandlerInternalFailureException(AwsError):
    code = "HandlerInternalFailureException"
    status = 502


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"


class RequestTokenNotFoundException(AwsError):
    code = "RequestTokenNotFoundException"


class ClientTokenConflictException(AwsError):
    code = "ClientTokenConflictException"


class ConcurrentOperationException(AwsError):
    code = "ConcurrentOperationException"


class ConcurrentModificationException(AwsError):
    code = "ConcurrentModificationException"
