"""The exceptions that API Gateway's model declares and the handlers raise."""

from __future__ import annotations

from kunren.core.errors import AwsError


class BadRequestException(AwsError):
    code = "BadRequestException"


class NotFoundException(AwsError):
    code = "NotFoundException"
    status = 404


class ConflictException(AwsError):
    code = "ConflictException"
    status = 409


class LimitExceededException(AwsError):
    code = "LimitExceededException"
    status = 429
