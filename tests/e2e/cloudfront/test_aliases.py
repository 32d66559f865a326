"""Alternate domain names of several distributions, and one that moves."""

from __future__ import annotations

import datetime

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def self_signed(*names):
    """A certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"Certificate": made.public_bytes(serialization.Encoding.PEM), "PrivateKey": private}


def test_an_alias_moves_between_distributions_at_once(delivered, kunren):
    api, domain = delivered.api, f"z{delivered.account}.test"
    arn = kunren.client("acm", delivered.account).import_certificate(**self_signed(domain, f"*.{domain}"))[
        "CertificateArn"
    ]
    made = []
    for number, name in enumerate((f"a.{domain}", f"b.{domain}"), 1):
        origin = {**delivered.origin, "OriginPath": f"/{number}"}
        delivered.create(
            CallerReference=str(number),
            Origins={"Quantity": 1, "Items": [origin]},
            Aliases={"Quantity": 1, "Items": [name]},
            ViewerCertificate={"ACMCertificateArn": arn, "SSLSupportMethod": "sni-only"},
        )
        made.append(delivered.id)

    def path(name):
        host = {"Host": name}
        answer = delivered.client.get(f"https://{delivered.name}/x", name=name, verify=False, headers=host)
        return answer["body"].partition('"path": "')[2].partition('"')[0] or answer["status"]

    assert (path(f"a.{domain}"), path(f"b.{domain}")) == ("/1/x", "/2/x")
    first, second = made
    conflicts = api.list_conflicting_aliases(DistributionId=second, Alias=f"*.{domain}")["ConflictingAliasesList"]
    assert [each["Alias"] for each in conflicts["Items"]] == [f"a.{domain}", f"b.{domain}"]
    shown = conflicts["Items"][0]
    assert (shown["DistributionId"], shown["AccountId"]) == ("*" * 7 + first[-7:], "******" + delivered.account[-6:])
    with pytest.raises(ClientError, match="InvalidArgument"):
        api.associate_alias(TargetDistributionId=second, Alias="elsewhere.test")
    with pytest.raises(ClientError, match="IllegalUpdate"):
        api.associate_alias(TargetDistributionId=second, Alias=f"nobody.{domain}")
    api.associate_alias(TargetDistributionId=second, Alias=f"a.{domain}")
    delivered.deployed()
    assert (path(f"a.{domain}"), path(f"b.{domain}")) == ("/2/x", "/2/x")
    config = api.get_distribution_config(Id=first)["DistributionConfig"]
    assert config["Aliases"]["Quantity"] == 0
    with pytest.raises(ClientError, match="CNAMEAlreadyExists"):
        delivered.id = first
        delivered.change(Aliases={"Quantity": 1, "Items": [f"b.{domain}"]})
