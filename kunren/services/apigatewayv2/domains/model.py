"""Custom domain names and their mappings, as both API Gateway APIs have them. Times are AWS seconds."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from kunren.control.store import Resource
from kunren.core.hosted_zone_ids import CLOUDFRONT, EXECUTE_API


class TrustStore(msgspec.Struct, frozen=True, kw_only=True):
    """The authorities whose clients are let in, as they were read from `uri` (S3): PEM."""

    uri: str
    version: str = ""
    pem: str


class DomainName(Resource, frozen=True, kw_only=True):
    """A custom domain; its id is the name. `label` is the first part of the name that AWS gives it. An edge-optimized
    one (`edge`, of REST APIs alone) has a name like a distribution's and is answered in its region.

    `trust` is set where clients must show a certificate, `ownership_certificate` where another certificate proves who
    owns the name."""

    kind: ClassVar[str] = "apigatewayv2.domain-name"

    label: str
    edge: bool = False
    certificate_arn: str
    certificate_name: str = ""
    uploaded: float
    security_policy: str = "TLS_1_2"
    ip_address_type: str = "ipv4"
    ownership_certificate: str = ""
    trust: TrustStore | None = None
    tags: dict[str, str] = {}

    @property
    def target(self) -> str:
        """Where DNS is to point: `d-abcdefghij.execute-api.us-east-1.amazonaws.com`, or `d….cloudfront.net`."""
        if self.edge:
            return f"{self.label}.cloudfront.net"
        return f"{self.label}.execute-api.{self.region}.amazonaws.com"

    @property
    def hosted_zone_id(self) -> str:
        return CLOUDFRONT if self.edge else EXECUTE_API.get(self.region, "")

    @property
    def arn(self) -> str:
        return f"arn:aws:apigateway:{self.region}::/domainnames/{self.id}"


class ApiMapping(Resource, frozen=True, kw_only=True):
    """`key_path` is "" or a path like "orders/v1". Its id is `domain/own`; so is a base path mapping of v1."""

    kind: ClassVar[str] = "apigatewayv2.api-mapping"

    key_path: str
    api_id: str
    stage: str

    @property
    def domain(self) -> str:
        return self.id.partition("/")[0]

    @property
    def own_id(self) -> str:
        return self.id.partition("/")[2]


RESOURCES = (DomainName, ApiMapping)
