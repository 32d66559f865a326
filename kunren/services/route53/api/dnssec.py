"""DNSSEC signing of public hosted zones, and their key-signing keys.

What changes the DNSKEY records of a signed zone has them signed by KMS before it is done, so no zone is ever served
with records that its keys have not signed. Where another request came between, the caller is to try again.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from kunren.core.calling import CallService, nobody_answers
from kunren.core.context import RequestContext
from kunren.dataplane.dns.signing import ALGORITHM, DIGEST, SECURE_ENTRY_POINT
from kunren.services.route53 import dnssec
from kunren.services.route53.api.base import Base
from kunren.services.route53.dnssec import ACTION_NEEDED, ACTIVE, INACTIVE
from kunren.services.route53.dnssec_errors import (
    ConcurrentModification,
    DNSSECNotFound,
    HostedZonePartiallyDelegated,
    InvalidKeySigningKeyName,
    InvalidKeySigningKeyStatus,
    InvalidKMSArn,
    KeySigningKeyAlreadyExists,
    KeySigningKeyInParentDSRecord,
    KeySigningKeyInUse,
    KeySigningKeyWithActiveStatusNotFound,
    NoSuchKeySigningKey,
    TooManyKeySigningKeys,
)
from kunren.services.route53.errors import InvalidArgument
from kunren.services.route53.model import HostedZone, KeySigningKey, ZoneSigning
from kunren.services.route53.shapes import change_shape, location
from kunren.services.route53.store import GLOBAL

KEYS_MAX = 2
_NAME = re.compile(r"[A-Za-z0-9_]{3,128}")
Keys = Sequence[KeySigningKey]
Result = dict[str, Any]


class Dnssec(Base):
    call: CallService = staticmethod(nobody_answers)

    def get_dnssec(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        zone, keys, signing = self._dnssec(ctx, params)
        status = "NOT_SIGNING"
        if signing is not None:
            status = ACTION_NEEDED if any(each.status == ACTION_NEEDED for each in keys) else "SIGNING"
        return {"Status": {"ServeSignature": status}, "KeySigningKeys": [key_shape(zone, each) for each in keys]}

    async def create_key_signing_key(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        zone, keys, signing = self._dnssec(ctx, params)
        name, arn, status = params["Name"], params["KeyManagementServiceArn"], params["Status"]
        if not _NAME.fullmatch(name):
            raise InvalidKeySigningKeyName(name)
        if status not in (ACTIVE, INACTIVE):
            raise InvalidKeySigningKeyStatus(
                f"The Key Signing Key status must be {ACTIVE} or {INACTIVE}, not {status}."
            )
        for what, one, other in (("name", name, "id"), ("KMS ARN", arn, "kms_arn")):
            if any(getattr(each, other) == one for each in keys):
                raise KeySigningKeyAlreadyExists(zone.id, f"{what} {one}")
        if len(keys) >= KEYS_MAX:
            raise TooManyKeySigningKeys(zone.id)
        now = self._clock.now()
        key = KeySigningKey(
            account=ctx.account,
            region=zone.id,
            id=name,
            caller_reference=params["CallerReference"],
            kms_arn=arn,
            public_key=await dnssec.public_key(self.call, zone, arn),
            status=status,
            created=now,
            modified=now,
        )
        changed = await self._change(zone, keys, [*keys, key], signing)
        return {
            "ChangeInfo": changed,
            "KeySigningKey": key_shape(zone, key),
            "Location": location(f"/keysigningkey/{zone.id}/{name}"),
        }

    async def activate_key_signing_key(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        zone, keys, signing = self._dnssec(ctx, params)
        key = _named(zone, keys, params["Name"])
        if await dnssec.public_key(self.call, zone, key.kms_arn) != key.public_key:
            raise InvalidKMSArn(key.kms_arn, "is not the key that it was.")
        return {"ChangeInfo": await self._change(zone, keys, self._with_status(keys, key, ACTIVE), signing)}

    async def deactivate_key_signing_key(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        zone, keys, signing = self._dnssec(ctx, params)
        key = _named(zone, keys, params["Name"])
        if key.status != INACTIVE:
            if signing is not None and not any(each.status == ACTIVE for each in keys if each != key):
                raise KeySigningKeyInUse(key.id)
            if dnssec.in_parent(self._dns.zones, zone, [key]) is not None:
                raise KeySigningKeyInParentDSRecord(key.id, zone.name)
        return {"ChangeInfo": await self._change(zone, keys, self._with_status(keys, key, INACTIVE), signing)}

    def delete_key_signing_key(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        zone, keys, _ = self._dnssec(ctx, params)
        key = _named(zone, keys, params["Name"])
        if key.status != INACTIVE:
            raise InvalidKeySigningKeyStatus(
                f"Key Signing Key with name {key.id} cannot be deleted because current status is not INACTIVE."
            )
        with self._store.write() as tx:
            tx.delete(key)
            return {"ChangeInfo": change_shape(None, self._records.add_change(tx, zone))}

    async def enable_hosted_zone_dnssec(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        """For a zone that is signed already, its DNSKEY records are signed anew."""
        zone, keys, signing = self._dnssec(ctx, params)
        if not any(each.status == ACTIVE for each in keys):
            raise KeySigningKeyWithActiveStatusNotFound(zone.id)
        if dnssec.is_partly_delegated(self._dns.zones, zone):
            raise HostedZonePartiallyDelegated(zone.name)
        for each in keys:
            if each.status == ACTIVE:
                await dnssec.public_key(self.call, zone, each.kms_arn)
        return {"ChangeInfo": await self._change(zone, keys, keys, signing, enable=True)}

    def disable_hosted_zone_dnssec(self, ctx: RequestContext, params: dict[str, Any]) -> Result:
        """The key-signing keys stay, in the status that they have."""
        zone, keys, signing = self._dnssec(ctx, params)
        if signing is None and not keys:
            raise DNSSECNotFound
        if (key := dnssec.in_parent(self._dns.zones, zone, keys)) is not None:
            raise KeySigningKeyInParentDSRecord(key.id, zone.name)
        with self._store.write() as tx:
            if signing is not None:
                tx.delete(signing)
                zone = msgspec.structs.replace(zone, version=zone.version + 1)
                self._records.put_zone(tx, zone)
            return {"ChangeInfo": change_shape(None, self._records.add_change(tx, zone))}

    # -- what they share ---------------------------------------------------------------------------------------------

    def _dnssec(self, ctx: RequestContext, params: dict[str, Any]) -> tuple[HostedZone, Keys, ZoneSigning | None]:
        snapshot = self._store.snapshot()
        zone = self._zone(snapshot, ctx.account, params["HostedZoneId"])
        if zone.private:
            raise InvalidArgument("DNSSEC signing doesn't support private hosted zones.")
        keys = snapshot.list(KeySigningKey, ctx.account, zone.id)
        return zone, keys, snapshot.get(ZoneSigning, ctx.account, GLOBAL, zone.id)

    def _with_status(self, keys: Keys, key: KeySigningKey, status: str) -> Keys:
        new = msgspec.structs.replace(key, status=status, status_message=None, modified=self._clock.now())
        return [new if each == key else each for each in keys]

    async def _change(
        self, zone: HostedZone, before: Keys, after: Keys, present: ZoneSigning | None, *, enable: bool = False
    ) -> Result:
        """Write the keys and, where the zone is signed or is to be, what they have signed."""
        signing = present or (dnssec.new_signing(zone) if enable else None)
        if signing is not None:
            now, wall = self._clock.now(), self._clock.wall()
            signing, after = await dnssec.signed_by(self.call, zone, signing, after, now, wall)
            if not signing.signatures:
                raise KeySigningKeyWithActiveStatusNotFound(zone.id)
        with self._store.write() as tx:
            current = tx.get(HostedZone, zone.account, GLOBAL, zone.id)
            there = tx.get(ZoneSigning, zone.account, GLOBAL, zone.id)
            same = (there is None) == (present is None) and tx.list(KeySigningKey, zone.account, zone.id) == before
            if current is None or not same:
                raise ConcurrentModification
            for each in after:
                tx.put(each)
            if signing is not None:
                tx.put(signing)
                current = msgspec.structs.replace(current, version=current.version + 1)
                self._records.put_zone(tx, current)
            return change_shape(None, self._records.add_change(tx, current))


def _named(zone: HostedZone, keys: Keys, name: str) -> KeySigningKey:
    found = next((each for each in keys if each.id == name), None)
    if found is None:
        raise NoSuchKeySigningKey(name, zone.id)
    return found


def key_shape(zone: HostedZone, key: KeySigningKey) -> Result:
    """A key as GetDNSSEC shows it."""
    tag, digest = dnssec.key_tag(key), dnssec.ds_digest(zone, key).hex().upper()
    public = base64.b64encode(key.public_key).decode()
    return {
        "Name": key.id,
        "KmsArn": key.kms_arn,
        "Flag": SECURE_ENTRY_POINT,
        "SigningAlgorithmMnemonic": "ECDSAP256SHA256",
        "SigningAlgorithmType": ALGORITHM,
        "DigestAlgorithmMnemonic": "SHA-256",
        "DigestAlgorithmType": DIGEST,
        "KeyTag": tag,
        "DigestValue": digest,
        "PublicKey": public,
        "DSRecord": f"{tag} {ALGORITHM} {DIGEST} {digest}",
        "DNSKEYRecord": f"{SECURE_ENTRY_POINT} 3 {ALGORITHM} {public}",
        "Status": key.status,
        "StatusMessage": key.status_message,
        "CreatedDate": key.created,
        "LastModifiedDate": key.modified,
    }
