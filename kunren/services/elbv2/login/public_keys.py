"""`public-keys.auth.elb.REGION.amazonaws.com/KEY-ID`: the keys that users' identities are signed with."""

from __future__ import annotations

import re

from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.services.elbv2.login.login import Login

_HOST = re.compile(r"public-keys\.auth\.elb\.([a-z0-9-]+)\.amazonaws\.com(?::\d+)?")


class PublicKeys:
    """A front of the gateway (`kunren.core.fronts`)."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def claims(self, host: str, path: str) -> bool:
        del path
        return host.startswith("public-keys.") and _HOST.fullmatch(host) is not None

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        found = _HOST.fullmatch(request.host)
        pem = self._login.public_key(found[1], request.path[1:]) if found is not None else None
        if pem is None:
            return FrontAnswer(404, [("Content-Type", "text/plain")], b"")
        return FrontAnswer(200, [("Content-Type", "text/plain")], pem.encode())
