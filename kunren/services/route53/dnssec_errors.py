"""The exceptions of DNSSEC that Route 53's model declares."""

from __future__ import annotations

from kunren.core.errors import AwsError


class ConcurrentModification(AwsError):
    code = "ConcurrentModification"

    def __init__(self) -> None:
        super().__init__("Another request changed the DNSSEC resources of the hosted zone meanwhile. Please retry.")


class DNSSECNotFound(AwsError):
    code = "DNSSECNotFound"

    def __init__(self) -> None:
        super().__init__("The hosted zone doesn't have any DNSSEC resources.")


class HostedZonePartiallyDelegated(AwsError):
    code = "HostedZonePartiallyDelegated"

    def __init__(self, zone: str) -> None:
        super().__init__(
            f"The name servers of the hosted zone {zone} don't match those that its parent zone delegates it to."
        )


class InvalidKMSArn(AwsError):
    code = "InvalidKMSArn"

    def __init__(self, arn: str, problem: str) -> None:
        super().__init__(f"The CMK with ARN '{arn}' {problem}")


class InvalidKeySigningKeyName(AwsError):
    code = "InvalidKeySigningKeyName"

    def __init__(self, name: str) -> None:
        super().__init__(f"The Key Signing Key name '{name}' can include only letters, numbers and underscores (_).")


class InvalidKeySigningKeyStatus(AwsError):
    code = "InvalidKeySigningKeyStatus"


class KeySigningKeyAlreadyExists(AwsError):
    code = "KeySigningKeyAlreadyExists"
    status = 409

    def __init__(self, zone_id: str, what: str) -> None:
        super().__init__(f"A Key Signing Key with {what} already exists in the hosted zone {zone_id}.")


class KeySigningKeyInParentDSRecord(AwsError):
    code = "KeySigningKeyInParentDSRecord"

    def __init__(self, name: str, zone: str) -> None:
        super().__init__(
            f"Key Signing Key with name {name} is in a DS record of the parent of the hosted zone '{zone}'. Without it "
            "the authentication chain breaks: remove the DS record first."
        )


class KeySigningKeyInUse(AwsError):
    code = "KeySigningKeyInUse"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Key Signing Key with name {name} cannot be deactivated because it is the only active one, and DNSSEC "
            "signing is enabled."
        )


class KeySigningKeyWithActiveStatusNotFound(AwsError):
    code = "KeySigningKeyWithActiveStatusNotFound"

    def __init__(self, zone_id: str) -> None:
        super().__init__(f"Hosted zone with ID '{zone_id}' does not have a Key Signing Key in ACTIVE status.")


class NoSuchKeySigningKey(AwsError):
    code = "NoSuchKeySigningKey"
    status = 404

    def __init__(self, name: str, zone_id: str) -> None:
        super().__init__(f"No Key Signing Key with name {name} exists in the hosted zone {zone_id}.")


class TooManyKeySigningKeys(AwsError):
    code = "TooManyKeySigningKeys"

    def __init__(self, zone_id: str) -> None:
        super().__init__(f"The hosted zone {zone_id} has the most Key Signing Keys that it can have: 2.")
