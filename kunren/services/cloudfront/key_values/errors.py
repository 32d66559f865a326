"""The exceptions that cloudfront-keyvaluestore's model declares (CloudFront API Reference)."""

from __future__ import annotations

from kunren.core.errors import AwsError


class ConflictException(AwsError):
    code, status = "ConflictException", 409


class ResourceNotFoundException(AwsError):
    code, status = "ResourceNotFoundException", 404


class ServiceQuotaExceededException(AwsError):
    code, status = "ServiceQuotaExceededException", 402


class ValidationException(AwsError):
    code = "ValidationException"


class AccessDeniedException(AwsError):
    code, status = "AccessDeniedException", 403
