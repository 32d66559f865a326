"""The exceptions of CloudWatch's model, and those that its handlers raise besides."""

from __future__ import annotations

from kunren.core.errors import AwsError


class DashboardInvalidInputError(AwsError):
    code = "InvalidParameterInput"


class DashboardNotFoundError(AwsError):
    code = "ResourceNotFound"
    status = 404


class InvalidFormatFault(AwsError):
    code = "InvalidFormat"


class InvalidNextToken(AwsError):
    code = "InvalidNextToken"


class InvalidParameterCombinationException(AwsError):
    code = "InvalidParameterCombination"


class InvalidParameterValueException(AwsError):
    code = "InvalidParameterValue"


class MissingRequiredParameterException(AwsError):
    code = "MissingParameter"


class ResourceNotFound(AwsError):
    code = "ResourceNotFound"
    status = 404


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"
    status = 404


class InternalServiceFault(AwsError):
    code = "InternalServiceError"
    status = 500


class ValidationError(AwsError):
    code = "ValidationError"


class NotYet(AwsError):
    """AWS can do it and Kunren cannot: refused as a whole, naming what is missing."""

    code = "NotImplemented"
    status = 501

    def __init__(self, what: str) -> None:
        super().__init__(f"Kunren's cloudwatch has no {what} yet.")
