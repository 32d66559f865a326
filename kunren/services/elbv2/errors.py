"""The errors of the elbv2 API: code and status as the service model's error traits have them.

Elastic Load Balancing also answers with codes that its model does not declare (`ValidationError`, `AccessDenied`,
`UnsupportedCertificate`). Those come from the functions at the end, since a class here stands for a modelled shape.
"""

from __future__ import annotations

from typing import ClassVar

from kunren.core.errors import AwsError, WireError


class AllocationIdNotFound(AwsError):
    code: ClassVar[str] = "AllocationIdNotFound"


class ALPNPolicyNotSupported(AwsError):
    code: ClassVar[str] = "ALPNPolicyNotFound"


class CapacityDecreaseRequestLimitExceeded(AwsError):
    code: ClassVar[str] = "CapacityDecreaseRequestLimitExceeded"


class CapacityReservationPending(AwsError):
    code: ClassVar[str] = "CapacityReservationPending"


class CapacityUnitsLimitExceeded(AwsError):
    code: ClassVar[str] = "CapacityUnitsLimitExceeded"


class CertificateNotFound(AwsError):
    code: ClassVar[str] = "CertificateNotFound"


class DuplicateListener(AwsError):
    code: ClassVar[str] = "DuplicateListener"


class DuplicateLoadBalancerName(AwsError):
    code: ClassVar[str] = "DuplicateLoadBalancerName"


class DuplicateTagKeys(AwsError):
    code: ClassVar[str] = "DuplicateTagKeys"


class DuplicateTargetGroupName(AwsError):
    code: ClassVar[str] = "DuplicateTargetGroupName"


class IncompatibleProtocols(AwsError):
    code: ClassVar[str] = "IncompatibleProtocols"


class InvalidConfigurationRequest(AwsError):
    code: ClassVar[str] = "InvalidConfigurationRequest"


class InvalidLoadBalancerAction(AwsError):
    code: ClassVar[str] = "InvalidLoadBalancerAction"


class InvalidSecurityGroup(AwsError):
    code: ClassVar[str] = "InvalidSecurityGroup"


class InvalidSubnet(AwsError):
    code: ClassVar[str] = "InvalidSubnet"


class InvalidTarget(AwsError):
    code: ClassVar[str] = "InvalidTarget"


class ListenerNotFound(AwsError):
    code: ClassVar[str] = "ListenerNotFound"


class LoadBalancerNotFound(AwsError):
    code: ClassVar[str] = "LoadBalancerNotFound"


class OperationNotPermitted(AwsError):
    code: ClassVar[str] = "OperationNotPermitted"


class PriorityInUse(AwsError):
    code: ClassVar[str] = "PriorityInUse"


class ResourceInUse(AwsError):
    code: ClassVar[str] = "ResourceInUse"


class RuleNotFound(AwsError):
    code: ClassVar[str] = "RuleNotFound"


class SSLPolicyNotFound(AwsError):
    code: ClassVar[str] = "SSLPolicyNotFound"


class SubnetNotFound(AwsError):
    code: ClassVar[str] = "SubnetNotFound"


class TargetGroupAssociationLimit(AwsError):
    code: ClassVar[str] = "TargetGroupAssociationLimit"


class TargetGroupNotFound(AwsError):
    code: ClassVar[str] = "TargetGroupNotFound"


class TooManyActions(AwsError):
    code: ClassVar[str] = "TooManyActions"


class TooManyCertificates(AwsError):
    code: ClassVar[str] = "TooManyCertificates"


class TooManyListeners(AwsError):
    code: ClassVar[str] = "TooManyListeners"


class TooManyLoadBalancers(AwsError):
    code: ClassVar[str] = "TooManyLoadBalancers"


class TooManyRegistrationsForTargetId(AwsError):
    code: ClassVar[str] = "TooManyRegistrationsForTargetId"


class TooManyRules(AwsError):
    code: ClassVar[str] = "TooManyRules"


class TooManyTags(AwsError):
    code: ClassVar[str] = "TooManyTags"


class TooManyTargetGroups(AwsError):
    code: ClassVar[str] = "TooManyTargetGroups"


class TooManyTargets(AwsError):
    code: ClassVar[str] = "TooManyTargets"


class TooManyUniqueTargetGroupsPerLoadBalancer(AwsError):
    code: ClassVar[str] = "TooManyUniqueTargetGroupsPerLoadBalancer"


class TrustStoreNotFound(AwsError):
    code: ClassVar[str] = "TrustStoreNotFound"


class DuplicateTrustStoreName(AwsError):
    code: ClassVar[str] = "DuplicateTrustStoreName"


class TooManyTrustStores(AwsError):
    code: ClassVar[str] = "TooManyTrustStores"


class InvalidCaCertificatesBundle(AwsError):
    code: ClassVar[str] = "InvalidCaCertificatesBundle"


class CaCertificatesBundleNotFound(AwsError):
    code: ClassVar[str] = "CaCertificatesBundleNotFound"


class TrustStoreInUse(AwsError):
    code: ClassVar[str] = "TrustStoreInUse"


class InvalidRevocationContent(AwsError):
    code: ClassVar[str] = "InvalidRevocationContent"


class RevocationContentNotFound(AwsError):
    code: ClassVar[str] = "RevocationContentNotFound"


class RevocationIdNotFound(AwsError):
    code: ClassVar[str] = "RevocationIdNotFound"


class TooManyTrustStoreRevocationEntries(AwsError):
    code: ClassVar[str] = "TooManyTrustStoreRevocationEntries"


class DeleteAssociationSameAccount(AwsError):
    code: ClassVar[str] = "DeleteAssociationSameAccount"


class TrustStoreAssociationNotFound(AwsError):
    code: ClassVar[str] = "AssociationNotFound"


class ResourceNotFound(AwsError):
    code: ClassVar[str] = "ResourceNotFound"


def validation_error(message: str) -> WireError:
    """The parameter was understood and is wrong: 400 ValidationError."""
    return WireError("ValidationError", message)


def unsupported_certificate(arn: str) -> WireError:
    """The certificate exists and cannot be served, for one because it is not issued yet."""
    return WireError(
        "UnsupportedCertificate",
        f"The certificate '{arn}' must have a fully-qualified domain name, a supported signature, and a supported"
        " key size.",
    )


def not_allowed_to_invoke(function_arn: str, group_arn: str) -> WireError:
    """The function's policy has no statement for the load balancing service."""
    return WireError(
        "AccessDenied",
        f"elasticloadbalancing principal does not have permission to invoke {function_arn} from target group"
        f" {group_arn}",
        status=403,
    )
