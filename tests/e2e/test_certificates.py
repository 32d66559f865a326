"""Certificates outside AWS's services, as clients in the world see them: exported, ordered over ACME, taken back."""

import json
from pathlib import Path

import pytest
from cryptography import x509

PROGRAM = Path(__file__).parent / "programs" / "acme_client.py"
SCOPE = {"ExactDomain": "ENABLED", "Subdomains": "ENABLED", "Wildcards": "ENABLED"}


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


@pytest.fixture
def ask(kunren, tmp_path):
    """`ask(do=..., directory=...)`: an ACME client in the world, with one account key a test."""

    def asked(**wanted):
        told = kunren.run(
            "exec", "--", kunren.python, str(PROGRAM), input=json.dumps({"key": str(tmp_path / "account"), **wanted})
        )
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)

    return asked


def test_an_acme_client_gets_and_revokes_a_certificate(kunren, account, acm, zone, ask, tmp_path):
    endpoint = acm.create_acme_endpoint(
        AuthorizationBehavior="PRE_APPROVED",
        Contact="REQUIRED",
        CertificateAuthority={"PublicCertificateAuthority": {"AllowedKeyAlgorithms": ["EC_prime256v1"]}},
        CertificateTags=[{"Key": "team", "Value": "edge"}],
    )["AcmeEndpointArn"]
    acm.get_waiter("acme_endpoint_active").wait(AcmeEndpointArn=endpoint)
    directory = acm.describe_acme_endpoint(AcmeEndpointArn=endpoint)["AcmeEndpoint"]["EndpointUrl"]
    assert directory == f"https://acm-acme-enroll.us-east-1.api.aws/{endpoint.rpartition('/')[2]}/directory"
    binding = acm.create_acme_external_account_binding(
        AcmeEndpointArn=endpoint,
        RoleArn=f"arn:aws:iam::{account}:role/issuance",
        Expiration={"Value": 7, "Type": "DAYS"},
    )["ExternalAccountBinding"]
    secret = acm.get_acme_external_account_binding_credentials(
        AcmeExternalAccountBindingArn=binding["AcmeExternalAccountBindingArn"]
    )
    credentials = {"kid": secret["KeyId"], "hmac": secret["MacKey"], "directory": directory}

    # without contact, and with it
    assert ask(do="register", **credentials)["error"] == "invalidContact"
    registered = ask(do="register", email="ops@example.com", **credentials)
    (listed,) = acm.list_acme_accounts(AcmeEndpointArn=endpoint)["AcmeAccounts"]
    assert (listed["AccountUrl"], listed["Status"]) == (registered["url"], "VALID")
    assert listed["Contacts"] == registered["contact"] == ["mailto:ops@example.com"]
    assert listed["AcmeExternalAccountBindingArn"] == binding["AcmeExternalAccountBindingArn"]

    # the domain is not validated yet; then ACM makes the record itself
    order = {"do": "order", "directory": directory, "out": str(tmp_path / "fullchain.pem")}
    names = [f"www.{zone[1]}", zone[1], f"*.{zone[1]}"]
    assert ask(**order, names=names)["error"] == "rejectedIdentifier"
    validation = acm.create_acme_domain_validation(
        AcmeEndpointArn=endpoint,
        DomainName=zone[1],
        PrevalidationOptions={"DnsPrevalidation": {"DomainScope": SCOPE, "HostedZoneId": zone[0].rpartition("/")[2]}},
    )["AcmeDomainValidationArn"]
    valid = {"Delay": 1, "MaxAttempts": 60}
    acm.get_waiter("acme_domain_validation_validated").wait(AcmeDomainValidationArn=validation, WaiterConfig=valid)
    assert ask(**order, names=names) == {
        "before": "ready", "authorizations": ["valid"] * 3, "after": "valid",
    }  # fmt: skip
    leaf, intermediate = x509.load_pem_x509_certificates((tmp_path / "fullchain.pem").read_bytes())
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    ) == names  # fmt: skip
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 44
    leaf.verify_directly_issued_by(intermediate)

    # as ACM has it
    assert acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"] == []
    (summary,) = acm.list_certificates(
        CertificateKeyPairOrigins=["ACME"], Includes={"keyTypes": ["EC_prime256v1"]}
    )["CertificateSummaryList"]  # fmt: skip
    arn = summary["CertificateArn"]
    detail = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (detail["Type"], detail["Status"]) == ("AMAZON_ISSUED", "ISSUED")
    assert (detail["CertificateKeyPairOrigin"], detail["AcmeEndpointArn"]) == ("ACME", endpoint)
    assert detail["AcmeAccountId"] == registered["url"].rpartition("/")[2]
    assert acm.list_tags_for_certificate(CertificateArn=arn)["Tags"] == [{"Key": "team", "Value": "edge"}]
    statement = {"Filter": {"AcmCertificateMetadataFilter": {"AcmeEndpointArn": endpoint}}}
    (found,) = acm.search_certificates(FilterStatement=statement)["Results"]
    assert found["CertificateArn"] == arn

    # the client takes it back
    revoke = {**order, "do": "revoke", "reason": 4}
    assert ask(**revoke) == {}
    assert ask(**revoke)["error"] == "alreadyRevoked"
    detail = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (detail["Status"], detail["RevocationReason"]) == ("REVOKED", "SUPERSEDED")
    chain = tmp_path / "chain.pem"
    chain.write_text(acm.get_certificate(CertificateArn=arn)["CertificateChain"])
    files = ("-CAfile", str(chain), "-crl_check", "-crl_download", str(tmp_path / "fullchain.pem"))
    assert "certificate revoked" in kunren.exec("openssl", "verify", *files, check=False).stderr

    # a record that is gone stops the next certificate; a revoked account stops all
    record = acm.describe_acme_domain_validation(AcmeDomainValidationArn=validation)["AcmeDomainValidation"]
    record = record["PrevalidationDetails"]["DnsPrevalidation"]["ResourceRecord"]
    values = {"Type": "CNAME", "TTL": 300, "Name": record["Name"], "ResourceRecords": [{"Value": record["Value"]}]}
    kunren.client("route53", account).change_resource_record_sets(
        HostedZoneId=zone[0], ChangeBatch={"Changes": [{"Action": "DELETE", "ResourceRecordSet": values}]}
    )
    assert ask(**order, names=names) == {
        "error": "dns", "detail": f"DNS CNAME records not found: [{record['Name']}]",
    }  # fmt: skip
    acm.revoke_acme_account(AcmeEndpointArn=endpoint, AccountUrl=registered["url"])
    assert ask(**order, names=names)["error"] == "unauthorized"
    acm.delete_acme_endpoint(AcmeEndpointArn=endpoint)
    acm.get_waiter("acme_endpoint_deleted").wait(AcmeEndpointArn=endpoint)


def test_a_domain_may_leave_its_certificates_to_another_authority(kunren, account, acm, zone, until):
    values = [{"Value": '0 issue "authority.test"'}, {"Value": '0 iodef "mailto:ops@example.com"'}]
    record = {"Name": zone[1], "Type": "CAA", "TTL": 60, "ResourceRecords": values}
    kunren.client("route53", account).change_resource_record_sets(
        HostedZoneId=zone[0], ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    )
    arn = acm.request_certificate(DomainName=f"www.{zone[1]}", ValidationMethod="DNS")["CertificateArn"]
    detail = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    proven(kunren, account, zone, detail["DomainValidationOptions"][0]["ResourceRecord"])
    until(lambda: acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "FAILED", "the refusal")
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["FailureReason"] == "CAA_ERROR"
