"""The exceptions that acm's model declares and its handlers raise (ACM API Reference, "Common error types")."""

from __future__ import annotations

from kunren.core.errors import AwsError, WireError


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"

    def __init__(self, arn: str, account: str) -> None:
        super().__init__(f"Could not find certificate {arn} in account {account}.")


class AcmeResourceNotFound(AwsError):
    code = "ResourceNotFoundException"

    def __init__(self, arn: str, account: str) -> None:
        super().__init__(f"Could not find resource {arn} in account {account}.")


class ResourceInUseException(AwsError):
    code = "ResourceInUseException"

    def __init__(self, arn: str) -> None:
        super().__init__(f"Certificate {arn} is in use.")


class RequestInProgressException(AwsError):
    code = "RequestInProgressException"

    def __init__(self) -> None:
        super().__init__(
            "The certificate request is in process and the certificate in your account is not yet available."
        )


class ValidationException(AwsError):
    code = "ValidationException"


class ConflictException(AwsError):
    code = "ConflictException"


class ServiceQuotaExceededException(AwsError):
    code = "ServiceQuotaExceededException"


class InvalidParameterException(AwsError):
    code = "InvalidParameterException"


class InvalidArgsException(AwsError):
    code = "InvalidArgsException"


class InvalidArnException(AwsError):
    code = "InvalidArnException"


class InvalidDomainValidationOptionsException(AwsError):
    code = "InvalidDomainValidationOptionsException"


class InvalidStateException(AwsError):
    code = "InvalidStateException"


class InvalidTagException(AwsError):
    code = "InvalidTagException"


class LimitExceededException(AwsError):
    code = "LimitExceededException"


class TooManyTagsException(AwsError):
    code = "TooManyTagsException"


class NotHere(WireError):
    """AWS can do it and Kunren cannot: 501, saying what is missing and what to do instead."""

    def __init__(self, text: str) -> None:
        super().__init__("NotImplemented", text, 501)
