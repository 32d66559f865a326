"""The errors of fleets ("Error codes for the Amazon EC2 API")."""

from __future__ import annotations

from kunren.core.errors import AwsError


class FleetNotFound(AwsError):
    code = "InvalidFleetId.NotFound"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"The fleet ID '{', '.join(ids)}' does not exist.")


class InvalidFleetConfig(AwsError):
    code = "InvalidFleetConfig"


class NotModifiable(AwsError):
    """Only fleets of type maintain that are not deleted can be modified."""

    code = "FleetNotInModifiableState"

    def __init__(self, id: str, type: str, state: str) -> None:
        super().__init__(f"{id} can't be modified: it is of type {type} and {state}.")


class UnfulfillableCapacity(AwsError):
    """No Spot capacity."""

    code = "UnfulfillableCapacity"
    status = 500

    def __init__(self) -> None:
        super().__init__(
            "Unable to fulfill capacity due to your request configuration. Please adjust your request and try again."
        )


class SpotFleetNotFound(AwsError):
    code = "InvalidSpotFleetRequestId.NotFound"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"The spot fleet request ID '{', '.join(ids)}' does not exist.")


class InvalidSpotFleetRequestConfig(AwsError):
    code = "InvalidSpotFleetRequestConfig"
