"""Who CloudFront says that it asks for, in requests that it signed. Pure."""

from __future__ import annotations

from typing import NamedTuple

from kunren.core.fronts import FrontRequest
from kunren.core.policies import Asker
from kunren.core.sigv4 import BadSignature, Credential
from kunren.services.cloudfront.origin_access.rules import identity_of

SERVICE = "cloudfront.amazonaws.com"


class Principal(NamedTuple):
    """A distribution, or an origin access identity, by its ARN and the account that it is in."""

    arn: str
    account: str
    identity: str | None

    @property
    def known(self) -> dict[str, str]:
        """Condition keys that have a value."""
        if self.identity is not None:
            return {}
        return {"aws:sourcearn": self.arn, "aws:sourceaccount": self.account, "aws:principalservicename": SERVICE}

    def asker(self, canonical: str = "") -> Asker:
        """`canonical` is S3's name for the identity."""
        return Asker(service=SERVICE) if self.identity is None else Asker(arn=self.arn, canonical=canonical)


def principal(credential: Credential, request: FrontRequest) -> Principal | None:
    """Whom the edge asks for; None where the request is not the edge's. Raises BadSignature."""
    if not credential.signed(request.headers):
        return None
    if not credential.verifies(request.method, request.path, request.query, request.headers):
        raise BadSignature
    arn = request.headers.get("x-amz-source-arn", "")
    return Principal(arn, request.headers.get("x-amz-source-account", ""), identity_of(arn))
