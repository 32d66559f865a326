"""The exceptions of CodeDeploy's model that its handlers raise, and what a deployment fails with."""

from __future__ import annotations

from kunren.core.errors import AwsError


class ApplicationAlreadyExistsException(AwsError):
    code = "ApplicationAlreadyExistsException"


class ApplicationDoesNotExistException(AwsError):
    code = "ApplicationDoesNotExistException"


class AlarmsLimitExceededException(AwsError):
    code = "AlarmsLimitExceededException"


class ApplicationNameRequiredException(AwsError):
    code = "ApplicationNameRequiredException"


class ArnNotSupportedException(AwsError):
    code = "ArnNotSupportedException"


class BatchLimitExceededException(AwsError):
    code = "BatchLimitExceededException"


class BucketNameFilterRequiredException(AwsError):
    code = "BucketNameFilterRequiredException"


class DeploymentAlreadyCompletedException(AwsError):
    code = "DeploymentAlreadyCompletedException"


class DeploymentConfigAlreadyExistsException(AwsError):
    code = "DeploymentConfigAlreadyExistsException"


class DeploymentConfigDoesNotExistException(AwsError):
    code = "DeploymentConfigDoesNotExistException"


class DeploymentConfigInUseException(AwsError):
    code = "DeploymentConfigInUseException"


class DeploymentDoesNotExistException(AwsError):
    code = "DeploymentDoesNotExistException"


class DeploymentGroupAlreadyExistsException(AwsError):
    code = "DeploymentGroupAlreadyExistsException"


class DeploymentGroupDoesNotExistException(AwsError):
    code = "DeploymentGroupDoesNotExistException"


class DeploymentGroupNameRequiredException(AwsError):
    code = "DeploymentGroupNameRequiredException"


class DeploymentIdRequiredException(AwsError):
    code = "DeploymentIdRequiredException"


class DeploymentIsNotInReadyStateException(AwsError):
    code = "DeploymentIsNotInReadyStateException"


class DeploymentLimitExceededException(AwsError):
    code = "DeploymentLimitExceededException"


class DeploymentTargetDoesNotExistException(AwsError):
    code = "DeploymentTargetDoesNotExistException"


class InstanceDoesNotExistException(AwsError):
    code = "InstanceDoesNotExistException"


class InvalidAlarmConfigException(AwsError):
    code = "InvalidAlarmConfigException"


class InvalidArnException(AwsError):
    code = "InvalidArnException"


class InvalidAutoRollbackConfigException(AwsError):
    code = "InvalidAutoRollbackConfigException"


class InvalidAutoScalingGroupException(AwsError):
    code = "InvalidAutoScalingGroupException"


class InvalidBlueGreenDeploymentConfigurationException(AwsError):
    code = "InvalidBlueGreenDeploymentConfigurationException"


class InvalidComputePlatformException(AwsError):
    code = "InvalidComputePlatformException"


class InvalidDeploymentConfigNameException(AwsError):
    code = "InvalidDeploymentConfigNameException"


class InvalidDeploymentIdException(AwsError):
    code = "InvalidDeploymentIdException"


class InvalidDeploymentStyleException(AwsError):
    code = "InvalidDeploymentStyleException"


class InvalidEC2TagCombinationException(AwsError):
    code = "InvalidEC2TagCombinationException"


class InvalidECSServiceException(AwsError):
    code = "InvalidECSServiceException"


class InvalidLifecycleEventHookExecutionIdException(AwsError):
    code = "InvalidLifecycleEventHookExecutionIdException"


class InvalidLifecycleEventHookExecutionStatusException(AwsError):
    code = "InvalidLifecycleEventHookExecutionStatusException"


class InvalidLoadBalancerInfoException(AwsError):
    code = "InvalidLoadBalancerInfoException"


class InvalidMinimumHealthyHostValueException(AwsError):
    code = "InvalidMinimumHealthyHostValueException"


class InvalidNextTokenException(AwsError):
    code = "InvalidNextTokenException"


class InvalidOperationException(AwsError):
    code = "InvalidOperationException"


class InvalidRevisionException(AwsError):
    code = "InvalidRevisionException"


class InvalidRoleException(AwsError):
    code = "InvalidRoleException"


class InvalidTagsToAddException(AwsError):
    code = "InvalidTagsToAddException"


class InvalidTargetGroupPairException(AwsError):
    code = "InvalidTargetGroupPairException"


class InvalidTargetInstancesException(AwsError):
    code = "InvalidTargetInstancesException"


class InvalidTrafficRoutingConfigurationException(AwsError):
    code = "InvalidTrafficRoutingConfigurationException"


class InvalidTriggerConfigException(AwsError):
    code = "InvalidTriggerConfigException"


class InvalidZonalDeploymentConfigurationException(AwsError):
    code = "InvalidZonalDeploymentConfigurationException"


class LifecycleEventAlreadyCompletedException(AwsError):
    code = "LifecycleEventAlreadyCompletedException"


class RevisionDoesNotExistException(AwsError):
    code = "RevisionDoesNotExistException"


class RevisionRequiredException(AwsError):
    code = "RevisionRequiredException"


class UnsupportedActionForDeploymentTypeException(AwsError):
    code = "UnsupportedActionForDeploymentTypeException"


class NotYet(AwsError):
    """AWS can do it and Kunren cannot: refused as a whole, naming what is missing."""

    code = "NotImplemented"
    status = 501

    def __init__(self, what: str) -> None:
        super().__init__(f"Kunren's codedeploy has no {what} yet.")


class DeploymentFails(Exception):
    """A deployment can't go on; `code` is an ErrorCode of the model."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message
