"""The exceptions that Route 53's model declares, with the texts that AWS gives."""

from __future__ import annotations

from collections.abc import Sequence

from kunren.core.errors import AwsError


class InvalidInput(AwsError):
    code = "InvalidInput"


class InvalidArgument(AwsError):
    code = "InvalidArgument"


class InvalidDomainName(AwsError):
    code = "InvalidDomainName"


class InvalidChangeBatch(AwsError):
    """All that is wrong with a batch, as AWS prints a Java list: `[first, second]`."""

    code = "InvalidChangeBatch"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"[{', '.join(problems)}]")


class NoSuchHostedZone(AwsError):
    code = "NoSuchHostedZone"
    status = 404

    def __init__(self, zone_id: str) -> None:
        super().__init__(f"No hosted zone found with ID: {zone_id}")


class NoSuchHealthCheck(AwsError):
    code = "NoSuchHealthCheck"
    status = 404

    def __init__(self, health_check_id: str) -> None:
        super().__init__(f"A health check with id {health_check_id} does not exist.")


class HealthCheckAlreadyExists(AwsError):
    code = "HealthCheckAlreadyExists"
    status = 409

    def __init__(self) -> None:
        super().__init__("A different health check has already been created with the specified caller reference.")


class HealthCheckInUse(AwsError):
    code = "HealthCheckInUse"

    def __init__(self, health_check_id: str, parent: str) -> None:
        super().__init__(f"Health check {health_check_id} is still referenced from parent health check {parent}.")


class HealthCheckVersionMismatch(AwsError):
    code = "HealthCheckVersionMismatch"
    status = 409

    def __init__(self, given: int, current: int) -> None:
        super().__init__(
            f"The specified health check version {given} does not match the current version {current} of the health "
            "check."
        )


class TooManyHealthChecks(AwsError):
    code = "TooManyHealthChecks"

    def __init__(self) -> None:
        super().__init__("Limits Exceeded: MAX_HEALTH_CHECKS_BY_OWNER - Cannot create more health checks.")


class NoSuchChange(AwsError):
    code = "NoSuchChange"
    status = 404

    def __init__(self, change_id: str) -> None:
        super().__init__(f"Could not find resource with ID: {change_id}")


class HostedZoneAlreadyExists(AwsError):
    code = "HostedZoneAlreadyExists"
    status = 409

    def __init__(self) -> None:
        super().__init__("A hosted zone has already been created with the specified caller reference.")


class HostedZoneNotEmpty(AwsError):
    code = "HostedZoneNotEmpty"

    def __init__(self, what: str = "non-required resource record sets ") -> None:
        """`what` ends in a space where AWS writes two."""
        super().__init__(f"The specified hosted zone contains {what} and so cannot be deleted.")


class HostedZoneNotFound(AwsError):
    code = "HostedZoneNotFound"

    def __init__(self, zone_id: str) -> None:
        super().__init__(f"The specified hosted zone {zone_id} could not be found.")


class HostedZoneNotPrivate(AwsError):
    code = "HostedZoneNotPrivate"

    def __init__(self) -> None:
        super().__init__("The specified hosted zone is a public hosted zone, not a private hosted zone.")


class TooManyHostedZones(AwsError):
    code = "TooManyHostedZones"

    def __init__(self) -> None:
        super().__init__("Limits Exceeded: MAX_HOSTED_ZONES_BY_OWNER - Cannot create more hosted zones.")


class LimitsExceeded(AwsError):
    code = "LimitsExceeded"


class ConflictingDomainExists(AwsError):
    code = "ConflictingDomainExists"


class DelegationSetNotAvailable(AwsError):
    code = "DelegationSetNotAvailable"

    def __init__(self, name: str) -> None:
        super().__init__(f"No name servers are left that do not serve a zone conflicting with {name} already.")


class NoSuchDelegationSet(AwsError):
    code = "NoSuchDelegationSet"

    def __init__(self, set_id: str) -> None:
        super().__init__(f"A reusable delegation set with the ID {set_id} does not exist.")


class DelegationSetInUse(AwsError):
    code = "DelegationSetInUse"

    def __init__(self, set_id: str) -> None:
        super().__init__(f"The reusable delegation set {set_id} is in use by one or more hosted zones.")


class DelegationSetAlreadyCreated(AwsError):
    code = "DelegationSetAlreadyCreated"

    def __init__(self) -> None:
        super().__init__(
            "A delegation set with the same owner and caller reference combination has already been created."
        )


class DelegationSetAlreadyReusable(AwsError):
    code = "DelegationSetAlreadyReusable"

    def __init__(self) -> None:
        super().__init__("The specified delegation set has already been marked as reusable.")


class InvalidVPCId(AwsError):
    code = "InvalidVPCId"

    def __init__(self, vpc_id: str, region: str) -> None:
        super().__init__(f"The VPC: {vpc_id} in region {region} that you provided is invalid.")


class PublicZoneVPCAssociation(AwsError):
    code = "PublicZoneVPCAssociation"

    def __init__(self, zone_id: str) -> None:
        super().__init__(f"Hosted zone {zone_id} is a public hosted zone and can't be associated with a VPC.")


class NotAuthorizedException(AwsError):
    code = "NotAuthorizedException"
    status = 401

    def __init__(self, vpc_id: str, region: str) -> None:
        super().__init__(
            f"The VPC: {vpc_id} in region {region} that you provided is not authorized to make the association."
        )


class VPCAssociationNotFound(AwsError):
    code = "VPCAssociationNotFound"
    status = 404

    def __init__(self, vpc_id: str, region: str, zone_id: str) -> None:
        super().__init__(f"The VPC: {vpc_id} in region {region} isn't associated with the hosted zone {zone_id}.")


class VPCAssociationAuthorizationNotFound(AwsError):
    code = "VPCAssociationAuthorizationNotFound"
    status = 404

    def __init__(self, vpc_id: str, region: str) -> None:
        super().__init__(f"The VPC: {vpc_id} in region {region} isn't authorized to be associated.")


class LastVPCAssociation(AwsError):
    code = "LastVPCAssociation"

    def __init__(self, vpc_id: str, region: str, zone_id: str) -> None:
        super().__init__(
            f"The VPC: {vpc_id} in region {region} is the last one associated with the hosted zone {zone_id}: "
            "a private hosted zone can't become public."
        )


class TooManyVPCAssociationAuthorizations(AwsError):
    code = "TooManyVPCAssociationAuthorizations"

    def __init__(self, zone_id: str) -> None:
        super().__init__(f"No more VPCs can be authorized for the hosted zone {zone_id}.")


class InvalidPaginationToken(AwsError):
    code = "InvalidPaginationToken"

    def __init__(self) -> None:
        super().__init__("The pagination token is not valid.")


class NoSuchCidrCollection(AwsError):
    code = "NoSuchCidrCollectionException"
    status = 404

    def __init__(self, collection_id: str) -> None:
        super().__init__(f"The CIDR collection {collection_id} doesn't exist.")


class NoSuchCidrLocation(AwsError):
    code = "NoSuchCidrLocationException"
    status = 404

    def __init__(self, location: str) -> None:
        super().__init__(f"The CIDR collection has no location {location}.")


class CidrCollectionAlreadyExists(AwsError):
    code = "CidrCollectionAlreadyExistsException"

    def __init__(self, name: str) -> None:
        super().__init__(f"A CIDR collection with the name {name} and a different caller reference already exists.")


class CidrCollectionInUse(AwsError):
    code = "CidrCollectionInUseException"

    def __init__(self, collection_id: str) -> None:
        super().__init__(f"The CIDR collection {collection_id} is in use, and isn't empty.")


class CidrCollectionVersionMismatch(AwsError):
    code = "CidrCollectionVersionMismatchException"
    status = 409

    def __init__(self) -> None:
        super().__init__("The CIDR collection version you provided, doesn't match the one in the collection.")


class CidrBlockInUse(AwsError):
    code = "CidrBlockInUseException"

    def __init__(self, block: str, location: str) -> None:
        super().__init__(f"The CIDR block {block} is already in use in the location {location}.")


class NoSuchGeoLocation(AwsError):
    code = "NoSuchGeoLocation"
    status = 404

    def __init__(self) -> None:
        super().__init__("The geographic location that you specified isn't supported.")


class InvalidTrafficPolicyDocument(AwsError):
    code = "InvalidTrafficPolicyDocument"


class NoSuchTrafficPolicy(AwsError):
    code = "NoSuchTrafficPolicy"
    status = 404

    def __init__(self, id: str, version: int | None = None) -> None:
        super().__init__(
            f"No traffic policy exists with Id {id}."
            if version is None
            else f"No traffic policy exists with Id {id} and version {version}."
        )


class NoSuchTrafficPolicyInstance(AwsError):
    code = "NoSuchTrafficPolicyInstance"
    status = 404

    def __init__(self, id: str) -> None:
        super().__init__(f"No traffic policy instance exists with Id {id}.")


class TrafficPolicyAlreadyExists(AwsError):
    code = "TrafficPolicyAlreadyExists"
    status = 409

    def __init__(self, name: str) -> None:
        super().__init__(f"A traffic policy that has the name {name} already exists.")


class TrafficPolicyInUse(AwsError):
    code = "TrafficPolicyInUse"

    def __init__(self) -> None:
        super().__init__("One or more traffic policy instances were created by using the specified traffic policy.")


class TrafficPolicyInstanceAlreadyExists(AwsError):
    code = "TrafficPolicyInstanceAlreadyExists"
    status = 409

    def __init__(self, name: str, rtype: str) -> None:
        super().__init__(
            f"A traffic policy instance with the name {name} and type {rtype} already exists in the hosted zone."
        )


class TooManyTrafficPolicies(AwsError):
    code = "TooManyTrafficPolicies"

    def __init__(self) -> None:
        super().__init__("Limits Exceeded: MAX_TRAFFIC_POLICIES_BY_OWNER - Cannot create more traffic policies.")


class TooManyTrafficPolicyInstances(AwsError):
    code = "TooManyTrafficPolicyInstances"

    def __init__(self) -> None:
        super().__init__(
            "Limits Exceeded: MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER - Cannot create more traffic policy instances."
        )


class TooManyTrafficPolicyVersions(AwsError):
    code = "TooManyTrafficPolicyVersionsForCurrentPolicy"

    def __init__(self, id: str) -> None:
        super().__init__(f"The traffic policy {id} has 1000 versions, which is the most that it can have.")


class ConflictingTypes(AwsError):
    code = "ConflictingTypes"

    def __init__(self, present: str, wanted: str) -> None:
        super().__init__(
            f"The traffic policy instance has the type {present}, and can't be updated to the type {wanted}."
        )


class NoSuchQueryLoggingConfig(AwsError):
    code = "NoSuchQueryLoggingConfig"
    status = 404

    def __init__(self, id: str) -> None:
        super().__init__(f"There is no DNS query logging configuration with the ID {id}.")


class QueryLoggingConfigAlreadyExists(AwsError):
    code = "QueryLoggingConfigAlreadyExists"
    status = 409

    def __init__(self, zone_id: str) -> None:
        super().__init__(f"A query logging configuration already exists for the hosted zone {zone_id}.")


class NoSuchCloudWatchLogsLogGroup(AwsError):
    code = "NoSuchCloudWatchLogsLogGroup"
    status = 404

    def __init__(self) -> None:
        super().__init__("The specified CloudWatch Logs log group doesn't exist.")


class InsufficientCloudWatchLogsResourcePolicy(AwsError):
    code = "InsufficientCloudWatchLogsResourcePolicy"

    def __init__(self) -> None:
        super().__init__(
            "The resource policy that you're using for Route 53 query logging doesn't grant Route 53 sufficient "
            "permission to create a log stream in the specified log group."
        )


class FeatureNotEnabled(AwsError):
    code = "FeatureNotEnabled"
    status = 403

    def __init__(self, zone_id: str) -> None:
        super().__init__(f"Change History isn't turned on for the hosted zone {zone_id}.")


class InvalidResourceRecordSetProtectionBatch(AwsError):
    code = "InvalidResourceRecordSetProtectionBatch"

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("One or more entries in the request couldn't be processed.", Errors=errors)


class ProtectionAlreadyExists(AwsError):
    code = "ProtectionAlreadyExists"
    status = 409

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("A protection already exists for every name and type in the request.", Errors=errors)
