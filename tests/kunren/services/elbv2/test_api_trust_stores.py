"""Trust stores and the listeners that use them, as the API has them."""

from __future__ import annotations

import re

import pytest

S3 = {"CaCertificatesBundleS3Bucket": "trust", "CaCertificatesBundleS3Key": "ca.pem"}


@pytest.fixture
def authority(client_authority):
    return client_authority()


def create(elb, authority, name="clients"):
    elb.objects["trust", "ca.pem"] = authority.pem.encode()
    return elb.call("CreateTrustStore", Name=name, **S3)["TrustStores"][0]


def test_a_trust_store_is_what_its_bundle_in_s3_is(elb, authority, client_authority):
    made = create(elb, authority)
    arn = made["TrustStoreArn"]
    assert re.fullmatch(r"arn:aws:elasticloadbalancing:us-east-1:123456789012:truststore/clients/[0-9a-f]{16}", arn)
    assert made == {
        "Name": "clients", "TrustStoreArn": arn, "Status": "ACTIVE", "NumberOfCaCertificates": 1,
        "TotalRevokedEntries": 0,
    }  # fmt: skip
    assert elb.call("DescribeTrustStores", Names=["clients"])["TrustStores"] == [made]
    assert elb.call("DescribeTrustStores", TrustStoreArns=[arn])["TrustStores"] == [made]
    location = elb.call("GetTrustStoreCaCertificatesBundle", TrustStoreArn=arn)["Location"]
    assert location.startswith("https://s3.us-east-1.amazonaws.com/elasticloadbalancing-trust-stores-us-east-1/")
    assert "&X-Amz-Expires=600&" in location
    assert authority.pem.encode() in elb.objects.values()
    elb.objects["trust", "ca.pem"] = (authority.pem + client_authority("Second CA").pem).encode()
    changed = elb.call("ModifyTrustStore", TrustStoreArn=arn, **S3)["TrustStores"][0]
    assert changed["NumberOfCaCertificates"] == 2
    elb.call("AddTags", ResourceArns=[arn], Tags=[{"Key": "team", "Value": "edge"}])
    described = elb.call("DescribeTags", ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    assert described == [{"Key": "team", "Value": "edge"}]
    elb.call("DeleteTrustStore", TrustStoreArn=arn)
    assert elb.call("DescribeTrustStores")["TrustStores"] == []
    assert elb.refused("DescribeTrustStores", TrustStoreArns=[arn])[0] == "TrustStoreNotFound"
    assert elb.refused("DeleteTrustStore", TrustStoreArn=arn)[0] == "TrustStoreNotFound"


def broken_bundles(authority, client_authority):
    leaf, key = authority.client("alice", 5)
    cut = authority.pem[:200] + "\n-----END CERTIFICATE-----\n"
    return {
        b"": "must be a file of certificates in PEM format",
        b"\xff\xfe": "must be a file of certificates in PEM format",
        b"-----BEGIN CERTIFICATE-----\nMIIB": "must be a file of certificates in PEM format",
        (authority.pem + "-----BEGIN CERTIFICATE-----\nMIIB").encode(): "must be a file of certificates",
        cut.encode(): "certificate 1 cannot be read",
        (authority.pem + cut).encode(): "certificate 2 cannot be read",
        (authority.pem + key).encode(): "contains a PRIVATE KEY",
        (authority.pem + leaf).encode(): "certificate 2 is not that of a certificate authority",
        client_authority("No CA", ca=False).pem.encode(): "certificate 1 is not that of a certificate authority",
        client_authority("Large", extra=bytes(13_000)).pem.encode(): "certificate 1 is larger than '16384' bytes",
        "".join(client_authority(each, units=70).pem for each in "ab").encode(): "its subjects are together larger",
    }


def test_broken_bundles_change_nothing(elb, authority, client_authority):
    arn = create(elb, authority)["TrustStoreArn"]
    for bundle, why in broken_bundles(authority, client_authority).items():
        elb.objects["trust", "broken.pem"] = bundle
        given = {**S3, "CaCertificatesBundleS3Key": "broken.pem"}
        for operation, more in (("CreateTrustStore", {"Name": "other"}), ("ModifyTrustStore", {"TrustStoreArn": arn})):
            code, text = elb.refused(operation, **more, **given)
            assert code == "InvalidCaCertificatesBundle" and why in text, bundle
    missing = {**S3, "CaCertificatesBundleS3Key": "none.pem"}
    assert elb.refused("CreateTrustStore", Name="other", **missing)[0] == "CaCertificatesBundleNotFound"
    assert elb.refused("CreateTrustStore", Name="clients", **S3)[0] == "DuplicateTrustStoreName"


def test_revocation_lists_come_and_go_by_number(elb, authority, client_authority):
    arn = create(elb, authority)["TrustStoreArn"]
    elb.objects["trust", "one.crl"], elb.objects["trust", "two.crl"] = authority.revoked(1, 2), authority.revoked(3)

    def add(*keys):
        contents = [{"S3Bucket": "trust", "S3Key": key, "RevocationType": "CRL"} for key in keys]
        return elb.call("AddTrustStoreRevocations", TrustStoreArn=arn, RevocationContents=contents)

    added = add("one.crl", "two.crl")["TrustStoreRevocations"]
    assert added == [
        {"TrustStoreArn": arn, "RevocationId": 1, "RevocationType": "CRL", "NumberOfRevokedEntries": 2},
        {"TrustStoreArn": arn, "RevocationId": 2, "RevocationType": "CRL", "NumberOfRevokedEntries": 1},
    ]
    assert elb.call("DescribeTrustStoreRevocations", TrustStoreArn=arn)["TrustStoreRevocations"] == added
    assert elb.call("DescribeTrustStores")["TrustStores"][0]["TotalRevokedEntries"] == 3
    elb.call("GetTrustStoreRevocationContent", TrustStoreArn=arn, RevocationId=2)
    lent = {key: body for (bucket, key), body in elb.objects.items() if bucket != "trust"}
    name = "123456789012/clients/revocations/2/"
    assert [body for key, body in lent.items() if key.startswith(name)] == [elb.objects["trust", "two.crl"]]
    elb.call("RemoveTrustStoreRevocations", TrustStoreArn=arn, RevocationIds=[1])
    assert [each["RevocationId"] for each in add("one.crl")["TrustStoreRevocations"]] == [3]
    wanted = {"TrustStoreArn": arn, "RevocationIds": [1]}
    assert elb.refused("DescribeTrustStoreRevocations", **wanted)[0] == "RevocationIdNotFound"
    assert elb.refused("RemoveTrustStoreRevocations", **wanted)[0] == "RevocationIdNotFound"

    elb.objects["trust", "text.crl"] = b"no list at all"
    elb.objects["trust", "cut.crl"] = authority.revoked(1)[:120] + b"\n-----END X509 CRL-----\n"
    elb.objects["trust", "foreign.crl"] = client_authority("Strangers CA").revoked(1)
    elb.objects["trust", "forged.crl"] = client_authority().revoked(1)  # the same name, another key
    for key in ("text.crl", "cut.crl", "foreign.crl", "forged.crl"):
        contents = [{"S3Bucket": "trust", "S3Key": "two.crl"}, {"S3Bucket": "trust", "S3Key": key}]
        code, _ = elb.refused("AddTrustStoreRevocations", TrustStoreArn=arn, RevocationContents=contents)
        assert code == "InvalidRevocationContent", key
    contents = [{"S3Bucket": "trust", "S3Key": "none.crl"}]
    code, _ = elb.refused("AddTrustStoreRevocations", TrustStoreArn=arn, RevocationContents=contents)
    assert code == "RevocationContentNotFound"


def test_a_listener_that_verifies_holds_its_trust_store(elb, authority):
    arn = create(elb, authority)["TrustStoreArn"]
    balancer = elb.balancer()
    secure = {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": elb.certificate()}]}
    verify = {"Mode": "verify", "TrustStoreArn": arn}
    made = elb.listener(balancer, 443, MutualAuthentication=verify, **secure)
    assert made["MutualAuthentication"] == {
        "Mode": "verify", "TrustStoreArn": arn, "IgnoreClientCertificateExpiry": False,
        "TrustStoreAssociationStatus": "active", "AdvertiseTrustStoreCaNames": "off",
    }  # fmt: skip
    assert elb.call("DescribeTrustStoreAssociations", TrustStoreArn=arn)["TrustStoreAssociations"] == [
        {"ResourceArn": balancer["LoadBalancerArn"]}
    ]
    assert elb.refused("DeleteTrustStore", TrustStoreArn=arn)[0] == "TrustStoreInUse"
    shared = {"TrustStoreArn": arn, "ResourceArn": balancer["LoadBalancerArn"]}
    assert elb.refused("DeleteSharedTrustStoreAssociation", **shared)[0] == "DeleteAssociationSameAccount"
    elsewhere = {"TrustStoreArn": arn, "ResourceArn": balancer["LoadBalancerArn"].replace("web", "other")}
    assert elb.refused("DeleteSharedTrustStoreAssociation", **elsewhere)[0] == "AssociationNotFound"
    assert elb.refused("GetResourcePolicy", ResourceArn=arn)[0] == "ResourceNotFound"

    listener = {"ListenerArn": made["ListenerArn"]}
    kept = elb.call("ModifyListener", **listener, SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")["Listeners"][0]
    assert kept["MutualAuthentication"] == made["MutualAuthentication"]
    passed = elb.call("ModifyListener", **listener, MutualAuthentication={"Mode": "passthrough"})["Listeners"][0]
    assert passed["MutualAuthentication"] == {"Mode": "passthrough"}
    off = elb.call("ModifyListener", **listener, MutualAuthentication={"Mode": "off"})["Listeners"][0]
    assert off["MutualAuthentication"] == {"Mode": "off"}
    elb.call("DeleteTrustStore", TrustStoreArn=arn)
    assert elb.refused("ModifyListener", **listener, MutualAuthentication=verify)[0] == "TrustStoreNotFound"


def test_what_a_listener_may_not_say_of_client_certificates(elb, authority):
    arn = create(elb, authority)["TrustStoreArn"]
    balancer = elb.balancer()
    on = {"LoadBalancerArn": balancer["LoadBalancerArn"], "Port": 443, "DefaultActions": [_FIXED]}
    secure = {**on, "Protocol": "HTTPS", "Certificates": [{"CertificateArn": elb.certificate()}]}
    for given in (
        {"Mode": "strict"},
        {"Mode": "verify"},
        {"Mode": "verify", "TrustStoreArn": balancer["LoadBalancerArn"]},
        {"Mode": "passthrough", "TrustStoreArn": arn},
        {"Mode": "off", "IgnoreClientCertificateExpiry": True},
    ):
        assert elb.refused("CreateListener", **secure, MutualAuthentication=given)[0] == "ValidationError", given
    plain = {**on, "Protocol": "HTTP", "MutualAuthentication": {"Mode": "passthrough"}}
    assert elb.refused("CreateListener", **plain)[0] == "ValidationError"


_FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}


def test_quotas_of_trust_stores(small_elb, authority, client_authority):
    elb = small_elb
    arn = create(elb, authority)["TrustStoreArn"]
    assert elb.refused("CreateTrustStore", Name="second", **S3)[0] == "TooManyTrustStores"
    elb.objects["trust", "ca.pem"] = (authority.pem + client_authority("Second CA").pem).encode()
    assert elb.refused("ModifyTrustStore", TrustStoreArn=arn, **S3)[0] == "InvalidCaCertificatesBundle"
    elb.objects["trust", "three.crl"] = authority.revoked(1, 2, 3)
    contents = [{"S3Bucket": "trust", "S3Key": "three.crl"}]
    code, _ = elb.refused("AddTrustStoreRevocations", TrustStoreArn=arn, RevocationContents=contents)
    assert code == "TooManyTrustStoreRevocationEntries"
    balancer = elb.balancer()
    secure = {"Protocol": "HTTPS", "Certificates": [{"CertificateArn": elb.certificate()}]}
    verify = {"Mode": "verify", "TrustStoreArn": arn}
    elb.listener(balancer, 443, MutualAuthentication=verify, **secure)
    more = {"LoadBalancerArn": balancer["LoadBalancerArn"], "Port": 444, "DefaultActions": [_FIXED], **secure}
    assert elb.refused("CreateListener", MutualAuthentication=verify, **more)[0] == "TooManyListeners"
