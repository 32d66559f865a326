"""authenticate-oidc and jwt-validation in the world: curl follows a login through DNS, TLS and the provider, back to the
target, and sends a token that the provider's keys verify."""

import base64
import json
import time

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock


def encoded(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Signer:
    """One signing key, as a key set and as tokens by it."""

    def __init__(self):
        self._key = rsa.generate_private_key(65537, 2048)

    def key_set(self):
        numbers = self._key.public_key().public_numbers()
        e, n = (encoded(each.to_bytes(256, "big").lstrip(b"\0")) for each in (numbers.e, numbers.n))
        return json.dumps({"keys": [{"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "e": e, "n": n}]})

    def token(self, **claims):
        parts = ({"alg": "RS256", "kid": "1"}, {"exp": time.time() + 600, **claims})
        text = ".".join(encoded(json.dumps(each).encode()) for each in parts)
        return f"{text}.{encoded(self._key.sign(text.encode(), padding.PKCS1v15(), SHA256()))}"


def test_a_browser_is_led_through_a_provider_in_the_world_to_the_target(
    site, kunren, account, tmp_path, until, programs
):
    domain, site_name = f"s{account}.test", f"web.s{account}.test"
    login = f"login.{domain}"
    authority = CertificateAuthority.open(kunren.state / "ca", SystemClock())
    issued = {name: authority.issue([name]) for name in (login, site_name)}
    pair = [tmp_path / "chain.pem", tmp_path / "key.pem"]
    pair[0].write_text(issued[login].certificate_pem + issued[login].chain_pem)
    pair[1].write_text(issued[login].private_key_pem)

    signer, key_set = Signer(), tmp_path / "keys.json"
    key_set.write_text(signer.key_set())
    where = ("--subnet", site.subnets[0], "--security-group", site.security_group("provider", (443, "0.0.0.0/0")))
    provider = programs(kunren, "provider.py", f"https://{login}", *map(str, pair), str(key_set), where=where)
    address = provider.process.stderr.readline().split()[3]  # "eni-…: 172.31.0.9, public 198.18.4.7"
    provider.hear_until("ready")
    route53, acm = kunren.client("route53", account), kunren.client("acm", account)
    zone = route53.create_hosted_zone(Name=domain, CallerReference=domain)["HostedZone"]["Id"]
    alias = {"HostedZoneId": site.balancer["CanonicalHostedZoneId"], "DNSName": site.name, "EvaluateTargetHealth": True}
    records = [
        {"Name": login, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": address}]},
        {"Name": site_name, "Type": "A", "AliasTarget": alias},
    ]
    changes = [{"Action": "CREATE", "ResourceRecordSet": each} for each in records]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    certificate = acm.import_certificate(
        Certificate=issued[site_name].certificate_pem.encode(), PrivateKey=issued[site_name].private_key_pem.encode(),
        CertificateChain=issued[site_name].chain_pem.encode(),
    )["CertificateArn"]  # fmt: skip
    target = site.target("one", 80)
    group = site.group((target, 80))
    config = {
        "Issuer": f"https://{login}", "AuthorizationEndpoint": f"https://{login}/authorize",
        "TokenEndpoint": f"https://{login}/token", "UserInfoEndpoint": f"https://{login}/me", "ClientId": "client",
        "ClientSecret": "secret",
    }  # fmt: skip
    listener = site.listen(
        {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": config},
        {**site.forward(group), "Order": 2},
        port=443, Protocol="HTTPS", Certificates=[{"CertificateArn": certificate}],
    )  # fmt: skip
    wants = {"JwksEndpoint": f"https://{login}/keys", "Issuer": f"https://{login}"}
    site.elb.create_rule(
        ListenerArn=listener, Priority=1, Conditions=[{"Field": "path-pattern", "Values": ["/api"]}],
        Actions=[
            {"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": wants}, {**site.forward(group), "Order": 2}
        ],
    )  # fmt: skip
    site.wait_active()
    site.wait_healthy(group)

    jar = str(tmp_path / "cookies")
    url = f"https://{site_name}/private?a=b"

    def browse(*options):
        return kunren.exec("curl", "-sS", "--max-time", "10", *options, url, check=False)

    until(lambda: browse("-o", "/dev/null").returncode == 0, "a name and a listener")
    done = browse("-L", "-c", jar, "-b", jar)
    seen = json.loads(done.stdout)
    assert (seen["name"], seen["path"]) == ("one", "/private?a=b"), done
    headers = dict(seen["headers"])
    assert (headers["x-amzn-oidc-identity"], headers["x-amzn-oidc-accesstoken"]) == ("ann", "a-token")
    head, claims, _ = headers["x-amzn-oidc-data"].split(".")
    nodes = kunren.client("ec2", account).describe_network_interfaces(
        Filters=[{"Name": "requester-id", "Values": ["amazon-elb"]}]
    )["NetworkInterfaces"]
    addresses = {each["Association"]["PublicIp"] for each in nodes}
    assert json.loads(base64.urlsafe_b64decode(claims))["peer"] in addresses  # a node asked, over the internet

    key = json.loads(base64.urlsafe_b64decode(head))["kid"]
    keys = "https://public-keys.auth.elb.us-east-1.amazonaws.com"
    assert "BEGIN PUBLIC KEY" in kunren.exec("curl", "-sS", f"{keys}/{key}").stdout
    assert json.loads(browse("-b", jar).stdout)["name"] == "one"

    traced = json.loads(kunren.run("trace", "--json", url).stdout)
    assert (traced["agrees"], traced["expected"]["statuses"]) == (True, [302])

    def call(*options):
        asked = ("curl", "-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", *options)
        return kunren.exec(*asked, f"https://{site_name}/api").stdout

    good = signer.token(iss=f"https://{login}")
    assert call("-H", f"Authorization: Bearer {good}") == "200"
    forged = Signer().token(iss=f"https://{login}")
    assert [call(), call("-H", f"Authorization: Bearer {forged}")] == ["401", "401"]
    traced = json.loads(kunren.run("trace", "--json", f"https://{site_name}/api").stdout)
    assert (traced["agrees"], traced["expected"]["statuses"]) == (True, [401])
