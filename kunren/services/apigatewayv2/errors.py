"""The exceptions that apigatewayv2's model declares and its handlers raise (API Gateway V2 API Reference)."""

from __future__ import annotations

from kunren.core.errors import AwsError, WireError


class NotFoundException(AwsError):
    code = "NotFoundException"
    status = 404


class BadRequestException(AwsError):
    code = "BadRequestException"


class ConflictException(AwsError):
    code = "ConflictException"
    status = 409


class TooManyRequestsException(AwsError):
    code = "TooManyRequestsException"
    status = 429


class NotHere(WireError):
    """What AWS has and Kunren does not, said by name."""

    def __init__(self, what: str) -> None:
        super().__init__("NotImplemented", f"Kunren does not implement {what} yet.", status=501)
