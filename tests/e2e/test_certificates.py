"""Certificates outside AWS's services, as clients in the world see them: exported and taken back."""

import pytest


@pytest.fixture
def acm(kunren, account):
    return kunren.client("acm", account)


@pytest.fixture
def zone(kunren, account):
    """A public hosted zone of the test's own: its id and its name."""
    route53, name = kunren.client("route53", account), f"z{account}.test"
    return route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"], name


def proven(kunren, account, zone, record):
    """Create the CNAME that proves a name."""
    values = {"Type": "CNAME", "TTL": 60, "Name": record["Name"], "ResourceRecords": [{"Value": record["Value"]}]}
    changes = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": values}]}
    kunren.client("route53", account).change_resource_record_sets(HostedZoneId=zone[0], ChangeBatch=changes)


def test_the_world_learns_that_a_certificate_was_revoked(kunren, account, acm, zone, tmp_path, until):
    options = {"Export": "ENABLED"}
    arn = acm.request_certificate(DomainName=zone[1], ValidationMethod="DNS", Options=options)["CertificateArn"]
    detail = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    proven(kunren, account, zone, detail["DomainValidationOptions"][0]["ResourceRecord"])
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    until(lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED", "issuance")
    exported = acm.export_certificate(CertificateArn=arn, Passphrase=b"secret")
    leaf, chain = tmp_path / "leaf.pem", tmp_path / "chain.pem"
    leaf.write_text(exported["Certificate"])
    chain.write_text(exported["CertificateChain"])

    def status():
        """What OpenSSL finds by OCSP and by the list, both where the certificate says that they are."""
        url = kunren.exec("openssl", "x509", "-noout", "-ocsp_uri", "-in", str(leaf)).stdout.strip()
        asked = ("-issuer", str(chain), "-cert", str(leaf), "-CAfile", str(chain), "-no_nonce")
        told = kunren.exec("openssl", "ocsp", "-url", url, *asked)
        assert "Response verify OK" in told.stderr
        judged = ("-CAfile", str(chain), "-crl_check", "-crl_download", str(leaf))
        verified = kunren.exec("openssl", "verify", *judged, check=False)
        return told.stdout.split(": ")[1].split("\n")[0], verified.stdout + verified.stderr

    by_ocsp, by_list = status()
    assert by_ocsp == "good"
    assert by_list == f"{leaf}: OK\n"
    assert (
        acm.revoke_certificate(CertificateArn=arn, RevocationReason="CESSATION_OF_OPERATION")["CertificateArn"] == arn
    )
    by_ocsp, by_list = status()
    assert by_ocsp == "revoked"
    assert "certificate revoked" in by_list
    statement = {"Filter": {"AcmCertificateMetadataFilter": {"Status": "REVOKED"}}}
    (found,) = acm.get_paginator("search_certificates").paginate(FilterStatement=statement).search("Results[]")
    assert found["X509Attributes"]["Issuer"] == {"Organization": "Kunren", "CommonName": "Kunren local CA M01"}
    span = {"Start": detail["CreatedAt"].timestamp(), "End": found["X509Attributes"]["NotAfter"]}
    statement = {"Filter": {"X509AttributeFilter": {"NotAfter": span}}}
    assert len(acm.search_certificates(FilterStatement=statement)["Results"]) == 1
