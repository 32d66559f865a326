"""A verified request to an ACME server, and the shape of answers. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from kunren.core.clock import iso_utc
from kunren.core.fronts import FrontAnswer
from kunren.services.acm.acme.jws import Signed
from kunren.services.acm.acme.model import AcmeAccount, AcmeEndpoint
from kunren.services.acm.acme.problems import unauthorized


class Asking(NamedTuple):
    """Who asks which endpoint. Signed by an account's key, or (`account` None) by the key that the request brings."""

    endpoint: AcmeEndpoint
    url: str
    signed: Signed
    jwk: dict[str, Any]
    account: AcmeAccount | None

    @property
    def only_reads(self) -> bool:
        """POST-as-GET (RFC 8555 6.3)."""
        return self.signed.payload == b""

    def by_account(self) -> AcmeAccount:
        """The account that asks. Raises Problem where a key asks."""
        if self.account is None:
            raise unauthorized("The request must be signed by an account.")
        return self.account


def answered(status: int, document: dict[str, Any], headers: Sequence[tuple[str, str]] = ()) -> FrontAnswer:
    return FrontAnswer(status, [("Content-Type", "application/json"), *headers], json.dumps(document).encode())


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as 2026-06-17T20:29:27Z."""
    return iso_utc(int(seconds)).removesuffix(".000Z") + "Z"
