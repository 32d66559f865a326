"""The exceptions of ECS's model, and those that its handlers raise besides."""

from __future__ import annotations

from kunren.core.errors import AwsError


class AccessDeniedException(AwsError):
    code = "AccessDeniedException"


class ClientException(AwsError):
    code = "ClientException"


class ClusterContainsContainerInstancesException(AwsError):
    code = "ClusterContainsContainerInstancesException"


class ClusterContainsServicesException(AwsError):
    code = "ClusterContainsServicesException"


class ClusterContainsTasksException(AwsError):
    code = "ClusterContainsTasksException"


class ClusterNotFoundException(AwsError):
    code = "ClusterNotFoundException"

    def __init__(self, message: str = "Cluster not found.") -> None:
        super().__init__(message)


class ConflictException(AwsError):
    code = "ConflictException"


class InvalidParameterException(AwsError):
    code = "InvalidParameterException"


class LimitExceededException(AwsError):
    code = "LimitExceededException"


class NamespaceNotFoundException(AwsError):
    code = "NamespaceNotFoundException"

    def __init__(self, message: str = "The specified namespace was not found.") -> None:
        super().__init__(message)


class PlatformTaskDefinitionIncompatibilityException(AwsError):
    code = "PlatformTaskDefinitionIncompatibilityException"


class PlatformUnknownException(AwsError):
    code = "PlatformUnknownException"


class ResourceInUseException(AwsError):
    code = "ResourceInUseException"


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"


class ServiceDeploymentNotFoundException(AwsError):
    code = "ServiceDeploymentNotFoundException"


class ServiceNotActiveException(AwsError):
    code = "ServiceNotActiveException"

    def __init__(self, message: str = "Service was not ACTIVE.") -> None:
        super().__init__(message)


class ServiceNotFoundException(AwsError):
    code = "ServiceNotFoundException"

    def __init__(self, message: str = "Service not found.") -> None:
        super().__init__(message)


class TargetNotConnectedException(AwsError):
    code = "TargetNotConnectedException"


class TaskSetNotFoundException(AwsError):
    code = "TaskSetNotFoundException"

    def __init__(self, message: str = "TaskSet not found.") -> None:
        super().__init__(message)


class UnsupportedFeatureException(AwsError):
    code = "UnsupportedFeatureException"


class NotYet(AwsError):
    """AWS can do it and Kunren cannot: refused as a whole, naming what is missing."""

    code = "NotImplemented"
    status = 501

    def __init__(self, what: str) -> None:
        super().__init__(f"Kunren's ecs has no {what} yet.")
