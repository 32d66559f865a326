"""The AWS services that VPC endpoints lead to: those that answer in this world. Pure.

"AWS services that integrate with AWS PrivateLink" and "Gateway endpoints": a gateway endpoint leads to S3 or DynamoDB
by a route, an interface endpoint to a service by addresses on subnets.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

GATEWAY, INTERFACE = "Gateway", "Interface"
OWN = "vpce-svc-"
_BY_ROUTE = ("dynamodb", "s3")
# the last part of the service's name, which is the first of its endpoint's host name too but for those of `_HOSTS`
_BY_ADDRESS = (
    "cloudtrail", "config", "data-servicediscovery", "dynamodb", "ec2", "ecr.api", "ecr.dkr",
    "elasticloadbalancing", "events", "kms", "lambda", "logs", "monitoring", "ram", "secretsmanager",
    "servicediscovery", "sns", "sqs", "ssm", "sts", "xray",
)  # fmt: skip
_HOSTS = {"ecr.api": "api.ecr", "ecr.dkr": "dkr.ecr"}
_OF_EACH_ACCOUNT = frozenset({"ecr.dkr"})
_WITHOUT_PRIVATE_NAME = frozenset({"dynamodb"})


@dataclass(frozen=True, slots=True)
class EndpointService:
    """`short` is the last part of the name, as in com.amazonaws.us-east-1.sqs; `type` is Gateway or Interface. A
    customer's own service has its id there, and the private name `own_name` once that is verified."""

    short: str
    region: str
    type: str
    own_name: str | None = None

    @property
    def is_own(self) -> bool:
        return self.short.startswith(OWN)

    @property
    def name(self) -> str:
        if self.is_own:
            return f"com.amazonaws.vpce.{self.region}.{self.short}"
        return f"com.amazonaws.{self.region}.{self.short}"

    @property
    def id(self) -> str:
        if self.is_own:
            return self.short
        return OWN + blake2b(f"{self.name}/{self.type}".encode(), digest_size=9).hexdigest()[:17]

    @property
    def host(self) -> str:
        """What the service's host names begin with, before the region."""
        return _HOSTS.get(self.short, self.short)

    @property
    def base_name(self) -> str:
        """What the endpoints' own names end with."""
        kind = "" if self.type == GATEWAY else "vpce."
        return f"{self.host}.{self.region}.{kind}amazonaws.com"

    @property
    def private_name(self) -> str | None:
        """The name that programs ask for without knowing of endpoints; with "*." where each account has its own."""
        if self.is_own:
            return self.own_name
        if self.type == GATEWAY or self.short in _WITHOUT_PRIVATE_NAME:
            return None
        each = "*." if self.short in _OF_EACH_ACCOUNT else ""
        return f"{each}{self.host}.{self.region}.amazonaws.com"


def services_of(region: str) -> list[EndpointService]:
    """All of a region, by name."""
    found = [EndpointService(each, region, GATEWAY) for each in _BY_ROUTE]
    found += [EndpointService(each, region, INTERFACE) for each in _BY_ADDRESS]
    return sorted(found, key=lambda each: (each.name, each.type))


def named(name: str, region: str) -> list[EndpointService]:
    """The services of that name: one for each type of endpoint."""
    return [each for each in services_of(region) if each.name == name]
