"""Mutual TLS from end to end: openssl makes the certificates, S3 holds the bundle, curl is the client."""

import json
import subprocess
import urllib.request

import pytest

CONFIG = """
[ca]
default_ca = here
[here]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
default_crl_days = 30
policy = any
[any]
commonName = supplied
"""


@pytest.fixture
def authority(tmp_path):
    """An openssl certificate authority in a folder; `run(...)` is openssl there."""

    def run(*arguments):
        done = subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "ca.cnf").write_text(CONFIG)
    (tmp_path / "index.txt").touch()
    (tmp_path / "serial").write_text("03A5B1\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Clients", "-days", "30")
    run("req", "-x509", *key, "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=web.test", "-days", "30")
    for name in ("alice", "bob"):
        run("req", "-new", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        run("ca", "-batch", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.pem", "-in", f"{name}.csr",
            "-out", f"{name}.pem", "-notext", "-days", "30")  # fmt: skip
    return run


def test_a_trust_store_decides_who_gets_in_and_a_revocation_list_who_no_longer_does(
    site, authority, kunren, account, tmp_path, until
):
    s3, acm, elb = kunren.client("s3", account), kunren.client("acm", account), site.elb
    s3.create_bucket(Bucket=f"trust-{account}")
    s3.put_object(Bucket=f"trust-{account}", Key="ca/bundle.pem", Body=(tmp_path / "ca.pem").read_bytes())
    bundle = {"CaCertificatesBundleS3Bucket": f"trust-{account}", "CaCertificatesBundleS3Key": "ca/bundle.pem"}
    store = elb.create_trust_store(Name="clients", **bundle)["TrustStores"][0]
    arn = store["TrustStoreArn"]
    assert (store["Status"], store["NumberOfCaCertificates"]) == ("ACTIVE", 1)
    with pytest.raises(elb.exceptions.CaCertificatesBundleNotFoundException):
        elb.create_trust_store(Name="none", **{**bundle, "CaCertificatesBundleS3Key": "elsewhere.pem"})
    lent = elb.get_trust_store_ca_certificates_bundle(TrustStoreArn=arn)["Location"]
    with urllib.request.urlopen(lent, timeout=5) as answer:
        assert answer.read() == (tmp_path / "ca.pem").read_bytes()

    server, key = (tmp_path / "server.pem").read_bytes(), (tmp_path / "server.key").read_bytes()
    certificate = acm.import_certificate(Certificate=server, PrivateKey=key)["CertificateArn"]
    target = site.target("one", 80)
    group = site.group((target, 80))
    listener = site.listen(
        site.forward(group), port=443, Protocol="HTTPS", Certificates=[{"CertificateArn": certificate}],
        MutualAuthentication={"Mode": "verify", "TrustStoreArn": arn},
    )  # fmt: skip
    site.wait_active()
    site.wait_healthy(group)
    with pytest.raises(elb.exceptions.TrustStoreInUseException):
        elb.delete_trust_store(TrustStoreArn=arn)

    def curl(*options):
        return kunren.exec("curl", "-sk", "--max-time", "5", *options, f"https://{site.name}/", check=False)

    def who(name):
        done = curl("--cert", str(tmp_path / f"{name}.pem"), "--key", str(tmp_path / f"{name}.key"))
        return dict(json.loads(done.stdout)["headers"]) if done.returncode == 0 else done.returncode

    # The probes may have seen the target before every node has the listener's certificates.
    until(lambda: isinstance(who("alice"), dict), "alice let in")
    alice = who("alice")
    assert alice["x-amzn-mtls-clientcert-subject"] == "CN=alice"
    assert alice["x-amzn-mtls-clientcert-issuer"] == "CN=Clients"
    assert alice["x-amzn-mtls-clientcert-serial-number"] == "03A5B1"
    assert curl().returncode == 35  # no certificate: the handshake (TLS 1.2) fails
    assert who("bob")["x-amzn-mtls-clientcert-serial-number"] == "03A5B2"

    common = ("-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.pem")
    authority("ca", *common, "-revoke", "bob.pem")
    authority("ca", *common, "-gencrl", "-out", "ca.crl")
    s3.put_object(Bucket=f"trust-{account}", Key="ca/list.crl", Body=(tmp_path / "ca.crl").read_bytes())
    added = elb.add_trust_store_revocations(
        TrustStoreArn=arn, RevocationContents=[{"S3Bucket": f"trust-{account}", "S3Key": "ca/list.crl"}]
    )["TrustStoreRevocations"]
    assert added == [{"TrustStoreArn": arn, "RevocationId": 1, "RevocationType": "CRL", "NumberOfRevokedEntries": 1}]
    until(lambda: who("bob") == 35, "bob refused")
    assert who("alice")["x-amzn-mtls-clientcert-subject"] == "CN=alice"
    elb.remove_trust_store_revocations(TrustStoreArn=arn, RevocationIds=[1])
    until(lambda: who("bob") != 35, "bob let in again")

    elb.modify_listener(ListenerArn=listener, MutualAuthentication={"Mode": "off"})
    until(lambda: curl().returncode == 0, "everybody let in")
    elb.delete_trust_store(TrustStoreArn=arn)
