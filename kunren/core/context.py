"""Who is asking: the account, region and operation of one API request."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Handed to every handler. `region` is the signing region, also for global services."""

    account: str
    region: str
    service: str
    operation: str
    request_id: str
    access_key: str = ""
    host: str = ""
    secure: bool = False
    source_ip: str = ""
