"""What can be wrong with a request about VPC endpoints."""

from __future__ import annotations

from kunren.core.errors import AwsError


class InvalidParameter(AwsError):
    code = "InvalidParameter"


class InvalidServiceName(AwsError):
    code = "InvalidServiceName"

    def __init__(self, name: str) -> None:
        super().__init__(f"The Vpc Endpoint Service '{name}' does not exist")


class VpcEndpointNotFound(AwsError):
    code = "InvalidVpcEndpointId.NotFound"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"The Vpc Endpoint Id '{', '.join(ids)}' does not exist")


class VpcEndpointServiceNotFound(AwsError):
    code = "InvalidVpcEndpointServiceId.NotFound"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"The VpcEndpointService Id '{', '.join(ids)}' does not exist")


class ConnectionNotificationNotFound(AwsError):
    code = "InvalidConnectionNotification"

    def __init__(self, *ids: str) -> None:
        super().__init__(f"The ConnectionNotification Id '{', '.join(ids)}' does not exist")


class InvalidState(AwsError):
    code = "InvalidState"


class DuplicateSubnetsInSameZone(AwsError):
    code = "DuplicateSubnetsInSameZone"

    def __init__(self, subnet_id: str) -> None:
        super().__init__(
            f"Found another VPC endpoint subnet in the availability zone of {subnet_id}. VPC endpoint subnets should "
            "be in different availability zones supported by the VPC endpoint service."
        )


class InvalidPolicyDocument(AwsError):
    code = "InvalidPolicyDocument"

    def __init__(self) -> None:
        super().__init__("The policy document is not valid.")


class EndpointRouteExists(AwsError):
    code = "RouteAlreadyExists"

    def __init__(self, table_id: str, list_id: str) -> None:
        super().__init__(f"route table {table_id} already has a route with destination-prefix-list-id {list_id}")
