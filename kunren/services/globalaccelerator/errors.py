"""The exceptions that globalaccelerator's model declares and its handlers raise (Global Accelerator API Reference)."""

from __future__ import annotations

from kunren.core.errors import AwsError, WireError


class AcceleratorNotFoundException(AwsError):
    code = "AcceleratorNotFoundException"

    def __init__(self) -> None:
        super().__init__("Accelerator does not exist.")


class ListenerNotFoundException(AwsError):
    code = "ListenerNotFoundException"

    def __init__(self) -> None:
        super().__init__("Listener does not exist.")


class EndpointGroupNotFoundException(AwsError):
    code = "EndpointGroupNotFoundException"

    def __init__(self) -> None:
        super().__init__("Endpoint group does not exist.")


class AcceleratorNotDisabledException(AwsError):
    code = "AcceleratorNotDisabledException"

    def __init__(self) -> None:
        super().__init__("The accelerator must be disabled before it can be deleted.")


class AssociatedListenerFoundException(AwsError):
    code = "AssociatedListenerFoundException"

    def __init__(self) -> None:
        super().__init__("The accelerator has associated listeners. Delete them before you delete the accelerator.")


class AssociatedEndpointGroupFoundException(AwsError):
    code = "AssociatedEndpointGroupFoundException"

    def __init__(self) -> None:
        super().__init__("The listener has associated endpoint groups. Delete them before you delete the listener.")


class EndpointGroupAlreadyExistsException(AwsError):
    code = "EndpointGroupAlreadyExistsException"

    def __init__(self, region: str) -> None:
        super().__init__(f"The listener already has an endpoint group in {region}.")


class EndpointAlreadyExistsException(AwsError):
    code = "EndpointAlreadyExistsException"


class AccessDeniedException(AwsError):
    code = "AccessDeniedException"

    def __init__(self) -> None:
        super().__init__("You don't have access permission.")


class AttachmentNotFoundException(AwsError):
    code = "AttachmentNotFoundException"

    def __init__(self) -> None:
        super().__init__("No cross-account attachment was found.")


class EndpointNotFoundException(AwsError):
    code = "EndpointNotFoundException"

    def __init__(self) -> None:
        super().__init__("Endpoint does not exist.")


class InvalidArgumentException(AwsError):
    code = "InvalidArgumentException"


class InvalidPortRangeException(AwsError):
    code = "InvalidPortRangeException"


class InvalidNextTokenException(AwsError):
    code = "InvalidNextTokenException"

    def __init__(self) -> None:
        super().__init__("The next token is not valid.")


class LimitExceededException(AwsError):
    code = "LimitExceededException"


class NotHere(WireError):
    """AWS can do it and Kunren cannot: 501, saying what is missing and what to do instead."""

    def __init__(self, text: str) -> None:
        super().__init__("NotImplemented", text, 501)


class WrongRegion(WireError):
    """AWS has no such endpoint at all; one endpoint URL for every region makes this the first place to notice."""

    def __init__(self, region: str) -> None:
        super().__init__(
            "InvalidSignatureException",
            "Credential should be scoped to a valid region. AWS Global Accelerator's API is in us-west-2 only, not in "
            f"{region}: pass --region us-west-2, or region_name='us-west-2'.",
            403,
        )
