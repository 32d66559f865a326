"""Signed URLs and cookies of a distribution: botocore's signer signs, curl-like clients ask, the origin never sees it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

RSA, ECDSA = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())


def pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


def test_only_signed_requests_pass_and_the_origin_sees_no_signature(kunren, account, site, until):
    api = kunren.client("cloudfront", account)
    keys = [
        api.create_public_key(PublicKeyConfig={"CallerReference": name, "Name": name, "EncodedKey": pem(key)})
        for name, key in (("rsa", RSA), ("ecdsa", ECDSA))
    ]
    ids = [each["PublicKey"]["Id"] for each in keys]
    group = api.create_key_group(KeyGroupConfig={"Name": "signers", "Items": ids[:1]})
    name, identity = distribution(api, site, until, group["KeyGroup"]["Id"])
    shown = api.get_distribution(Id=identity)["Distribution"]["ActiveTrustedKeyGroups"]
    assert shown["Items"] == [{"KeyGroupId": group["KeyGroup"]["Id"], "KeyPairIds": {"Quantity": 1, "Items": ids[:1]}}]

    client, now = site.client("tokyo"), datetime.now(UTC)
    soon, past = now + timedelta(days=1), now - timedelta(days=1)
    by_rsa = CloudFrontSigner(ids[0], lambda text: RSA.sign(text, padding.PKCS1v15(), hashes.SHA1()))
    by_ecdsa = CloudFrontSigner(ids[1], lambda text: ECDSA.sign(text, ec.ECDSA(hashes.SHA256())))
    base = f"http://{name}/private?size=2"

    unsigned = client.get(base)
    assert unsigned["status"] == 403
    assert "<Code>MissingKey</Code><Message>Missing Key-Pair-Id query parameter or cookie value" in unsigned["body"]
    assert unsigned["headers"]["x-cache"] == "Error from cloudfront"
    good = client.get(by_rsa.generate_presigned_url(base, soon))
    assert (good["status"], json.loads(good["body"])["path"]) == (200, "/private?size=2")
    again = client.get(by_rsa.generate_presigned_url(base, soon + timedelta(seconds=1)))
    assert again["headers"]["x-cache"] == "Hit from cloudfront"  # another signature, the same object
    assert "<Code>AccessDenied</Code>" in client.get(by_rsa.generate_presigned_url(base, past))["body"]
    policy = by_rsa.build_policy(f"http://{name}/p*", soon, ip_address="203.0.113.7")
    assert client.get(by_rsa.generate_presigned_url(base, policy=policy))["status"] == 403
    policy = by_rsa.build_policy(f"http://{name}/p*", soon, past, client.get_address())
    custom = by_rsa.generate_presigned_url(base, policy=policy)
    assert client.get(custom)["status"] == 200
    cookies = "; ".join(f"CloudFront-{each}" for each in custom.partition("size=2&")[2].split("&"))
    assert client.get(base, headers={"Cookie": cookies})["status"] == 200
    assert client.get(f"http://{name}/open")["status"] == 200

    elliptic = by_ecdsa.generate_presigned_url(base, soon) + "&Hash-Algorithm=SHA256"
    assert "<Message>Unknown Key</Message>" in client.get(elliptic)["body"]
    config = {"Name": "signers", "Items": ids}
    api.update_key_group(Id=group["KeyGroup"]["Id"], IfMatch=group["ETag"], KeyGroupConfig=config)
    until(lambda: client.get(elliptic)["status"] == 200, "the edge has the new key")

    assert refusal(api.delete_public_key, Id=ids[0], IfMatch=keys[0]["ETag"]) == "PublicKeyInUse"
    etag = api.get_key_group(Id=group["KeyGroup"]["Id"])["ETag"]
    assert refusal(api.delete_key_group, Id=group["KeyGroup"]["Id"], IfMatch=etag) == "ResourceInUse"


def distribution(api, site, until, group):
    """One whose paths need a signature, but for /open; its name and id."""
    site.listen(site.forward(site.group((site.target("origin"), 80))))
    site.wait_active()
    origin = {
        "Id": "web", "DomainName": site.name,
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"},
    }  # fmt: skip
    behaviour = {"TargetOriginId": "web", "ViewerProtocolPolicy": "allow-all"}
    legacy = {
        "ForwardedValues": {"QueryString": True, "Cookies": {"Forward": "none"}}, "MinTTL": 600, "DefaultTTL": 600,
        "MaxTTL": 600,
    }  # fmt: skip
    made = api.create_distribution(
        DistributionConfig={
            "CallerReference": "1", "Comment": "", "Enabled": True, "IsIPV6Enabled": False, "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": {
                **behaviour, **legacy, "TrustedKeyGroups": {"Enabled": True, "Quantity": 1, "Items": [group]},
            },
            "CacheBehaviors": {"Quantity": 1, "Items": [{**behaviour, **legacy, "PathPattern": "/open"}]},
        }
    )["Distribution"]  # fmt: skip
    until(lambda: api.get_distribution(Id=made["Id"])["Distribution"]["Status"] == "Deployed", "deployed")
    return made["DomainName"], made["Id"]


def test_keys_and_groups_are_checked_listed_changed_and_deleted(kunren, account):
    api = kunren.client("cloudfront", account)
    config = {"CallerReference": "1", "Name": "one", "EncodedKey": pem(RSA)}
    made = api.create_public_key(PublicKeyConfig=config)
    identity = made["PublicKey"]["Id"]
    assert identity.startswith("K")
    assert len(identity) == 14
    assert refusal(api.create_public_key, PublicKeyConfig=config) == "PublicKeyAlreadyExists"
    bad = {**config, "CallerReference": "2", "Name": "two", "EncodedKey": "none"}
    assert refusal(api.create_public_key, PublicKeyConfig=bad) == "InvalidArgument"
    other = {**config, "EncodedKey": pem(ECDSA)}
    changed = refusal(api.update_public_key, Id=identity, IfMatch=made["ETag"], PublicKeyConfig=other)
    assert changed == "CannotChangeImmutablePublicKeyFields"
    after = api.update_public_key(Id=identity, IfMatch=made["ETag"], PublicKeyConfig={**config, "Comment": "c"})
    (listed,) = api.list_public_keys()["PublicKeyList"]["Items"]
    assert (listed["Id"], listed["Comment"], listed["EncodedKey"]) == (identity, "c", pem(RSA))
    assert api.get_public_key_config(Id=identity)["PublicKeyConfig"]["Name"] == "one"

    assert refusal(api.create_key_group, KeyGroupConfig={"Name": "g", "Items": ["KNONE"]}) == "InvalidArgument"
    many = {"Name": "g", "Items": [str(each) for each in range(6)]}
    assert refusal(api.create_key_group, KeyGroupConfig=many) == "TooManyPublicKeysInKeyGroup"
    group = api.create_key_group(KeyGroupConfig={"Name": "g", "Items": [identity]})
    assert refusal(api.create_key_group, KeyGroupConfig={"Name": "g", "Items": [identity]}) == "KeyGroupAlreadyExists"
    (found,) = api.list_key_groups()["KeyGroupList"]["Items"]
    assert found["KeyGroup"]["KeyGroupConfig"] == {"Name": "g", "Items": [identity], "Comment": ""}
    api.delete_key_group(Id=group["KeyGroup"]["Id"], IfMatch=group["ETag"])
    assert refusal(api.get_key_group, Id=group["KeyGroup"]["Id"]) == "NoSuchResource"
    api.delete_public_key(Id=identity, IfMatch=after["ETag"])
    assert refusal(api.get_public_key, Id=identity) == "NoSuchPublicKey"
