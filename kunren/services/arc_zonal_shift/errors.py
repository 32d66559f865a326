"""The exceptions that arc-zonal-shift's model declares and its handlers raise, with their reasons."""

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


def invalid(reason: str, message: str) -> ValidationException:
    return ValidationException(message, reason=reason)


def conflict(reason: str, message: str, zonal_shift_id: str | None = None) -> ConflictException:
    more = {"zonalShiftId": zonal_shift_id} if zonal_shift_id is not None else {}
    return ConflictException(message, reason=reason, **more)
