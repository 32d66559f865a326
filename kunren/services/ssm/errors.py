"""The exceptions of Systems Manager's model that sessions, commands and managed instances raise."""

from __future__ import annotations

from collections.abc import Sequence

from kunren.core.errors import AwsError


class TargetNotConnected(AwsError):
    code = "TargetNotConnected"

    def __init__(self, target: str) -> None:
        super().__init__(f"{target} is not connected.")


class InvalidDocument(AwsError):
    code = "InvalidDocument"

    def __init__(self, name: str, message: str = "") -> None:
        super().__init__(message or f"Document with name {name} does not exist.")


class DoesNotExistException(AwsError):
    code = "DoesNotExistException"

    def __init__(self, session: str) -> None:
        super().__init__(f"Session {session} does not exist.")


class InvalidCommandId(AwsError):
    code = "InvalidCommandId"


class InvocationDoesNotExist(AwsError):
    code = "InvocationDoesNotExist"


class InvalidPluginName(AwsError):
    code = "InvalidPluginName"


class InvalidInstanceId(AwsError):
    code = "InvalidInstanceId"

    def __init__(self, ids: Sequence[str], account: str) -> None:
        super().__init__(f"Instances [[{', '.join(ids)}]] not in a valid state for account {account}")


class DuplicateInstanceId(AwsError):
    code = "DuplicateInstanceId"


class InvalidOutputFolder(AwsError):
    code = "InvalidOutputFolder"


class InvalidDocumentVersion(AwsError):
    code = "InvalidDocumentVersion"


class InvalidParameters(AwsError):
    code = "InvalidParameters"


class InvalidFilterKey(AwsError):
    code = "InvalidFilterKey"


class InvalidNextToken(AwsError):
    code = "InvalidNextToken"

    def __init__(self) -> None:
        super().__init__("The specified token isn't valid.")


class NotYet(AwsError):
    """AWS can do it and Kunren cannot: refused as a whole, naming what is missing."""

    code = "NotImplemented"
    status = 501

    def __init__(self, what: str) -> None:
        super().__init__(f"Kunren's ssm has no {what} yet.")
