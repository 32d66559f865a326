"""What can be wrong with a change of a managed prefix list."""

from __future__ import annotations

from kunren.core.errors import AwsError


class PrefixListVersionMismatch(AwsError):
    code = "PrefixListVersionMismatch"

    def __init__(self) -> None:
        super().__init__("The prefix list has the incorrect version number.")


class PrefixListVersionNotFound(AwsError):
    code = "PrefixListVersionNotFound"

    def __init__(self, id: str, version: int) -> None:
        super().__init__(f"The version {version} of the prefix list '{id}' does not exist.")


class PrefixListMaxEntriesExceeded(AwsError):
    code = "PrefixListMaxEntriesExceeded"

    def __init__(self) -> None:
        super().__init__("You have reached the maximum number of entries for the prefix list.")


class InvalidPrefixListModification(AwsError):
    code = "InvalidPrefixListModification"


class PrefixListLimitExceeded(AwsError):
    code = "PrefixListLimitExceeded"

    def __init__(self) -> None:
        super().__init__("The maximum number of prefix lists has been reached.")


class IncorrectState(AwsError):
    code = "IncorrectState"
