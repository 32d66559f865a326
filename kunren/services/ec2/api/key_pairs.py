"""Key pairs: CreateKeyPair, ImportKeyPair, DescribeKeyPairs, DeleteKeyPair.

`cryptography` is imported at the first call.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, filters, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, operation
from kunren.services.ec2.instances import errors as refused
from kunren.services.ec2.instances.model import KeyPair

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

_FILTERS: dict[str, filters.Getter[KeyPair]] = {
    "key-pair-id": lambda each: each.id,
    "fingerprint": lambda each: each.fingerprint,
    "key-name": lambda each: each.name,
}


class KeyPairOperations(Ec2Base):
    @operation
    def create_key_pair(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """CreateKeyPair: an RSA key of 2048 bits, or an ED25519 one. The private key is in this answer alone."""
        from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

        kind = params.get("KeyType") or "rsa"
        if (params.get("KeyFormat") or "pem") != "pem":
            raise errors.NotYet("key pairs in PuTTY's format")
        made: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
        if kind == "rsa":
            made = rsa.generate_private_key(65537, 2048)
            material = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            der = made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            fingerprint = _colons(hashlib.sha1(der).hexdigest())
        else:
            made = ed25519.Ed25519PrivateKey.generate()
            material = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
            fingerprint = _ssh_fingerprint(made.public_key())
        line = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        pair = self._keep(ctx, params, kind, fingerprint, f"{line} {params['KeyName']}")
        return {**_to_wire(pair, "KeyName", "KeyPairId", "KeyFingerprint", "Tags"), "KeyMaterial": material.decode()}

    @operation
    def import_key_pair(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """ImportKeyPair: an OpenSSH public key."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

        given = params["PublicKeyMaterial"]
        data = given if isinstance(given, bytes) else base64.b64decode(given)
        try:
            key = load_ssh_public_key(data.strip())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise refused.KeyFormat() from error
        if isinstance(key, rsa.RSAPublicKey):
            der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            kind, fingerprint = "rsa", _colons(hashlib.md5(der).hexdigest())
        elif isinstance(key, ed25519.Ed25519PublicKey):
            kind, fingerprint = "ed25519", _ssh_fingerprint(key)
        else:
            raise refused.KeyFormat()
        line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        pair = self._keep(ctx, params, kind, fingerprint, f"{line} {params['KeyName']}")
        return _to_wire(pair, "KeyName", "KeyPairId", "KeyFingerprint", "Tags")

    def _keep(self, ctx: RequestContext, params: Params, kind: str, fingerprint: str, line: str) -> KeyPair:
        name = params["KeyName"]
        if not 1 <= len(name) <= 255:
            raise errors.InvalidParameterValue(f"Value ({name}) for parameter keyName is invalid.")
        tags = tagging.at_creation(params, "key-pair")
        with self.store.write() as tx:
            if any(each.name == name for each in tx.list(KeyPair, ctx.account, ctx.region)):
                raise refused.KeyPairDuplicate(name)
            pair = KeyPair(
                account=ctx.account, region=ctx.region, id=self.entropy.resource_id("key"), name=name, key_type=kind,
                fingerprint=fingerprint, public_key=line, created_at=self.clock.now(), tags=tags,
            )  # fmt: skip
            tx.put(pair)
            return pair

    @operation
    def describe_key_pairs(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        held = self.store.snapshot().list(KeyPair, ctx.account, ctx.region)
        names, wanted = params.get("KeyNames") or (), params.get("KeyPairIds") or ()
        if missing := [each for each in names if each not in {pair.name for pair in held}]:
            raise refused.KeyPairNotFound(*missing)
        if missing := [each for each in wanted if each not in {pair.id for pair in held}]:
            raise refused.KeyPairNotFound(*missing)
        if names or wanted:
            held = [each for each in held if each.name in names or each.id in wanted]
        found = filters.select(held, params.get("Filters"), _FILTERS, lambda each: each.tags)
        shown = ["KeyName", "KeyPairId", "KeyFingerprint", "KeyType", "CreateTime", "Tags"]
        if params.get("IncludePublicKey"):
            shown.append("PublicKey")
        return {"KeyPairs": [_to_wire(each, *shown) for each in sorted(found, key=lambda each: each.name)]}

    @operation
    def delete_key_pair(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """DeleteKeyPair. One that is not there is no error."""
        name, id = params.get("KeyName"), params.get("KeyPairId")
        if not name and not id:
            raise errors.MissingParameterText("The request must contain the parameter KeyName or KeyPairId")
        with self.store.write() as tx:
            for each in tx.list(KeyPair, ctx.account, ctx.region):
                if each.name == name or each.id == id:
                    tx.delete(each)
                    return {"Return": True, "KeyPairId": each.id}
        return {"Return": True}


def _to_wire(pair: KeyPair, *members: str) -> dict[str, Any]:
    whole = {
        "KeyName": pair.name,
        "KeyPairId": pair.id,
        "KeyFingerprint": pair.fingerprint,
        "KeyType": pair.key_type,
        "CreateTime": pair.created_at,
        "PublicKey": pair.public_key,
        "Tags": tags_to_wire(pair.tags),
    }
    return {name: whole[name] for name in members}


def _colons(digits: str) -> str:
    return ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))


def _ssh_fingerprint(key: ed25519.Ed25519PublicKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64encode(hashlib.sha256(base64.b64decode(line.split()[1])).digest()).decode()
