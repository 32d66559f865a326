"""The ACME server by RFC 8555: each test a client's story; what a client may not do, and what comes of it."""

from __future__ import annotations

import asyncio
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from josepy import b64

P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())


@pytest.fixture
def endpoint(bench):
    """An endpoint that may issue for example.com, whose record is in the DNS."""
    arn = bench.endpoint()
    bench.prove(bench.allow(arn, "example.com"))
    return arn


async def validated(bench, endpoint):
    def states():
        found = bench("list_acme_domain_validations", AcmeEndpointArn=endpoint)["AcmeDomainValidations"]
        return [each["Status"] for each in found]

    await bench.until(lambda: "VALIDATING" not in states())


async def ordered(client, *names):
    return await client.post("new-order", {"identifiers": [{"type": "dns", "value": name} for name in names]})


async def finished(bench, client, url):
    """The order, once it is no longer processing."""
    order = await client.post(url)
    async with asyncio.timeout(20):
        while order.json["status"] == "processing":
            await asyncio.sleep(0.005)
            order = await client.post(url)
    return order.json


async def issued(bench, client, csr, *names, key=None):
    order = await ordered(client, *names)
    done = await client.post(order.json["finalize"], {"csr": csr(*names, key=key)})
    assert (done.status, done.json["status"], done.headers["Retry-After"]) == (200, "processing", "1")
    return await finished(bench, client, order.headers["Location"])


def test_the_directory_names_every_resource(bench, client, endpoint) -> None:
    async def story() -> None:
        one = client(endpoint)
        answer = await one.send("GET", f"{one.base}/directory")
        assert answer.json == {
            "newNonce": f"{one.base}/new-nonce",
            "newAccount": f"{one.base}/new-account",
            "newOrder": f"{one.base}/new-order",
            "revokeCert": f"{one.base}/revoke-cert",
            "keyChange": f"{one.base}/key-change",
            "meta": {"externalAccountRequired": True},
        }
        assert (await one.send("GET", f"{one.base}/new-nonce")).status == 204
        assert (await one.send("GET", f"{one.base}/nothing")).problem == (404, "malformed")
        assert (await one.send("GET", f"{one.base}/new-order")).problem == (405, "malformed")
        assert (await one.send("GET", one.base.replace(one.base[-6:], "000000"))).problem == (404, "malformed")
        assert (await one.send("POST", f"{one.base}/new-order", b"", "application/json")).problem == (415, "malformed")

    asyncio.run(story())


def test_an_account_is_registered_changed_and_deactivated(bench, client, endpoint) -> None:
    async def story() -> None:
        one = client(endpoint)
        made = await one.register(contact=["mailto:ops@example.com"])
        assert made.status == 201
        assert made.json == {
            "status": "valid", "contact": ["mailto:ops@example.com"], "orders": f"{one.kid}/orders",
        }  # fmt: skip
        (listed,) = bench("list_acme_accounts", AcmeEndpointArn=endpoint)["AcmeAccounts"]
        assert listed["AccountUrl"] == one.kid
        binding = bench("list_acme_external_account_bindings", AcmeEndpointArn=endpoint)["ExternalAccountBindings"]
        assert binding[0]["LastUsedAt"] == bench.clock.now()
        again = await one.post("new-account", {"onlyReturnExisting": True}, kid=None)
        assert (again.status, again.headers["Location"]) == (200, one.kid)
        changed = await one.post(one.kid, {"contact": []})
        assert "contact" not in changed.json
        assert (await one.post(one.kid)).json == changed.json
        assert (await one.post(one.kid, {"status": "deactivated"})).json["status"] == "deactivated"
        assert (await one.post(one.kid)).problem == (401, "unauthorized")
        assert (await one.post("new-account", {}, kid=None)).problem == (401, "unauthorized")
        shown = bench("describe_acme_account", AcmeEndpointArn=endpoint, AccountUrl=one.kid)["AcmeAccount"]
        assert shown["Status"] == "DEACTIVATED"

    asyncio.run(story())


def test_registration_needs_a_binding_that_holds(bench, client) -> None:
    async def story() -> None:
        endpoint = bench.endpoint(Contact="REQUIRED")
        one, mail = client(endpoint), {"contact": ["mailto:ops@example.com"]}
        assert (await one.post("new-account", mail, kid=None)).problem == (403, "externalAccountRequired")
        unknown = await one.post("new-account", {"onlyReturnExisting": True}, kid=None)
        assert unknown.problem == (400, "accountDoesNotExist")
        binding = bench.binding(endpoint, Expiration={"Value": 1, "Type": "HOURS"})
        good = one.bound(binding)

        async def tried(bound, **fields):
            return (
                await one.post("new-account", {**mail, "externalAccountBinding": bound, **fields}, kid=None)
            ).problem

        assert await tried(good, contact=None) == (400, "invalidContact")
        assert await tried(good, contact=["tel:1"]) == (400, "unsupportedContact")
        assert await tried(good, contact=["mailto:a@b,c@d"]) == (400, "invalidContact")
        assert await tried("text") == (400, "malformed")
        assert await tried(one.bound(binding, secret=b"x" * 32)) == (403, "unauthorized")
        assert await tried(one.bound(binding, kid="unknown")) == (403, "unauthorized")
        assert await tried(one.bound(binding, url=f"{one.base}/new-order")) == (400, "malformed")
        assert await tried(one.bound(binding, key=one.jwk(P384))) == (400, "malformed")
        bench.clock.advance(3600)
        assert await tried(good) == (403, "unauthorized")
        other = bench.binding(endpoint)
        bench("revoke_acme_external_account_binding", AcmeExternalAccountBindingArn=other)
        assert await tried(one.bound(other)) == (403, "unauthorized")
        assert bench("list_acme_accounts", AcmeEndpointArn=endpoint)["AcmeAccounts"] == []

    asyncio.run(story())


def test_accounts_outlive_their_binding_and_end_by_revocation(bench, client, endpoint) -> None:
    async def story() -> None:
        one, binding = client(endpoint), bench.binding(endpoint)
        await one.register(externalAccountBinding=one.bound(binding))
        bench("delete_acme_external_account_binding", AcmeExternalAccountBindingArn=binding)
        assert (await one.post(f"{one.kid}/orders")).json == {"orders": []}
        bench("revoke_acme_account", AcmeEndpointArn=endpoint, AccountUrl=one.kid)
        assert (await one.post(f"{one.kid}/orders")).problem == (401, "unauthorized")

    asyncio.run(story())


def test_signatures_nonces_and_urls_are_checked(bench, client, endpoint) -> None:
    async def story() -> None:
        one, other = client(endpoint), client(endpoint)
        await one.register()
        await other.register()
        nonce = await one.nonce()
        assert (await one.post(one.kid, nonce=nonce)).status == 200
        assert (await one.post(one.kid, nonce=nonce)).problem == (400, "badNonce")
        assert (await one.post(one.kid, nonce="made-up")).problem == (400, "badNonce")
        assert (await one.post(one.kid, key=other.key)).problem == (400, "malformed")
        assert (await one.post(one.kid, url=f"{one.base}/new-order")).problem == (401, "unauthorized")
        assert (await one.post(other.kid)).problem == (403, "unauthorized")
        assert (await one.post(one.kid, kid=f"{one.base}/acct/none")).problem == (400, "accountDoesNotExist")
        assert (await one.post("new-order", {}, kid=None)).problem == (400, "malformed")
        assert (await one.post("new-account", {})).problem == (400, "malformed")
        refused = await one.post(one.kid, alg="HS256")
        assert refused.problem == (400, "badSignatureAlgorithm")
        assert refused.json["algorithms"] == ["RS256", "ES256", "ES384", "ES512"]
        small = client(endpoint, rsa.generate_private_key(65537, 1024))
        assert (await small.post("new-account", {}, kid=None)).problem == (400, "badPublicKey")
        for body in (b"no JSON", b"{}", b'{"protected": "e30", "payload": "", "signature": "x="}'):
            assert (await one.send("POST", f"{one.base}/new-order", body)).problem == (400, "malformed")

    asyncio.run(story())


@pytest.mark.parametrize("key", ["rsa", "p256", "p384"])
def test_an_order_is_ready_at_once_and_issued_by_every_kind_of_account_key(bench, client, csr, endpoint, key) -> None:
    async def story() -> None:
        await validated(bench, endpoint)
        one = client(endpoint, {"p256": P256, "p384": P384}.get(key) or rsa.generate_private_key(65537, 2048))
        await one.register()
        made = await ordered(one, "WWW.example.com", "*.example.com", "www.example.com")
        assert (made.status, made.json["status"]) == (201, "ready")
        assert [each["value"] for each in made.json["identifiers"]] == ["www.example.com", "*.example.com"]
        first, wild = [(await one.post(url)).json for url in made.json["authorizations"]]
        assert first == {
            "status": "valid", "expires": made.json["expires"], "challenges": [],
            "identifier": {"type": "dns", "value": "www.example.com"},
        }  # fmt: skip
        assert (wild["identifier"]["value"], wild["wildcard"]) == ("example.com", True)
        order = await issued(bench, one, csr, "www.example.com", "*.example.com")
        assert order["status"] == "valid"
        answer = await one.post(order["certificate"])
        assert answer.headers["Content-Type"] == "application/pem-certificate-chain"
        leaf, intermediate = x509.load_pem_x509_certificates(answer.body)
        leaf.verify_directly_issued_by(intermediate)
        assert leaf.subject.rfc4514_string() == "CN=www.example.com"
        urls = (await one.post(f"{one.kid}/orders")).json["orders"]
        assert made.headers["Location"] in urls
        assert len(urls) == 2

    bench.run(story)


def test_orders_for_what_is_not_allowed_are_refused(bench, client, csr, endpoint) -> None:
    async def story() -> None:
        await validated(bench, endpoint)
        one = client(endpoint)
        await one.register()
        refused = await ordered(one, "example.com", "example.org")
        assert refused.problem == (403, "rejectedIdentifier")
        assert [each["identifier"]["value"] for each in refused.json["subproblems"]] == ["example.org"]
        assert (await ordered(one)).problem == (400, "malformed")
        assert (await ordered(one, "no name")).problem == (400, "malformed")
        assert (await ordered(one, *(f"n{at}.example.com" for at in range(11)))).problem == (403, "rejectedIdentifier")
        address = {"identifiers": [{"type": "ip", "value": "198.18.0.1"}]}
        assert (await one.post("new-order", address)).problem == (400, "unsupportedIdentifier")
        dated = {"identifiers": [{"type": "dns", "value": "example.com"}], "notAfter": "2026-01-01T00:00:00Z"}
        assert (await one.post("new-order", dated)).problem == (400, "malformed")
        assert (await one.post(f"{one.kid}/orders")).json == {"orders": []}

    bench.run(story)


def test_a_request_that_does_not_fit_its_order_is_refused_and_may_be_mended(bench, client, csr) -> None:
    async def story() -> None:
        keys = {"PublicCertificateAuthority": {"AllowedKeyAlgorithms": ["EC_prime256v1"]}}
        endpoint = bench.endpoint(CertificateAuthority=keys)
        bench.prove(bench.allow(endpoint, "example.com"))
        await validated(bench, endpoint)
        one = client(endpoint, P256)
        await one.register()
        order = await ordered(one, "example.com")

        async def tried(text):
            return await one.post(order.json["finalize"], {"csr": text})

        assert (await tried(csr("example.com", "www.example.com"))).problem == (400, "badCSR")
        assert (await tried(csr("example.com", key=P256))).problem == (400, "badCSR")
        assert (await tried(b64.b64encode(b"none").decode())).problem == (400, "badCSR")
        assert (await tried(7)).problem == (400, "malformed")
        wrong = await tried(csr("example.com", key=P384))
        assert wrong.problem == (400, "badCSR")
        assert wrong.json["detail"].endswith("Allowed key algorithms: EC_prime256v1.")
        assert (await tried(csr("example.com"))).json["status"] == "processing"
        assert (await tried(csr("example.com"))).problem == (403, "orderNotReady")
        assert (await finished(bench, one, order.headers["Location"]))["status"] == "valid"

    bench.run(story)


def test_a_record_that_is_gone_makes_the_order_invalid(bench, client, csr, endpoint) -> None:
    async def story() -> None:
        await validated(bench, endpoint)
        one = client(endpoint)
        await one.register()
        bench.dns.clear()
        order = await issued(bench, one, csr, "example.com", "www.example.com")
        (shown,) = bench("list_acme_domain_validations", AcmeEndpointArn=endpoint)["AcmeDomainValidations"]
        record = shown["PrevalidationDetails"]["DnsPrevalidation"]["ResourceRecord"]["Name"]
        assert order["status"] == "invalid"
        assert order["error"] == {
            "type": "urn:ietf:params:acme:error:dns", "detail": f"DNS CNAME records not found: [{record}]",
        }  # fmt: skip
        assert bench("search_certificates")["Results"] == []

    bench.run(story)


def test_records_of_another_authority_make_the_order_invalid(bench, client, csr, endpoint) -> None:
    async def story() -> None:
        await validated(bench, endpoint)
        one = client(endpoint)
        await one.register()
        bench.caa_records = ['0 issue "another.test"']
        order = await issued(bench, one, csr, "example.com")
        assert (order["status"], order["error"]["type"]) == ("invalid", "urn:ietf:params:acme:error:caa")

    bench.run(story)


def test_a_validation_that_is_deleted_no_longer_lets_anybody_finalize(bench, client, csr, endpoint) -> None:
    async def story() -> None:
        await validated(bench, endpoint)
        one = client(endpoint)
        await one.register()
        order, given_up, late = [await ordered(one, "example.com") for _ in range(3)]
        (authorization,) = given_up.json["authorizations"]
        assert (await one.post(authorization, {"status": "deactivated"})).json["status"] == "deactivated"
        assert (await one.post(given_up.headers["Location"])).json["status"] == "invalid"
        (shown,) = bench("list_acme_domain_validations", AcmeEndpointArn=endpoint)["AcmeDomainValidations"]
        bench("delete_acme_domain_validation", AcmeDomainValidationArn=shown["AcmeDomainValidationArn"])
        refused = await one.post(order.json["finalize"], {"csr": csr("example.com")})
        assert refused.problem == (403, "unauthorized")
        bench.clock.advance(7 * 86400)
        assert (await one.post(late.headers["Location"])).json["status"] == "invalid"

    bench.run(story)


def test_a_key_is_changed_by_both_keys(bench, client, endpoint) -> None:
    async def story() -> None:
        one, other = client(endpoint), client(endpoint)
        await one.register()
        await other.register()
        url, old, new = f"{one.base}/key-change", one.key, one.jwk(P384)

        async def tried(key, account=one.kid, old_key=old, signed_by=None):
            content = json.dumps({"account": account, "oldKey": old_key.public_key().to_json()}).encode()
            return await one.post("key-change", one.by_new_key(url, key, content, signed_by))

        assert (await tried(new, account=other.kid)).problem == (400, "malformed")
        assert (await tried(new, old_key=other.key)).problem == (400, "malformed")
        assert (await tried(new, signed_by=one.jwk(ec.generate_private_key(ec.SECP384R1())))).problem == (
            400,
            "malformed",
        )
        taken = await tried(other.key)
        assert (taken.problem, taken.headers["Location"]) == ((409, "malformed"), other.kid)
        assert (await tried(new)).status == 200
        assert (await one.post(one.kid)).problem == (400, "malformed")
        one.key = new
        assert (await one.post(one.kid)).status == 200

    asyncio.run(story())


def test_a_certificate_is_revoked_by_its_account_by_its_key_and_by_whoever_may_order_it(
    bench, client, csr, endpoint
) -> None:
    async def story() -> None:
        await validated(bench, endpoint)
        one, other = client(endpoint), client(endpoint)
        await one.register()
        await other.register()
        key = ec.generate_private_key(ec.SECP256R1())

        async def certificate():
            order = await issued(bench, one, csr, "example.com", "www.example.com", key=key)
            pem = (await one.post(order["certificate"])).body
            leaf = x509.load_pem_x509_certificate(pem)
            return {"certificate": b64.b64encode(leaf.public_bytes(Encoding.DER)).decode()}

        first, second, third = [await certificate() for _ in range(3)]
        assert (await other.post("revoke-cert", first)).problem == (403, "unauthorized")
        assert (await one.post("revoke-cert", {**first, "reason": 6})).problem == (400, "badRevocationReason")
        assert (await one.post("revoke-cert", {**first, "reason": 1})).status == 200
        assert (await one.post("revoke-cert", first)).problem == (400, "alreadyRevoked")
        wrong = one.jwk(ec.generate_private_key(ec.SECP256R1()))
        assert (await one.post("revoke-cert", second, kid=None, key=wrong)).problem == (403, "unauthorized")
        assert (await one.post("revoke-cert", second, kid=None, key=one.jwk(key))).status == 200
        await ordered(other, "example.com", "www.example.com", "*.example.com")
        assert (await other.post("revoke-cert", third)).status == 200
        found = bench("search_certificates")["Results"]
        assert [each["CertificateMetadata"]["AcmCertificateMetadata"]["Status"] for each in found] == ["REVOKED"] * 3
        foreign = bench.ca.issue(["example.com"]).certificate_pem
        der = x509.load_pem_x509_certificate(foreign.encode()).public_bytes(Encoding.DER)
        asked = {"certificate": b64.b64encode(der).decode()}
        assert (await one.post("revoke-cert", asked)).problem == (404, "malformed")

    bench.run(story)


def test_acm_has_the_certificate_and_leaves_it_to_its_client(bench, client, csr, endpoint) -> None:
    from kunren.core.errors import AwsError
    from kunren.services.acm.controllers import forget_ended_by_acme
    from kunren.services.acm.material import certificate_material, certificate_state

    async def story() -> None:
        await validated(bench, endpoint)
        one = client(endpoint)
        await one.register()
        await issued(bench, one, csr, "example.com")
        (found,) = bench("search_certificates")["Results"]
        arn = found["CertificateArn"]
        detail = bench("describe_certificate", CertificateArn=arn)["Certificate"]
        assert (detail["CertificateKeyPairOrigin"], detail["RenewalEligibility"]) == ("ACME", "INELIGIBLE")
        assert detail["DomainValidationOptions"][0]["ValidationStatus"] == "SUCCESS"
        assert detail["AcmeAccountId"] == one.kid.rpartition("/")[2]
        assert "PrivateKey" not in bench("get_certificate", CertificateArn=arn)
        snapshot = bench.store.snapshot()
        assert certificate_state(snapshot, "111122223333", arn) == "ACME"
        assert certificate_material(snapshot, arn) is None
        more = {
            "revoke_certificate": {"RevocationReason": "SUPERSEDED"},
            "export_certificate": {"Passphrase": b"secret"},
        }
        for operation in ("revoke_certificate", "export_certificate", "renew_certificate", "delete_certificate"):
            with pytest.raises(AwsError) as caught:
                bench(operation, CertificateArn=arn, **more.get(operation, {}))
            assert caught.value.code == "ValidationException", operation
        forget_ended_by_acme(bench.store, bench.clock.wall() + 400 * 86400)
        assert len(bench("search_certificates")["Results"]) == 1
        bench.clock.advance(46 * 86400)
        bench("delete_certificate", CertificateArn=arn)
        await issued(bench, one, csr, "example.com")
        forget_ended_by_acme(bench.store, bench.clock.wall() + (46 + 365) * 86400)
        assert bench("search_certificates")["Results"] == []

    bench.run(story)


def test_an_order_that_was_processing_when_kunren_ended_is_issued_after_the_start(bench, client, csr, endpoint) -> None:
    made = {}

    async def before() -> None:
        await validated(bench, endpoint)
        one = client(endpoint)
        await one.register()
        made["one"], made["order"] = one, await ordered(one, "example.com")

    async def between() -> None:
        await made["one"].post(made["order"].json["finalize"], {"csr": csr("example.com")})

    async def after() -> None:
        assert (await finished(bench, made["one"], made["order"].headers["Location"]))["status"] == "valid"

    bench.run(before)
    asyncio.run(between())
    bench.restart()
    bench.run(after)
