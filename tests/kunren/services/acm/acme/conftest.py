"""An ACME server with its operations and controllers, in simulated time, and a client that signs by `josepy`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import josepy
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from josepy import b64

from kunren.control.store import Resource, Store
from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SimClock, SystemClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import WireError
from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.services.acm.acme.controllers import AcmeController
from kunren.services.acm.acme.server import AcmeServer
from kunren.services.acm.api import AcmApi

CTX = RequestContext(account="111122223333", region="us-east-1", service="acm", operation="", request_id="r")
WALL = SystemClock().wall()
HOST = "acm-acme-enroll.us-east-1.api.aws"
ALL = {"ExactDomain": "ENABLED", "Subdomains": "ENABLED", "Wildcards": "ENABLED"}


class Zone(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "route53.zone-for-test"


class Bench:
    def __init__(self, path: Path) -> None:
        self.clock, self.store = SimClock(WALL), Store(None)
        self.ca = CertificateAuthority.open(path, self.clock)
        self.api = AcmApi(self.store, self.clock, Entropy(7))
        self.store.register(Zone)
        self.server = AcmeServer(self.store, self.clock, Entropy(8))
        self.dns: dict[str, list[str]] = {}
        self.caa_records: list[str] = []
        self.called: list[Any] = []
        self.route53_refuses: tuple[str, str] | None = None
        self.restart()

    def restart(self) -> None:
        """A new controller over the same store, as after a restart."""
        self.controller = AcmeController(
            self.store, self.clock, Entropy(), self.ca, self.lookup, call=self.route53, caa=self.caa
        )

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        return getattr(self.api, operation)(CTX, params) or {}

    async def lookup(self, name: str) -> list[str]:
        return self.dns.get(name.rstrip("."), [])

    async def caa(self, name: str) -> list[str]:
        return self.caa_records

    async def route53(self, account: str, region: str, service: str, operation: str, params: Any) -> Any:
        self.called.append((account, service, operation, params))
        if self.route53_refuses is not None:
            raise WireError(*self.route53_refuses)
        made = params["ChangeBatch"]["Changes"][0]["ResourceRecordSet"]
        self.dns[made["Name"].rstrip(".")] = [each["Value"] for each in made["ResourceRecords"]]
        return {}

    def endpoint(self, **params: Any) -> str:
        given = {"AuthorizationBehavior": "PRE_APPROVED", "CertificateAuthority": {"PublicCertificateAuthority": {}}}
        return str(self("create_acme_endpoint", **{**given, **params})["AcmeEndpointArn"])

    def binding(self, endpoint: str, **params: Any) -> str:
        given = {"AcmeEndpointArn": endpoint, "RoleArn": "arn:aws:iam::111122223333:role/issuance", **params}
        made = self("create_acme_external_account_binding", **given)["ExternalAccountBinding"]
        return str(made["AcmeExternalAccountBindingArn"])

    def allow(
        self, endpoint: str, domain: str, scope: dict[str, str] = ALL, zone: str | None = None, **more: Any
    ) -> str:
        dns = {"DomainScope": scope, "HostedZoneId": zone}
        made = self(
            "create_acme_domain_validation", AcmeEndpointArn=endpoint, DomainName=domain,
            PrevalidationOptions={"DnsPrevalidation": dns}, **more,
        )  # fmt: skip
        return str(made["AcmeDomainValidationArn"])

    def validation(self, arn: str) -> dict[str, Any]:
        found = self("describe_acme_domain_validation", AcmeDomainValidationArn=arn)["AcmeDomainValidation"]
        return {name: value for name, value in found.items() if value is not None}

    def prove(self, arn: str, value: str | None = None) -> None:
        record = self.validation(arn)["PrevalidationDetails"]["DnsPrevalidation"]["ResourceRecord"]
        self.dns[record["Name"].rstrip(".")] = [value or record["Value"]]

    def touch_route53(self) -> None:
        with self.store.write() as tx:
            tx.put(Zone(account=CTX.account, region="", id=str(self.store.generation)))

    async def until(self, condition: Callable[[], bool], advance: float = 0.0) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.clock.advance(advance)
                await asyncio.sleep(0.002)

    def run(self, story: Callable[[], Any]) -> None:
        async def main() -> None:
            running = asyncio.ensure_future(self.controller.run())
            try:
                await story()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        asyncio.run(main())


class Client:
    """One account key at one endpoint. `post` signs and sends; the answer's document is in `.json`."""

    def __init__(self, bench: Bench, endpoint: str, key: Any = None) -> None:
        self.bench, self.endpoint = bench, endpoint
        self.base = f"https://{HOST}/{endpoint.rpartition('/')[2]}"
        self.key = self.jwk(key or ec.generate_private_key(ec.SECP256R1()))
        self.kid: str | None = None

    @staticmethod
    def jwk(key: Any) -> Any:
        return josepy.JWKRSA(key=key) if isinstance(key, rsa.RSAPrivateKey) else josepy.JWKEC(key=key)

    async def send(self, method: str, url: str, body: bytes = b"", kind: str = "application/jose+json") -> Answer:
        path = url.removeprefix(f"https://{HOST}")
        assert self.bench.server.claims(HOST, path)
        headers = {"content-type": kind}
        return Answer(await self.bench.server.answer(FrontRequest(method, HOST, path, "", headers, body, "::1", None)))

    async def nonce(self) -> str:
        return (await self.send("HEAD", f"{self.base}/new-nonce")).headers["Replay-Nonce"]

    async def post(self, path: str, payload: Any = b"", **changes: Any) -> Answer:
        """`payload` b"" reads. `changes` replace what is signed: nonce, url, key, alg, kid (None: the key itself)."""
        url = path if path.startswith("https:") else f"{self.base}/{path}"
        key, kid = changes.pop("key", self.key), changes.pop("kid", self.kid)
        header = {"alg": algorithm(key), "nonce": changes.pop("nonce", None) or await self.nonce(), "url": url}
        header |= {"kid": kid} if kid is not None else {"jwk": key.public_key().to_json()}
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return await self.send("POST", url, sign(key, {**header, **changes}, content))

    def bound(self, binding: str, key: Any = None, **changes: Any) -> dict[str, Any]:
        """The externalAccountBinding of a newAccount; `changes` as in `post`, and `secret`."""
        told = self.bench("get_acme_external_account_binding_credentials", AcmeExternalAccountBindingArn=binding)
        secret = changes.pop("secret", None) or b64.b64decode(told["MacKey"])
        header = {"alg": "HS256", "kid": told["KeyId"], "url": f"{self.base}/new-account", **changes}
        payload = json.dumps((key or self.key).public_key().to_json()).encode()
        return json.loads(sign(josepy.JWKOct(key=secret), header, payload))

    def by_new_key(self, url: str, key: Any, content: bytes, signed_by: Any) -> bytes:
        """The inner JWS of keyChange, with the new key in its header."""
        header = {"alg": algorithm(key), "jwk": key.public_key().to_json(), "url": url}
        return sign(signed_by or key, header, content)

    async def register(self, **fields: Any) -> Answer:
        fields.setdefault("externalAccountBinding", self.bound(self.bench.binding(self.endpoint)))
        answer = await self.post("new-account", fields, kid=None)
        self.kid = answer.headers.get("Location")
        return answer


class Answer:
    def __init__(self, answer: FrontAnswer) -> None:
        assert isinstance(answer.body, bytes)
        self.status, self.body, self.headers = answer.status, answer.body, dict(answer.headers)

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def problem(self) -> tuple[int, str]:
        """The status and the last part of the problem's type."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        assert self.json["status"] == self.status
        return self.status, self.json["type"].removeprefix("urn:ietf:params:acme:error:")


def algorithm(key: Any) -> str:
    if isinstance(key, josepy.JWKRSA):
        return "RS256"
    return {256: "ES256", 384: "ES384", 521: "ES512"}[key.key.key_size]


def sign(key: Any, header: dict[str, Any], payload: bytes) -> bytes:
    """A flattened JWS."""
    protected, content = b64.b64encode(json.dumps(header).encode()), b64.b64encode(payload)
    by = "HS256" if isinstance(key, josepy.JWKOct) else algorithm(key)  # the header may lie
    made = {"HS256": josepy.HS256, "RS256": josepy.RS256, "ES256": josepy.ES256, "ES384": josepy.ES384}
    signature = made[by].sign(key.key, protected + b"." + content)
    parts = {"protected": protected, "payload": content, "signature": b64.b64encode(signature)}
    return json.dumps({name: part.decode() for name, part in parts.items()}).encode()


def csr(*names: str, key: Any = None) -> str:
    """A signing request for these names, as finalize has it."""
    signing = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    made = builder.add_extension(alternatives, critical=False).sign(signing, SHA256())
    return b64.b64encode(made.public_bytes(Encoding.DER)).decode()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def client(bench: Bench) -> Callable[..., Client]:
    """`client(endpoint, key)`: a client of that endpoint, not yet registered."""
    return lambda endpoint, key=None: Client(bench, endpoint, key)


@pytest.fixture(name="csr")
def csr_fixture() -> Callable[..., str]:
    return csr
