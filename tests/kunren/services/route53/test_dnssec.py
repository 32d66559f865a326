"""Key-signing keys and signing, by the API's rules, with a KMS that really signs."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dns.dnssec
import dns.message
import dns.name
import dns.rrset
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kunren.control.store import Store
from kunren.core.errors import AwsError, WireError
from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import answer
from kunren.dataplane.dns.message import build_response, parse_query
from kunren.dataplane.dns.policies import Client
from kunren.dataplane.dns.signing import signed
from kunren.services.route53 import dnssec
from kunren.services.route53.key_refresh import KeyRefresh

ME = "000000000000"
ACTIONS = ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"]
DAY_S = 86_400


def arn(name: str, region: str = "us-east-1") -> str:
    return f"arn:aws:kms:{region}:{ME}:key/{name}"


def policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def statement(service: str = dnssec.PRINCIPAL, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": {"Service": service}, "Action": ACTIONS, "Resource": "*", **more}


class Kms:
    """Keys by ARN. What a test changes is their metadata and policies."""

    def __init__(self, *names: str) -> None:
        self.keys = {arn(each): ec.generate_private_key(ec.SECP256R1()) for each in names}
        self.metadata = {
            each: {"Enabled": True, "KeyState": "Enabled", "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}
            for each in self.keys
        }
        self.policies = dict.fromkeys(self.keys, policy(statement()))
        self.away = False
        self.asked: list[str] = []

    def disable(self, name: str) -> None:
        self.metadata[arn(name)].update(Enabled=False, KeyState="Disabled")

    def enable(self, name: str) -> None:
        self.metadata[arn(name)].update(Enabled=True, KeyState="Enabled")

    async def call(
        self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        assert (account, region, service) == (ME, "us-east-1", "kms")
        self.asked.append(operation)
        await asyncio.sleep(0)
        if self.away:
            raise WireError("ServiceUnavailable", "KMS is away", 503)
        id = params["KeyId"]
        if id not in self.keys:
            raise WireError("NotFoundException", f"Key '{id}' does not exist")
        if operation == "DescribeKey":
            return {"KeyMetadata": self.metadata[id]}
        if operation == "GetKeyPolicy":
            return {"Policy": self.policies[id]}
        if operation == "GetPublicKey":
            public = self.keys[id].public_key()
            return {"PublicKey": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)}
        assert (operation, params["MessageType"], params["SigningAlgorithm"]) == ("Sign", "RAW", "ECDSA_SHA_256")
        return {"Signature": self.keys[id].sign(params["Message"], ec.ECDSA(SHA256()))}


class Signed:
    """A zone example.com, and the operations on its keys."""

    def __init__(self, service: Any, kms: Kms) -> None:
        self.service, self.kms = service, kms
        service.api.call = kms.call
        self.zone = service.zone()
        self.refresh = KeyRefresh(service.store, service.clock, kms.call)

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.service.call(operation, HostedZoneId=self.zone, **params)
        return found

    def create(self, name: str = "one", status: str = "ACTIVE", **more: Any) -> dict[str, Any]:
        given = {"CallerReference": name, "KeyManagementServiceArn": arn(name), "Name": name, "Status": status}
        return self.call("create_key_signing_key", **{**given, **more})

    def status(self) -> tuple[str, dict[str, str]]:
        told = self.call("get_dnssec")
        return told["Status"]["ServeSignature"], {each["Name"]: each["Status"] for each in told["KeySigningKeys"]}

    def look(self) -> None:
        self.service._loop.run_until_complete(self.refresh.look())

    def ask(self, name: str, rtype: str, do: bool = True) -> dns.message.Message:
        """What the zone's name servers answer."""
        self.service.settle()
        zones = self.service.dns.zones
        zone = zones.delegated(names.to_wire(name))
        query: Any = parse_query(dns.message.make_query(name, rtype, want_dnssec=do).to_wire())
        reply = answer(zones, zone, query.name, query.rtype, Client(), self.service.api._entropy)
        if do:
            reply = signed(zone, query.rtype, query.name, reply, self.service.clock.wall())
        return dns.message.from_wire(build_response(query, reply, recursive=False, limit=4096))

    def proves(self, *names: str) -> bool:
        """Whether each of the keys of these names proves the DNSKEY records, by its DS record."""
        reply = self.ask("example.com.", "DNSKEY")
        zone = dns.name.from_text("example.com.")
        keys = reply.get_rrset(dns.message.ANSWER, zone, dns.rdataclass.IN, dns.rdatatype.DNSKEY)
        signatures = reply.get_rrset(
            dns.message.ANSWER, zone, dns.rdataclass.IN, dns.rdatatype.RRSIG, dns.rdatatype.DNSKEY
        )
        assert keys is not None and signatures is not None
        told = {each["Name"]: each for each in self.call("get_dnssec")["KeySigningKeys"]}
        for name in names:
            anchor = dns.rrset.from_text("example.com.", 3600, "IN", "DNSKEY", told[name]["DNSKEYRecord"])
            assert dns.dnssec.make_ds(zone, anchor[0], "SHA256").to_text().upper() == told[name]["DSRecord"]
            dns.dnssec.validate(keys, signatures, {zone: anchor}, now=self.service.clock.wall())
        return len(keys) == 1 + len(names) == 1 + len(signatures)


@pytest.fixture
def kms() -> Kms:
    return Kms("one", "two", "six")


@pytest.fixture
def signing(service: Any, kms: Kms) -> Signed:
    return Signed(service, kms)


def refused(call: Any, *arguments: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        call(*arguments, **params)
    return caught.value.code, caught.value.message


def test_a_key_is_shown_as_its_dns_records_have_it(signing: Signed, kms: Kms) -> None:
    made = signing.create()
    assert made["Location"].endswith(f"/keysigningkey/{signing.zone.rpartition('/')[2]}/one")
    assert made["ChangeInfo"]["Status"] == "PENDING"
    key = made["KeySigningKey"]
    numbers = kms.keys[arn("one")].public_key().public_numbers()
    public = base64.b64encode(numbers.x.to_bytes(32) + numbers.y.to_bytes(32)).decode()
    assert (key["Flag"], key["PublicKey"], key["KmsArn"]) == (257, public, arn("one"))
    assert (key["SigningAlgorithmMnemonic"], key["SigningAlgorithmType"]) == ("ECDSAP256SHA256", 13)
    assert (key["DigestAlgorithmMnemonic"], key["DigestAlgorithmType"]) == ("SHA-256", 2)
    record = dns.rrset.from_text("example.com.", 3600, "IN", "DNSKEY", f"257 3 13 {public}")[0]
    assert key["DNSKEYRecord"] == f"257 3 13 {public}" and key["KeyTag"] == dns.dnssec.key_id(record)  # type: ignore[arg-type]
    assert key["DSRecord"] == f"{key['KeyTag']} 13 2 {key['DigestValue']}"
    assert signing.call("get_dnssec") == {"Status": {"ServeSignature": "NOT_SIGNING"}, "KeySigningKeys": [key]}
    assert not signing.ask("example.com.", "DNSKEY").answer


def test_a_signed_zones_keys_are_proven_by_kms_and_its_records_by_its_own(signing: Signed) -> None:
    signing.create()
    change = signing.call("enable_hosted_zone_dnssec")["ChangeInfo"]["Id"]
    assert signing.service.call("get_change", Id=change)["ChangeInfo"]["Status"] == "PENDING"
    assert signing.proves("one")
    assert signing.service.call("get_change", Id=change)["ChangeInfo"]["Status"] == "INSYNC"
    assert signing.status() == ("SIGNING", {"one": "ACTIVE"})
    assert signing.ask("example.com.", "ANY").answer[0].rdtype == dns.rdatatype.NS
    record = {"Name": "www.example.com", "Type": "A", "TTL": 2_000_000, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    signing.service.change(signing.zone, ("CREATE", record))
    reply = signing.ask("www.example.com.", "A")
    zone = dns.name.from_text("example.com.")
    keys = signing.ask("example.com.", "DNSKEY").answer[0]
    dns.dnssec.validate(reply.answer[0], reply.answer[1], {zone: keys}, now=signing.service.clock.wall())
    assert reply.answer[0].ttl == 604_800
    assert signing.proves("one")
    signing.call("disable_hosted_zone_dnssec")
    assert not signing.ask("example.com.", "DNSKEY").answer
    assert signing.ask("www.example.com.", "A").answer[0].ttl == 2_000_000
    assert signing.status() == ("NOT_SIGNING", {"one": "ACTIVE"})


def test_keys_are_rolled(signing: Signed) -> None:
    signing.create()
    signing.call("enable_hosted_zone_dnssec")
    signing.create("two", "INACTIVE")
    assert signing.proves("one")
    signing.call("activate_key_signing_key", Name="two")
    assert signing.proves("one", "two")
    signing.call("deactivate_key_signing_key", Name="one")
    assert signing.proves("two")
    signing.call("delete_key_signing_key", Name="one")
    assert signing.status() == ("SIGNING", {"two": "ACTIVE"})
    signing.create("six")
    assert signing.proves("six", "two")


def test_keys_that_can_not_be_made(signing: Signed, kms: Kms) -> None:
    zone = signing.zone.rpartition("/")[2]
    assert refused(signing.create, Name="a-b")[0] == "InvalidKeySigningKeyName"
    assert refused(signing.create, Status="DELETING")[0] == "InvalidKeySigningKeyStatus"
    for bad in ("arn:aws:kms:us-east-1:000000000000:alias/one", "one", arn("gone"), arn("one", "eu-west-1")):
        assert refused(signing.create, KeyManagementServiceArn=bad)[0] == "InvalidKMSArn"
    for change in ({"KeySpec": "RSA_2048"}, {"KeyUsage": "ENCRYPT_DECRYPT"}, {"KeyState": "PendingDeletion"}):
        before = dict(kms.metadata[arn("one")])
        kms.metadata[arn("one")].update(change)
        assert refused(signing.create)[0] == "InvalidKMSArn"
        kms.metadata[arn("one")] = before
    kms.policies[arn("one")] = policy({**statement(), "Principal": {"AWS": f"arn:aws:iam::{ME}:root"}})
    assert refused(signing.create) == (
        "InvalidKMSArn",
        f"The CMK with ARN '{arn('one')}' did not grant all required permissions for DNSSEC usage. Please review your "
        "key-policy, and verify that you and Route 53 have permissions to perform the following actions: DescribeKey, "
        "GetPublicKey, and Sign.",
    )
    assert signing.status() == ("NOT_SIGNING", {})
    kms.policies[arn("one")] = policy(statement())
    signing.create()
    assert refused(signing.create, KeyManagementServiceArn=arn("two"))[0] == "KeySigningKeyAlreadyExists"
    assert refused(signing.create, Name="other")[0] == "KeySigningKeyAlreadyExists"
    signing.create("two")
    assert refused(signing.create, "six")[0] == "TooManyKeySigningKeys"
    assert refused(signing.call, "activate_key_signing_key", Name="six")[0] == "NoSuchKeySigningKey"
    assert refused(signing.service.call, "delete_hosted_zone", Id=zone) == (
        "HostedZoneNotEmpty", "The specified hosted zone contains DNSSEC Key Signing Keys and so cannot be deleted.",
    )  # fmt: skip


def test_what_a_signed_zone_needs_is_kept(signing: Signed) -> None:
    zone = signing.zone.rpartition("/")[2]
    nothing = f"Hosted zone with ID '{zone}' does not have a Key Signing Key in ACTIVE status."
    assert refused(signing.call, "disable_hosted_zone_dnssec")[0] == "DNSSECNotFound"
    assert refused(signing.call, "enable_hosted_zone_dnssec") == ("KeySigningKeyWithActiveStatusNotFound", nothing)
    signing.create(status="INACTIVE")
    assert refused(signing.call, "enable_hosted_zone_dnssec") == ("KeySigningKeyWithActiveStatusNotFound", nothing)
    signing.call("activate_key_signing_key", Name="one")
    signing.call("enable_hosted_zone_dnssec")
    assert refused(signing.call, "deactivate_key_signing_key", Name="one")[0] == "KeySigningKeyInUse"
    assert refused(signing.call, "delete_key_signing_key", Name="one") == (
        "InvalidKeySigningKeyStatus",
        "Key Signing Key with name one cannot be deleted because current status is not INACTIVE.",
    )
    signing.call("disable_hosted_zone_dnssec")
    signing.call("deactivate_key_signing_key", Name="one")
    signing.call("delete_key_signing_key", Name="one")
    signing.service.call("delete_hosted_zone", Id=zone)


def test_a_key_in_the_parents_ds_record_stays(signing: Signed) -> None:
    parent = signing.zone
    made = signing.service.call("create_hosted_zone", Name="sub.example.com", CallerReference="sub")
    signing.zone, servers = made["HostedZone"]["Id"], made["DelegationSet"]["NameServers"]
    key = signing.create()["KeySigningKey"]

    def record(rtype: str, *values: str) -> dict[str, Any]:
        listed = [{"Value": each} for each in values]
        return {"Name": "sub.example.com", "Type": rtype, "TTL": 60, "ResourceRecords": listed}

    signing.service.change(parent, ("CREATE", record("NS", *servers[:2])))
    signing.service.settle()
    assert refused(signing.call, "enable_hosted_zone_dnssec")[0] == "HostedZonePartiallyDelegated"
    ds = record("DS", key["DSRecord"])
    signing.service.change(parent, ("UPSERT", record("NS", *servers)), ("CREATE", ds))
    signing.service.settle()
    signing.call("enable_hosted_zone_dnssec")
    signing.create("two")
    assert refused(signing.call, "disable_hosted_zone_dnssec")[0] == "KeySigningKeyInParentDSRecord"
    assert refused(signing.call, "deactivate_key_signing_key", Name="one")[0] == "KeySigningKeyInParentDSRecord"
    signing.service.change(parent, ("DELETE", ds))
    signing.service.settle()
    signing.call("deactivate_key_signing_key", Name="one")
    signing.call("disable_hosted_zone_dnssec")


def test_keys_sign_anew_each_day_and_a_disabled_one_needs_action(signing: Signed, kms: Kms) -> None:
    signing.create()
    signing.call("enable_hosted_zone_dnssec")
    first = signing.ask("example.com.", "DNSKEY").answer[1]
    signing.look()
    assert signing.ask("example.com.", "DNSKEY").answer[1] == first
    signing.service.clock.advance(DAY_S)
    signing.look()
    assert signing.proves("one") and signing.ask("example.com.", "DNSKEY").answer[1] != first
    kms.disable("one")
    signing.look()
    assert signing.status() == ("SIGNING", {"one": "ACTIVE"})
    signing.service.clock.advance(DAY_S)
    signing.look()
    assert signing.status() == ("ACTION_NEEDED", {"one": "ACTION_NEEDED"})
    assert "is not enabled" in signing.call("get_dnssec")["KeySigningKeys"][0]["StatusMessage"]
    for _ in range(13):  # what it has signed is true for two weeks
        assert signing.proves("one")
        signing.service.clock.advance(DAY_S)
        signing.look()
    signing.service.clock.advance(2 * DAY_S)
    with pytest.raises(dns.dnssec.ValidationFailure):
        signing.proves("one")
    kms.enable("one")
    signing.call("activate_key_signing_key", Name="one")
    assert signing.proves("one") and signing.status() == ("SIGNING", {"one": "ACTIVE"})


def test_what_a_refused_key_has_signed_goes_when_it_expires_though_another_key_still_signs(
    signing: Signed, kms: Kms
) -> None:
    signing.create("one")
    signing.create("two")
    signing.call("enable_hosted_zone_dnssec")
    kms.disable("one")
    for _ in range(14):
        signing.service.clock.advance(DAY_S)
        signing.look()
    assert signing.status() == ("ACTION_NEEDED", {"one": "ACTION_NEEDED", "two": "ACTIVE"})
    assert signing.proves("one", "two")
    signing.service.clock.advance(DAY_S)
    signing.look()
    (signature,) = signing.ask("example.com.", "DNSKEY").answer[1]
    assert signature.expiration == signing.service.clock.wall() + 15 * DAY_S


def test_a_signed_zone_comes_back_from_disk_as_it_was(new_service: Any, kms: Kms, tmp_path: Path) -> None:
    first = Signed(new_service(Store(tmp_path / "state.db")), kms)
    first.create()
    first.call("enable_hosted_zone_dnssec")
    told = first.ask("example.com.", "DNSKEY").answer
    first.service.store.close()
    again = new_service(Store(tmp_path / "state.db"))
    first.service = again
    assert first.ask("example.com.", "DNSKEY").answer == told and first.proves("one")
    again.store.close()


def test_a_kms_that_does_not_answer_changes_nothing(signing: Signed, kms: Kms) -> None:
    signing.create()
    signing.call("enable_hosted_zone_dnssec")
    kms.away = True
    assert refused(signing.create, "two")[0] == "ServiceUnavailable"
    signing.service.clock.advance(DAY_S)
    signing.look()
    assert signing.status() == ("SIGNING", {"one": "ACTIVE"}) and signing.proves("one")
    kms.away = False
    before = signing.ask("example.com.", "DNSKEY").answer[1]
    signing.look()
    assert signing.ask("example.com.", "DNSKEY").answer[1] != before


def test_of_two_that_change_the_keys_at_once_one_is_told_to_try_again(signing: Signed) -> None:
    async def both() -> list[Any]:
        made = [
            signing.service.api.create_key_signing_key(signing.service.context("CreateKeySigningKey"), {
                "HostedZoneId": signing.zone, "CallerReference": name, "KeyManagementServiceArn": arn(name),
                "Name": name, "Status": "ACTIVE",
            })
            for name in ("one", "two")
        ]  # fmt: skip
        return await asyncio.gather(*made, return_exceptions=True)

    first, second = signing.service._loop.run_until_complete(both())
    assert first["KeySigningKey"]["Name"] == "one" and second.code == "ConcurrentModification"
    assert signing.status() == ("NOT_SIGNING", {"one": "ACTIVE"})


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (policy(statement()), True),
        (policy({**statement(), "Principal": "*"}), True),
        (policy({**statement(), "Action": "kms:*"}), True),
        (policy({**statement(), "Action": ACTIONS[:2]}), False),
        (policy(statement("route53.amazonaws.com")), False),
        (policy(statement(), statement(effect="Deny", Action="kms:Sign")), False),
        (policy(statement(Condition={"StringEquals": {"aws:SourceAccount": ME}})), True),
        (policy(statement(Condition={"StringEquals": {"aws:SourceAccount": "111111111111"}})), False),
        (policy(statement(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:route53:::hostedzone/*"}})), True),
        (policy(statement(Condition={"ArnEquals": {"aws:SourceArn": "arn:aws:route53:::hostedzone/Z1"}})), False),
        ("nonsense", False),
        ("[]", False),
        ('{"Statement": [1]}', False),
    ],
)
def test_a_keys_policy_must_let_route_53_sign(signing: Signed, text: str, fits: bool) -> None:
    zone = signing.service.hosted(signing.zone)
    assert dnssec.permits(text, zone) is fits
