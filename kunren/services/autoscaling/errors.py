"""The exceptions of Auto Scaling's model, and those that its handlers raise besides."""

from __future__ import annotations

from kunren.core.errors import AwsError


class AlreadyExistsFault(AwsError):
    code = "AlreadyExists"


class ActiveInstanceRefreshNotFoundFault(AwsError):
    code = "ActiveInstanceRefreshNotFound"


class InstanceRefreshInProgressFault(AwsError):
    code = "InstanceRefreshInProgress"


class IrreversibleInstanceRefreshFault(AwsError):
    code = "IrreversibleInstanceRefresh"


class LimitExceededFault(AwsError):
    code = "LimitExceeded"


class InvalidNextToken(AwsError):
    code = "InvalidNextToken"


class ResourceInUseFault(AwsError):
    code = "ResourceInUse"


class ScalingActivityInProgressFault(AwsError):
    code = "ScalingActivityInProgress"


class ValidationError(AwsError):
    code = "ValidationError"


class NotYet(AwsError):
    """AWS can do it and Kunren cannot: refused as a whole, naming what is missing."""

    code = "NotImplemented"
    status = 501

    def __init__(self, what: str) -> None:
        super().__init__(f"Kunren's autoscaling has no {what} yet.")


def no_group(name: str) -> ValidationError:
    return ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
