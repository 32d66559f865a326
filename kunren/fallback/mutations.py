"""Which operations change moto's state, so that the journal holds those and no others. Pure.

Three kinds. A `WRITE` is journaled when it succeeded. A `READ` is not, unless it drew a random number while it ran
(moto then usually has made something whose id the caller was told, as KMS's own keys when an alias is first described,
or a receipt handle when SQS hands a message out) or a hook in the child saw it change something. A `PURE` operation
draws random numbers for its answer only (encryption, passwords), so that only such a hook makes it journaled.

SQS ReceiveMessage is thereby journaled when it handed messages out or moved some to a dead-letter queue: what is
deleted later is deleted by the receipt handle that it drew.
"""

from __future__ import annotations

WRITE, READ, PURE = "write", "read", "pure"

_READING = (
    "BatchGet", "Check", "Count", "Describe", "Detect", "Discover", "Estimate", "Filter", "Get", "Head", "List",
    "Lookup", "Query", "Receive", "Scan", "Search", "Select", "Simulate", "Test", "TransactGet", "Validate", "Verify",
    "View",
)  # fmt: skip
_PURE: dict[str, frozenset[str]] = {
    "kms": frozenset(
        {
            "Decrypt", "DeriveSharedSecret", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GenerateRandom",
            "ReEncrypt", "Sign", "Verify", "VerifyMac",
        }
    ),
    "secretsmanager": frozenset({"GetRandomPassword"}),
}  # fmt: skip


def kind(service: str, operation: str) -> str:
    """`WRITE`, `READ` or `PURE`. An unknown operation counts as a write."""
    if operation in _PURE.get(service, ()):
        return PURE
    return READ if operation.startswith(_READING) else WRITE
