"""The errors of CloudFormation's operations, by their codes on the wire."""

from __future__ import annotations

from kunren.core.errors import AwsError, WireError


class ValidationError(AwsError):
    """What AWS answers for nearly all that is wrong with a request, a template or a state."""

    code = "ValidationError"


class AlreadyExistsException(AwsError):
    code = "AlreadyExistsException"


class InsufficientCapabilitiesException(AwsError):
    code = "InsufficientCapabilitiesException"


class ChangeSetNotFoundException(AwsError):
    code = "ChangeSetNotFound"
    status = 404


class InvalidChangeSetStatusException(AwsError):
    code = "InvalidChangeSetStatus"


class TokenAlreadyExistsException(AwsError):
    code = "TokenAlreadyExistsException"


def not_implemented(what: str) -> WireError:
    """501 for what AWS has and Kunren lacks; `what` is the start of a sentence."""
    return WireError(
        "NotImplemented",
        f"Kunren does not implement {what} yet; docs/coverage.md lists the resource types that are real.",
        501,
    )
