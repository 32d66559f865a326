"""The lambda service's modelled exceptions (botocore lambda/2015-03-31). `Type` is "User" or "Service"."""

from __future__ import annotations

from typing import Any, ClassVar

from kunren.core.errors import AwsError


class _LambdaError(AwsError):
    fault: ClassVar[str] = "User"

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(message, **{"Type": self.fault, **members})


class InvalidParameterValueException(_LambdaError):
    code = "InvalidParameterValueException"
    status = 400


class ResourceNotFoundException(_LambdaError):
    code = "ResourceNotFoundException"
    status = 404


class ResourceConflictException(_LambdaError):
    code = "ResourceConflictException"
    status = 409


class ResourceInUseException(_LambdaError):
    code = "ResourceInUseException"
    status = 400


class PreconditionFailedException(_LambdaError):
    code = "PreconditionFailedException"
    status = 412


class ProvisionedConcurrencyConfigNotFoundException(_LambdaError):
    code = "ProvisionedConcurrencyConfigNotFoundException"
    status = 404


class PolicyLengthExceededException(_LambdaError):
    code = "PolicyLengthExceededException"
    status = 400


class CodeSigningConfigNotFoundException(_LambdaError):
    code = "CodeSigningConfigNotFoundException"
    status = 404


class CodeVerificationFailedException(_LambdaError):
    code = "CodeVerificationFailedException"
    status = 400


class DurableExecutionAlreadyStartedException(_LambdaError):
    code = "DurableExecutionAlreadyStartedException"
    status = 409


class CallbackTimeoutException(_LambdaError):
    code = "CallbackTimeoutException"
    status = 400


class CapacityProviderLimitExceededException(_LambdaError):
    code = "CapacityProviderLimitExceededException"
    status = 400


class FunctionVersionsPerCapacityProviderLimitExceededException(_LambdaError):
    code = "FunctionVersionsPerCapacityProviderLimitExceededException"
    status = 400


class NoPublishedVersionException(_LambdaError):
    code = "NoPublishedVersionException"
    status = 400


class CodeStorageExceededException(_LambdaError):
    code = "CodeStorageExceededException"
    status = 400


class InvalidRequestContentException(_LambdaError):
    code = "InvalidRequestContentException"
    status = 400


class RequestTooLargeException(_LambdaError):
    code = "RequestTooLargeException"
    status = 413


class TooManyRequestsException(_LambdaError):
    """Raise with `Reason=` (ThrottleReason)."""

    code = "TooManyRequestsException"
    status = 429


class InvalidRuntimeException(_LambdaError):
    code = "InvalidRuntimeException"
    status = 502
    fault = "Service"


class InvalidZipFileException(_LambdaError):
    code = "InvalidZipFileException"
    status = 502
    fault = "Service"


class ServiceException(_LambdaError):
    code = "ServiceException"
    status = 500
    fault = "Service"
