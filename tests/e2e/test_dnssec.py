"""DNSSEC as clients in the world meet it: two zones signed with keys of KMS, the lower one's DS record in the upper one,
and a chain of proofs from the upper one's key, by dnspython over what dig is told, and by delv where it is installed."""

from __future__ import annotations

import json
import shutil
import time
from types import SimpleNamespace
from typing import Any

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from botocore.exceptions import ClientError

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"Service": "dnssec-route53.amazonaws.com"}, "Resource": "*",
         "Action": ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"]},
    ],
}  # fmt: skip


@pytest.fixture
def chain(kunren, account, running, until):
    """`upper` and `lower`, each with `name`, `id`, `server` and its `key` as GetDNSSEC shows it."""
    route53, kms = kunren.client("route53", account), kunren.client("kms", account)

    def insync(change: dict[str, Any]) -> None:
        id = change["ChangeInfo"]["Id"]
        until(lambda: route53.get_change(Id=id)["ChangeInfo"]["Status"] == "INSYNC", "INSYNC")

    def put(zone: SimpleNamespace, name: str, rtype: str, *values: str) -> None:
        records = {"Name": name, "Type": rtype, "TTL": 60, "ResourceRecords": [{"Value": each} for each in values]}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": records}]}
        insync(route53.change_resource_record_sets(HostedZoneId=zone.id, ChangeBatch=batch))

    def new_key() -> str:
        made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", Policy=json.dumps(POLICY))
        return made["KeyMetadata"]["Arn"]

    def create(zone: SimpleNamespace, name: str) -> str:
        arn = new_key()
        insync(
            route53.create_key_signing_key(
                CallerReference=name, HostedZoneId=zone.id, KeyManagementServiceArn=arn, Name=name, Status="ACTIVE"
            )
        )
        return arn

    def zone(name: str) -> SimpleNamespace:
        made = route53.create_hosted_zone(Name=name, CallerReference=name)
        found = SimpleNamespace(
            name=name + ".", id=made["HostedZone"]["Id"], servers=made["DelegationSet"]["NameServers"]
        )
        found.arn = create(found, "first")
        insync(route53.enable_hosted_zone_dnssec(HostedZoneId=found.id))
        told = route53.get_dnssec(HostedZoneId=found.id)
        assert told["Status"] == {"ServeSignature": "SIGNING"}
        (found.key,) = told["KeySigningKeys"]
        return found

    upper = zone(f"signed-{account}.test")
    lower = zone(f"sub.signed-{account}.test")
    put(upper, lower.name, "NS", *lower.servers)
    put(upper, lower.name, "DS", lower.key["DSRecord"])
    put(lower, f"www.{lower.name}", "A", "192.0.2.1", "192.0.2.2")
    shell = running.shell(kunren, "--from", "tokyo")
    return SimpleNamespace(
        upper=upper, lower=lower, route53=route53, kms=kms, put=put, create=create, insync=insync, shell=shell
    )  # fmt: skip


def dig(chain: Any, section: str, *question: str) -> dict[tuple[str, str], dns.rrset.RRset]:
    """The record sets of a section; signatures under `RRSIG` and the type that they cover."""
    out = chain.shell.run("dig", "+dnssec", "+noall", f"+{section}", "+time=2", "+tries=3", *question)["out"]
    found: dict[tuple[str, str], list[str]] = {}
    for line in out.splitlines():
        name, ttl, _, rtype, data = line.split(None, 4)
        what = f"RRSIG {data.split()[0]}" if rtype == "RRSIG" else rtype
        found.setdefault((name, what), [ttl]).append(data)
    return {
        (name, what): dns.rrset.from_text(name, int(texts[0]), "IN", what.split()[0], *texts[1:])
        for (name, what), texts in found.items()
    }


def proven(
    told: dict[tuple[str, str], dns.rrset.RRset], name: str, rtype: str, zone: str, keys: Any
) -> dns.rrset.RRset:
    records = told[name, rtype]
    dns.dnssec.validate(records, told[name, f"RRSIG {rtype}"], {dns.name.from_text(zone): keys}, now=time.time())
    return records


def anchor(zone: Any) -> dns.rrset.RRset:
    return dns.rrset.from_text(zone.name, 3600, "IN", "DNSKEY", zone.key["DNSKEYRecord"])


def test_a_name_is_proven_from_the_key_of_the_zone_above(chain):
    upper, lower, www = chain.upper, chain.lower, f"www.{chain.lower.name}"
    keys = proven(dig(chain, "answer", upper.name, "DNSKEY"), upper.name, "DNSKEY", upper.name, anchor(upper))
    assert sorted(each.flags for each in keys) == [256, 257]
    ds = proven(dig(chain, "answer", lower.name, "DS"), lower.name, "DS", upper.name, keys)
    assert ds[0].to_text().upper() == lower.key["DSRecord"]
    assert dns.dnssec.make_ds(lower.name, anchor(lower)[0], "SHA256") == ds[0]
    below = proven(dig(chain, "answer", lower.name, "DNSKEY"), lower.name, "DNSKEY", lower.name, anchor(lower))
    for asked in ((), (f"@{lower.servers[0]}",)):
        assert len(proven(dig(chain, "answer", *asked, www, "A"), www, "A", lower.name, below)) == 2
        absent = f"absent.{lower.name}"
        told = dig(chain, "authority", *asked, absent, "A")
        denied = proven(told, absent, "NSEC", lower.name, below)
        assert denied[0].to_text() == f"\\000.{absent} RRSIG NSEC"
        proven(told, lower.name, "SOA", lower.name, below)
    referral = dig(chain, "authority", f"@{upper.servers[0]}", "+norec", www, "A")
    assert proven(referral, lower.name, "DS", upper.name, keys) == ds
    plain = chain.shell.run("dig", "+noall", "+answer", "+authority", www)["out"]
    assert "192.0.2.1" in plain and "RRSIG" not in plain
    assert chain.shell.rcode(f"absent.{lower.name}") == "NXDOMAIN"


def test_delv_validates_what_the_worlds_resolver_tells(chain, tmp_path):
    if shutil.which("delv") is None:
        pytest.skip("needs delv")
    flags, protocol, algorithm, key = chain.upper.key["DNSKEYRecord"].split()
    anchors = tmp_path / "anchors"
    anchors.write_text(f'trust-anchors {{ {chain.upper.name} static-key {flags} {protocol} {algorithm} "{key}"; }};\n')

    def delv(name: str, rtype: str = "A") -> str:
        command = ("delv", "-a", str(anchors), f"+root={chain.upper.name}", "@198.18.0.2", name, rtype)
        done = chain.shell.run(*command)
        return done["out"] + done["err"]

    lower = chain.lower.name
    assert "; fully validated" in (told := delv(f"www.{lower}")) and "192.0.2.2" in told
    assert "; negative response, fully validated" in delv(f"absent.{lower}")
    assert "; negative response, fully validated" in delv(f"www.{lower}", "TXT")
    other = chain.upper.key["DNSKEYRecord"].replace(key[:4], "AAAA" if key[:4] != "AAAA" else "BBBB")
    anchors.write_text(anchors.read_text().replace(key, other.split()[3]))
    assert "fully validated" not in delv(f"www.{lower}")


def test_a_key_that_kms_no_longer_signs_with_needs_action_and_another_takes_over(chain):
    upper, route53 = chain.upper, chain.route53
    chain.kms.disable_key(KeyId=upper.arn.rpartition("/")[2])
    with pytest.raises(ClientError) as refused:
        route53.activate_key_signing_key(HostedZoneId=upper.id, Name="first")
    assert refused.value.response["Error"]["Code"] == "InvalidKMSArn"
    chain.create(upper, "second")
    told = route53.get_dnssec(HostedZoneId=upper.id)
    assert told["Status"]["ServeSignature"] == "ACTION_NEEDED"
    assert {each["Name"]: each["Status"] for each in told["KeySigningKeys"]} == {
        "first": "ACTION_NEEDED", "second": "ACTIVE",
    }  # fmt: skip
    upper.key = next(each for each in told["KeySigningKeys"] if each["Name"] == "second")
    told = dig(chain, "answer", f"@{upper.servers[0]}", upper.name, "DNSKEY")
    assert len(proven(told, upper.name, "DNSKEY", upper.name, anchor(upper))) == 3
    for name in ("first", "second"):
        with pytest.raises(ClientError) as refused:
            route53.delete_key_signing_key(HostedZoneId=upper.id, Name=name)
        assert refused.value.response["Error"]["Code"] == "InvalidKeySigningKeyStatus"
    chain.insync(route53.deactivate_key_signing_key(HostedZoneId=upper.id, Name="first"))
    chain.insync(route53.delete_key_signing_key(HostedZoneId=upper.id, Name="first"))
    told = dig(chain, "answer", f"@{upper.servers[0]}", upper.name, "DNSKEY")
    assert len(proven(told, upper.name, "DNSKEY", upper.name, anchor(upper))) == 2
    chain.insync(route53.disable_hosted_zone_dnssec(HostedZoneId=upper.id))
    assert dig(chain, "answer", f"@{upper.servers[0]}", upper.name, "DNSKEY") == {}
