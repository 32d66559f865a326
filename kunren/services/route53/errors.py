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

    def __init__(self) -> None:
        super().__init__(  # the two spaces are AWS's
            "The specified hosted zone contains non-required resource record sets  and so cannot be deleted."
        )


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
