"""An Elbv2Api over a store in memory, with a default VPC of three zones and stand-ins for ACM and Lambda."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session
from botocore.validate import ParamValidator
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kunren.control.store import Snapshot, Store
from kunren.core.clock import SimClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError, WireError
from kunren.services.ec2 import store as ec2
from kunren.services.ec2.creation import new_subnet, new_vpc
from kunren.services.ec2.default_vpc import ensure_default_vpc
from kunren.services.ec2.model import InternetGateway, NetworkInterface, Subnet, Vpc
from kunren.services.ec2.zones import zones_of
from kunren.services.elbv2.api import Elbv2Api
from kunren.services.elbv2.limits import Limits
from kunren.world.spec import Region, WorldSpec

ACCOUNT, REGION = "123456789012", "us-east-1"
CTX = RequestContext(account=ACCOUNT, region=REGION, service="elbv2", operation="Test", request_id="r")
SPEC = WorldSpec(places=(), regions=(Region("us-east-1", "abc", 38.9, -77.4),))
MODEL = Session().get_service_model("elbv2")
FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}


@dataclass
class Elb:
    """`elb.call("CreateLoadBalancer", Name=…)` is the operation's result."""

    store: Store
    clock: SimClock
    entropy: Entropy
    api: Elbv2Api
    vpc: Vpc
    subnets: list[Subnet]
    certificates: dict[str, str] = field(default_factory=dict)
    functions: dict[str, bool] = field(default_factory=dict)
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """The result, which must be what the service model says it is."""
        result = getattr(self.api, xform_name(operation))(CTX, params) or {}
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
        shape = MODEL.operation_model(operation).output_shape
        present = {name: value for name, value in result.items() if value is not None}
        report = ParamValidator().validate(present, shape)
        assert not report.has_errors(), report.generate_report()
        return result

    def interfaces(self) -> list[NetworkInterface]:
        return self.store.snapshot().list(NetworkInterface, ACCOUNT, REGION)

    def balancer(self, name: str = "web", **more: Any) -> dict[str, Any]:
        more.setdefault("Subnets", [subnet.id for subnet in self.subnets[:2]])
        return self.call("CreateLoadBalancer", Name=name, **more)["LoadBalancers"][0]

    def listener(self, balancer: dict[str, Any], port: int = 80, **more: Any) -> dict[str, Any]:
        more.setdefault("Protocol", "HTTP")
        more.setdefault("DefaultActions", [FIXED])
        return self.call("CreateListener", LoadBalancerArn=balancer["LoadBalancerArn"], Port=port, **more)["Listeners"][
            0
        ]

    def group(self, name: str = "app", **more: Any) -> dict[str, Any]:
        settings = {"Protocol": "HTTP", "Port": 8080, "VpcId": self.vpc.id, "TargetType": "ip", **more}
        settings = {key: value for key, value in settings.items() if value is not None}
        return self.call("CreateTargetGroup", Name=name, **settings)["TargetGroups"][0]

    def certificate(self, number: int = 1, state: str = "ISSUED") -> str:
        arn = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/00000000-0000-4000-8000-{number:012d}"
        self.certificates[arn] = state
        return arn

    def other_vpc(self, gateway: bool) -> list[Subnet]:
        """Two subnets of another VPC, in two zones; both /24."""
        first, second = zones_of(SPEC.regions[0])[:2]
        with self.store.write() as tx:
            vpc = new_vpc(
                tx,
                self.entropy,
                account=ACCOUNT,
                region=REGION,
                cidr="10.9.0.0/16",
                dhcp_options_id=self.vpc.dhcp_options_id,
            )
            made = [
                new_subnet(tx, self.entropy, vpc, cidr="10.9.0.0/24", zone=first),
                new_subnet(tx, self.entropy, vpc, cidr="10.9.1.0/24", zone=second),
            ]
            if gateway:
                tx.put(InternetGateway(account=ACCOUNT, region=REGION, id="igw-1", vpc_id=vpc.id))
        return made

    def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        """Code and text of the error that the operation must end in; and nothing may have changed."""
        before = self.store.generation
        with pytest.raises(AwsError) as caught:
            self.call(operation, **params)
        assert self.store.generation == before
        return caught.value.code, caught.value.message


class Bucketful:
    """S3 with these objects, by (bucket, key); every bucket may be written to."""

    def __init__(self, objects: dict[tuple[str, str], bytes]) -> None:
        self.objects = objects

    async def call(
        self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        place = params["Bucket"], params.get("Key", "")
        match service, operation:
            case "s3", "PutObject":
                self.objects[place] = params["Body"]
            case "s3", "GetObject":
                if place not in self.objects:
                    raise WireError("NoSuchKey", "The specified key does not exist.", 404)
                return {"Body": self.objects[place]}
        return {}


async def _awaited(result: Any) -> Any:
    return await result


def build(limits: Limits | None = None) -> Elb:
    store, clock, entropy = Store(None), SimClock(), Entropy(seed=7)
    ec2.register(store)
    certificates: dict[str, str] = {}
    functions: dict[str, bool] = {}

    def certificate_state(snapshot: Snapshot, account: str, arn: str) -> str | None:
        return certificates.get(arn)

    def may_invoke(snapshot: Snapshot, function_arn: str, group_arn: str) -> bool | None:
        return functions.get(function_arn)

    objects: dict[tuple[str, str], bytes] = {}
    api = Elbv2Api(store, clock, entropy, SPEC, may_invoke, certificate_state, limits, Bucketful(objects).call)
    with store.write() as tx:
        vpc = ensure_default_vpc(tx, entropy, SPEC, ACCOUNT, REGION)
    assert vpc is not None
    subnets = sorted(ec2.subnets_of(store.snapshot(), vpc), key=lambda subnet: subnet.availability_zone)
    return Elb(store, clock, entropy, api, vpc, subnets, certificates, functions, objects)


@pytest.fixture
def elb() -> Elb:
    return build()


@pytest.fixture
def elb_with() -> Callable[[Limits], Elb]:
    """`elb_with(limits)`: an Elb with these quotas."""
    return build


@pytest.fixture
def small_elb() -> Elb:
    """With quotas of two."""
    return build(
        Limits(
            application_load_balancers=2,
            target_groups=2,
            listeners_per_load_balancer=2,
            rules_per_load_balancer=2,
            certificates_per_load_balancer=2,
            target_groups_per_load_balancer=1,
            targets_per_target_group=2,
            trust_stores=1,
            certificates_per_trust_store=1,
            revoked_entries_per_trust_store=2,
            mutual_tls_listeners_per_load_balancer=1,
        )
    )


DAY = timedelta(days=1)


class ClientAuthority:
    """A certificate authority for clients, as `openssl ca` would be: certificates, expired ones too, and lists."""

    def __init__(
        self,
        name: str = "Clients CA",
        *,
        ca: bool = True,
        signer: ClientAuthority | None = None,
        units: int = 0,
        extra: bytes = b"",
    ) -> None:
        """`signer` is another authority that this one is under; `units` lengthen its name, `extra` bytes itself."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        attributes = [(NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, "mTLS")]
        attributes += [(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{unit:064}") for unit in range(units)]
        self.name = x509.Name([x509.NameAttribute(kind, text) for kind, text in attributes])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name if signer is not None else self.name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - 400 * DAY)
            .not_valid_after(now + 400 * DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if extra:
            unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), extra)
            builder = builder.add_extension(unknown, critical=False)
        self.certificate = builder.sign(signer.key if signer is not None else self.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def client(self, name: str, serial: int, *, first: int = -1, last: int = 30) -> tuple[str, str]:
        """Certificate and key (PEM), valid from day `first` to day `last` from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC).replace(microsecond=0)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(now + first * DAY)
            .not_valid_after(now + last * DAY)
            .sign(self.key, hashes.SHA256())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return made.public_bytes(Encoding.PEM).decode(), private

    def revoked(self, *serials: int, days: int = 30) -> bytes:
        """A revocation list (PEM) that is current for so many days."""
        now = datetime.now(UTC)
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        made = made.last_update(now - 20 * DAY).next_update(now + days * DAY)
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - DAY).build()
            made = made.add_revoked_certificate(entry)
        return made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture
def client_authority() -> type[ClientAuthority]:
    """The class, for test modules (which cannot import this file)."""
    return ClientAuthority
