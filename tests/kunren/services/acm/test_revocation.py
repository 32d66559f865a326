"""RevokeCertificate against the ledger, and what the world is told of it."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from kunren.control.store import Store
from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SimClock, SystemClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.services.acm.api import AcmApi
from kunren.services.acm.facts import facts_of
from kunren.services.acm.model import Certificate, CertificateMaterial, Issuance
from kunren.services.acm.revocation import POINTERS, RevocationStatus, forget_ended, record

CTX = RequestContext(account="111122223333", region="us-east-1", service="acm", operation="", request_id="r")
WALL = SystemClock().wall()


class Bench:
    def __init__(self, path: Path) -> None:
        self.clock, self.store = SimClock(WALL), Store(None)
        self.ca = CertificateAuthority.open(path, self.clock)
        self.users: list[str] = []
        self.api = AcmApi(self.store, self.clock, Entropy(7), in_use_by=lambda _, arn: self.users)
        self.front = RevocationStatus(self.store, self.ca, self.clock)

    def issued(self, *names: str, exported: bool = True) -> str:
        """A certificate as validation leaves it; the exporting is written down."""
        arn = self.api.request_certificate(CTX, {"DomainName": names[0], "ValidationMethod": "DNS"})["CertificateArn"]
        self.sign(arn, exported)
        return str(arn)

    def sign(self, arn: str, exported: bool = True) -> int:
        row = self.row(arn)
        issued = self.ca.issue(row.names, pointers=POINTERS)
        material = CertificateMaterial(
            certificate_pem=issued.certificate_pem,
            chain_pem=issued.chain_pem,
            private_key_pem=issued.private_key_pem,
        )
        with self.store.write() as tx:
            facts = facts_of(issued.certificate_pem)
            tx.put(msgspec.structs.replace(row, status="ISSUED", facts=facts, material=material, exported=exported))
            record(tx, arn, issued)
        return issued.serial

    def row(self, arn: str) -> Certificate:
        found = self.store.snapshot().get(Certificate, CTX.account, CTX.region, arn)
        assert found is not None
        return found

    def revoke(self, arn: str, reason: str = "SUPERSEDED") -> Any:
        return self.api.revoke_certificate(CTX, {"CertificateArn": arn, "RevocationReason": reason})

    def ask(self, method: str, host: str, path: str, body: bytes = b"") -> FrontAnswer:
        assert self.front.claims(host, path)
        request = FrontRequest(method, host, path, "", {}, body, "198.18.0.9", None)
        return asyncio.run(self.front.answer(request))

    def ocsp_request(self, arn: str) -> bytes:
        material = self.row(arn).material
        assert material is not None
        leaf = x509.load_pem_x509_certificate(material.certificate_pem.encode())
        issuer = x509.load_pem_x509_certificate(self.ca.intermediate_pem.encode())
        return ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, SHA1()).build().public_bytes(Encoding.DER)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def refused(code: str, call: Any) -> None:
    with pytest.raises(AwsError) as caught:
        call()
    assert caught.value.code == code


def test_a_revoked_certificate_is_listed_and_known_to_ocsp(bench: Bench) -> None:
    arn = bench.issued("one.test")
    path = "/" + quote(base64.b64encode(bench.ocsp_request(arn)).decode(), safe="")
    before = ocsp.load_der_ocsp_response(bench.ask("GET", "ocsp.m01.amazontrust.com", path).body)
    assert before.certificate_status is ocsp.OCSPCertStatus.GOOD
    bench.clock.advance(5)
    assert bench.revoke(arn) == {"CertificateArn": arn}
    detail = bench.api.describe_certificate(CTX, {"CertificateArn": arn})["Certificate"]
    assert (detail["Status"], detail["RevocationReason"], detail["RevokedAt"]) == ("REVOKED", "SUPERSEDED", WALL + 5)
    answer = bench.ask("POST", "ocsp.m01.amazontrust.com", "/", bench.ocsp_request(arn))
    assert answer.headers == [("Content-Type", "application/ocsp-response")]
    after = ocsp.load_der_ocsp_response(answer.body)
    assert after.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert after.revocation_reason is x509.ReasonFlags.superseded
    listed = x509.load_der_x509_crl(bench.ask("GET", "crl.m01.amazontrust.com", "/m01.crl").body)
    assert [entry.serial_number for entry in listed] == [after.serial_number]
    issuer = bench.ask("GET", "crt.m01.amazontrust.com", "/m01.cer").body
    assert x509.load_der_x509_certificate(issuer).subject.rfc4514_string() == "CN=Kunren local CA M01,O=Kunren"
    assert bench.ask("GET", "crt.m01.amazontrust.com", "/other.cer").status == 404


def test_all_that_was_signed_under_the_arn_is_taken_back(bench: Bench) -> None:
    arn = bench.issued("one.test")
    other = bench.issued("two.test")
    serial = bench.sign(arn)
    bench.revoke(arn, "UNSPECIFIED")
    taken = {each.id: each.reason for each in bench.store.snapshot().every(Issuance) if each.revoked_at is not None}
    assert len(taken) == 2
    assert taken[f"{serial:x}"] is None
    assert bench.row(other).status == "ISSUED"


def test_the_ledger_outlives_the_certificate_and_ends_with_it(bench: Bench) -> None:
    arn = bench.issued("one.test")
    bench.revoke(arn)
    bench.api.delete_certificate(CTX, {"CertificateArn": arn})
    assert bench.ask("GET", "crl.m01.amazontrust.com", "/m01.crl").body.count(b"\x30") > 0
    forget_ended(bench.store, WALL + 190 * 86400)
    assert len(list(bench.store.snapshot().every(Issuance))) == 1
    forget_ended(bench.store, WALL + 200 * 86400)
    assert list(bench.store.snapshot().every(Issuance)) == []


def test_what_cannot_be_revoked_is_refused_and_stays(bench: Bench) -> None:
    arn = bench.issued("one.test")
    refused("ValidationException", lambda: bench.revoke(arn, "KEY_COMPROMISE"))
    bench.users = ["arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/app/a/1"]
    refused("ResourceInUseException", lambda: bench.revoke(arn))
    bench.users = []
    refused("ValidationException", lambda: bench.revoke(bench.issued("two.test", exported=False)))
    pending = bench.api.request_certificate(CTX, {"DomainName": "three.test", "ValidationMethod": "DNS"})
    refused("ValidationException", lambda: bench.revoke(pending["CertificateArn"]))
    assert bench.row(arn).status == "ISSUED"
    bench.revoke(arn)
    refused("ConflictException", lambda: bench.revoke(arn))
    refused(
        "ValidationException",
        lambda: bench.api.export_certificate(CTX, {"CertificateArn": arn, "Passphrase": b"secret"}),
    )
