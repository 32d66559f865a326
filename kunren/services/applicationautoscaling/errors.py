"""The exceptions of Application Auto Scaling's model, and what Kunren can't do yet."""

from __future__ import annotations

from kunren.core.errors import AwsError


class InvalidNextTokenException(AwsError):
    code = "InvalidNextTokenException"


class LimitExceededException(AwsError):
    code = "LimitExceededException"


class ObjectNotFoundException(AwsError):
    code = "ObjectNotFoundException"


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"


class ValidationException(AwsError):
    code = "ValidationException"


class NotYet(AwsError):
    """AWS can do it and Kunren cannot: refused as a whole, naming what is missing."""

    code = "NotImplemented"
    status = 501

    def __init__(self, what: str) -> None:
        super().__init__(f"Kunren's application-autoscaling has no {what} yet.")
