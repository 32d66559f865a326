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


class StackRefactorNotFoundException(AwsError):
    code = "StackRefactorNotFoundException"
    status = 404


class TypeNotFoundException(AwsError):
    code = "TypeNotFoundException"
    status = 404


class CFNRegistryException(AwsError):
    code = "CFNRegistryException"


class HookResultNotFoundException(AwsError):
    code = "HookResultNotFound"
    status = 404


class StackSetNotFoundException(AwsError):
    code = "StackSetNotFoundException"
    status = 404


class StackSetNotEmptyException(AwsError):
    code = "StackSetNotEmptyException"
    status = 409


class StackInstanceNotFoundException(AwsError):
    code = "StackInstanceNotFoundException"
    status = 404


class NameAlreadyExistsException(AwsError):
    code = "NameAlreadyExistsException"
    status = 409


class OperationInProgressException(AwsError):
    code = "OperationInProgressException"
    status = 409


class OperationIdAlreadyExistsException(AwsError):
    code = "OperationIdAlreadyExistsException"
    status = 409


class OperationNotFoundException(AwsError):
    code = "OperationNotFoundException"
    status = 404


def not_implemented(what: str) -> WireError:
    """501 for what AWS has and Kunren lacks; `what` is the start of a sentence."""
    return WireError(
        "NotImplemented",
        f"Kunren does not implement {what} yet; docs/coverage.md lists the resource types that are real.",
        501,
    )
