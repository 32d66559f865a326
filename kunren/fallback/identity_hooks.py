"""What the child changes in moto's IAM and STS for strict mode: whose call it is, boundaries of users, kept sessions.

Without a `caller` (outside strict mode nobody knows one) STS answers as moto alone does.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from kunren.core.identities import TemporaryKey
from kunren.fallback.identities import SESSIONS

CALLER = "HTTP_X_KUNREN_CALLER"
"""Where a request's WSGI environment has the verified caller; never from the client."""


def users_have_boundaries() -> None:
    """moto knows permissions boundaries of roles alone."""
    from moto.core.responses import EmptyResult
    from moto.iam.models import User
    from moto.iam.responses import IamResponse

    user: Any = User
    responses: Any = IamResponse
    real = responses.create_user

    def create_user(self: Any) -> Any:
        answer = real(self)
        if boundary := self._get_param("PermissionsBoundary"):
            self.backend.get_user(self._get_param("UserName")).permissions_boundary_arn = boundary
        return answer

    def put_user_permissions_boundary(self: Any) -> Any:
        boundary = self._get_param("PermissionsBoundary")
        found = self.backend.get_user(self._get_param("UserName"))
        self.backend.get_policy(boundary)
        found.permissions_boundary_arn = boundary
        return EmptyResult()

    def delete_user_permissions_boundary(self: Any) -> Any:
        self.backend.get_user(self._get_param("UserName")).permissions_boundary_arn = None
        return EmptyResult()

    def permissions_boundary(self: Any) -> dict[str, str] | None:
        arn = getattr(self, "permissions_boundary_arn", None)
        return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn} if arn else None

    user.permissions_boundary = property(permissions_boundary)
    responses.create_user = create_user
    responses.put_user_permissions_boundary = put_user_permissions_boundary
    responses.delete_user_permissions_boundary = delete_user_permissions_boundary


def sessions_are_kept() -> None:
    """moto gives everybody the same example for GetSessionToken and GetFederationToken, does not look at the managed
    policies of a session, and takes whoever it does not know for a user of its own."""
    from moto.core.responses import ActionResult
    from moto.sts.responses import TokenResponse

    responses: Any = TokenResponse
    assume, session, federated = responses.assume_role, responses.get_session_token, responses.get_federation_token
    identity = responses.get_caller_identity

    def assume_role(self: Any) -> Any:
        answer = assume(self)
        arns = [each["arn"] for each in self.params.get("PolicyArns") or () if each.get("arn")]
        answer.result["Credentials"].kunren_policies = arns
        return answer

    def get_session_token(self: Any) -> Any:
        answer, caller = session(self), _caller(self)
        if caller is not None:
            seconds = self._get_int_param("DurationSeconds", 3600 if caller["arn"].endswith(":root") else 43200)
            answer.result["Credentials"] = _kept(self, seconds, of=caller["arn"])
        return answer

    def get_federation_token(self: Any) -> Any:
        answer, caller = federated(self), _caller(self)
        if caller is not None:
            policy = self._get_param("Policy")
            answer.result["Credentials"] = _kept(
                self, self._get_int_param("DurationSeconds", 43200), of=caller["arn"], federated=True,
                name=self._get_param("Name"), policies=[policy] if policy else [],
                managed=[each["arn"] for each in self.params.get("PolicyArns") or () if each.get("arn")],
            )  # fmt: skip
        return answer

    def get_caller_identity(self: Any) -> Any:
        caller = _caller(self)
        if caller is None:
            return identity(self)
        return ActionResult({"UserId": caller["id"], "Account": caller["account"], "Arn": caller["arn"]})

    responses.assume_role, responses.get_session_token = assume_role, get_session_token
    responses.get_federation_token, responses.get_caller_identity = get_federation_token, get_caller_identity


def _caller(response: Any) -> dict[str, str] | None:
    text = response.headers.get("X-Kunren-Caller")
    found: dict[str, str] | None = json.loads(text) if text else None
    return found


def _kept(response: Any, seconds: int, **about: Any) -> dict[str, Any]:
    """New credentials for that long, noted for `identities.told`; as the answer has them."""
    from moto.core.utils import utcnow
    from moto.iam.models import iam_backends
    from moto.sts.utils import random_session_token

    key = iam_backends[response.current_account][response.partition].create_temp_access_key()
    expires = utcnow() + datetime.timedelta(seconds=seconds)
    made = TemporaryKey(key.access_key_id, key.secret_access_key, random_session_token(), expires.timestamp(), **about)
    sessions = response.backend.__dict__.setdefault(SESSIONS, [])
    sessions.append(made)
    return {
        "AccessKeyId": made.id, "SecretAccessKey": made.secret, "SessionToken": made.token, "Expiration": expires,
    }  # fmt: skip
