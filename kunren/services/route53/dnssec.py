"""How zones are signed: the customer's keys in KMS, which sign the DNSKEY records, and the zone's own, which signs all
else.

KMS is asked as Route 53 asks it (developer guide, "KMS key and ZSK management in Route 53"): a key must be there,
enabled, of ECC_NIST_P256 to sign and verify, and its policy must let Route 53 in. The private key never leaves KMS.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kunren.core.arn import parse_arn
from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.core.policies import Asker, allowed
from kunren.dataplane.dns import names, signing
from kunren.dataplane.dns.zones import DNSKEY, DS, NS, Records, RRset, Zones
from kunren.services.route53.dnssec_errors import InvalidKMSArn
from kunren.services.route53.model import HostedZone, KeySigningKey, ZoneSigning

ACTIVE, INACTIVE, ACTION_NEEDED = "ACTIVE", "INACTIVE", "ACTION_NEEDED"
REGION = "us-east-1"
PRINCIPAL = "dnssec-route53.amazonaws.com"
KEYS_VALID_S = 15 * 86_400
"""How long the signatures of the DNSKEY records hold, should KMS not sign any more; wall time."""
_NEEDED = ("kms:DescribeKey", "kms:GetPublicKey", "kms:Sign")
_POINT_BYTES = 64


def new_signing(hosted: HostedZone) -> ZoneSigning:
    """A zone-signing key, with nothing signed yet."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    record = signing.dnskey(signing.ZONE_KEY, signing.public_point(key))
    return ZoneSigning(account=hosted.account, region="", id=hosted.id, private_key_pem=pem, dnskeys=(record,))


async def signed_by(
    call: CallService, hosted: HostedZone, present: ZoneSigning, keys: Sequence[KeySigningKey], now: float, wall: float
) -> tuple[ZoneSigning, list[KeySigningKey]]:
    """The DNSKEY records of these keys, signed by all that KMS signs with; and the keys, as KMS shows them to be. What
    a key that KMS signs with no more has signed is kept while it is true and has not expired. Raises AwsError where
    KMS does not answer at all."""
    used = [each for each in keys if each.status != INACTIVE]
    zone = names.to_wire(hosted.name)
    records = present.dnskeys[:1] + tuple(map(dnskey_of, used))
    rrset = RRset(zone, DNSKEY, signing.DNSKEY_TTL_S, records)
    signatures, seen = {}, []
    for key in keys:
        if key.status == INACTIVE:
            seen.append(key)
            continue
        head = signing.rrsig_head(rrset, zone, key_tag(key), int(wall) - signing.BEFORE_S, int(wall) + KEYS_VALID_S)
        try:
            signatures[key.id] = head + await _sign(call, hosted, key.kms_arn, signing.to_sign(head, rrset))
            seen.append(_become(key, ACTIVE, None, now))
        except InvalidKMSArn as error:
            seen.append(_become(key, ACTION_NEEDED, error.message, now))
            kept = present.signatures.get(key.id)
            if records == present.dnskeys and kept is not None and wall < signing.expiration(kept):
                signatures[key.id] = kept
    return msgspec.structs.replace(present, dnskeys=records, signatures=signatures, signed_at=now), seen


def signed_until(present: ZoneSigning) -> float:
    """When the latest signature of the DNSKEY records expires, in wall time; 0 where nothing is signed."""
    return max(map(signing.expiration, present.signatures.values()), default=0)


def _become(key: KeySigningKey, status: str, message: str | None, now: float) -> KeySigningKey:
    modified = key.modified if key.status == status else now
    return msgspec.structs.replace(key, status=status, status_message=message, modified=modified)


async def public_key(call: CallService, hosted: HostedZone, arn: str) -> bytes:
    """The public half of a customer's key, as a DNSKEY record has it. Raises InvalidKMSArn where it can't be used, and
    AwsError where KMS does not answer."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "kms" or not parsed.resource.startswith("key/"):
        raise InvalidKMSArn(arn, "is not the ARN of a customer managed key.")
    if parsed.region != REGION:
        raise InvalidKMSArn(arn, f"must be in the {REGION} region.")
    await _usable(call, hosted, arn)
    told = await _kms(call, hosted, arn, "GetPublicKey")
    return bytes(told["PublicKey"])[-_POINT_BYTES:]


async def _sign(call: CallService, hosted: HostedZone, arn: str, message: bytes) -> bytes:
    await _usable(call, hosted, arn)
    told = await _kms(call, hosted, arn, "Sign", Message=message, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256")
    return signing.raw_signature(bytes(told["Signature"]))


async def _usable(call: CallService, hosted: HostedZone, arn: str) -> None:
    found = (await _kms(call, hosted, arn, "DescribeKey"))["KeyMetadata"]
    if found.get("KeyState") != "Enabled" or not found.get("Enabled"):
        raise InvalidKMSArn(arn, f"is not enabled: its state is {found.get('KeyState')}.")
    if found.get("KeySpec") != "ECC_NIST_P256" or found.get("KeyUsage") != "SIGN_VERIFY":
        raise InvalidKMSArn(arn, "must have the key spec ECC_NIST_P256 and the key usage SIGN_VERIFY.")
    told = await _kms(call, hosted, arn, "GetKeyPolicy", PolicyName="default")
    if not permits(told.get("Policy", ""), hosted):
        raise InvalidKMSArn(
            arn,
            "did not grant all required permissions for DNSSEC usage. Please review your key-policy, and verify that "
            "you and Route 53 have permissions to perform the following actions: DescribeKey, GetPublicKey, and Sign.",
        )


async def _kms(call: CallService, hosted: HostedZone, arn: str, operation: str, **params: Any) -> Any:
    try:
        return await call(hosted.account, REGION, "kms", operation, {"KeyId": arn, **params})
    except AwsError as error:
        if error.status >= 500:
            raise
        raise InvalidKMSArn(arn, f"can't be used: {error.message or error.code}") from None


def permits(policy: str, hosted: HostedZone) -> bool:
    """Whether a key's policy lets Route 53 sign that zone ("Customer managed keys for DNSSEC")."""
    known = {
        "aws:sourceaccount": hosted.account,
        "aws:sourcearn": f"arn:aws:route53:::hostedzone/{hosted.id}",
        "aws:principalservicename": PRINCIPAL,
    }
    try:
        told = json.loads(policy)["Statement"]
        statements = told if isinstance(told, list) else [told]
        return all(allowed(statements, Asker(service=PRINCIPAL), action, known) for action in _NEEDED)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


# -- what the DNS shows of keys --------------------------------------------------------------------------------------


def dnskey_of(key: KeySigningKey) -> bytes:
    return signing.dnskey(signing.SECURE_ENTRY_POINT, key.public_key)


def key_tag(key: KeySigningKey) -> int:
    return signing.key_tag(dnskey_of(key))


def ds_digest(hosted: HostedZone, key: KeySigningKey) -> bytes:
    return signing.ds_digest(names.to_wire(hosted.name), dnskey_of(key))


def in_parent(zones: Zones, hosted: HostedZone, keys: Iterable[KeySigningKey]) -> KeySigningKey | None:
    """The first of the keys that a DS record above the zone speaks of."""
    told = set(_above(zones, hosted, DS))
    for key in keys:
        start = key_tag(key).to_bytes(2) + bytes((signing.ALGORITHM, signing.DIGEST))
        if start + ds_digest(hosted, key) in told:
            return key
    return None


def is_partly_delegated(zones: Zones, hosted: HostedZone) -> bool:
    """Whether the zone above delegates to some of the zone's name servers and not to exactly them."""
    told = {each.lower() for each in _above(zones, hosted, NS)}
    own = {names.to_wire(each) for each in hosted.name_servers}
    return bool(told & own) and told != own


def _above(zones: Zones, hosted: HostedZone, rtype: int) -> tuple[bytes, ...]:
    name = names.to_wire(hosted.name)
    parent = zones.above(name)
    found = parent.nodes.get(name, {}).get(rtype) if parent is not None else None
    return found.rdatas if isinstance(found, Records) else ()
