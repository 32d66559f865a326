"""S3's answer to those who are no user of an account: CloudFront and anybody. The bucket's policy decides.

moto, which answers for S3, knows neither the principals nor the conditions of a policy. Requests that users sign are
its own to judge. (S3 User Guide, "How Amazon S3 authorizes a request".)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from kunren.control.store import Snapshot, Store
from kunren.core.calling import CallService
from kunren.core.context import DEFAULT_ACCOUNT
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.core.fronts import Forward, FrontAnswer, FrontRequest
from kunren.core.policies import ALLOW, Asker, decision, many
from kunren.core.sigv4 import BadSignature, Credential
from kunren.services.cloudfront.model import OriginAccessIdentity
from kunren.services.cloudfront.origin_access.principal import Principal, principal

LIST = "s3:ListBucket"
_ACTIONS = {
    "HeadObject": "s3:GetObject", "CreateMultipartUpload": "s3:PutObject", "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject", "CopyObject": "s3:PutObject", "ListObjects": LIST,
    "ListObjectsV2": LIST, "HeadBucket": LIST, "ListObjectVersions": "s3:ListBucketVersions",
    "GetBucketLocation": "s3:GetBucketLocation", "ListParts": "s3:ListMultipartUploadParts",
}  # fmt: skip
_ALWAYS = frozenset({"", "PostObject"})  # preflights; forms, which carry their own signature
_READS = frozenset({"GetObject", "HeadObject"})


class Buckets:
    """`guard` stands before S3 (`Gateway.guards`). `credential` is what the edge signs with."""

    def __init__(self, store: Store, entropy: Entropy, call: CallService, credential: Credential) -> None:
        self._store = store
        self._entropy = entropy
        self._call = call
        self._credential = credential

    async def guard(
        self, operation: str, labels: Mapping[str, str], request: FrontRequest, forward: Forward
    ) -> FrontAnswer:
        try:
            asking = principal(self._credential, request)
        except BadSignature:
            return self._refusal(request, "SignatureDoesNotMatch", _MISMATCH)
        if asking is None and (request.signed is not None or operation in _ALWAYS or request.method == "OPTIONS"):
            return await forward(None)
        bucket, key = labels.get("Bucket", ""), labels.get("Key")
        account = asking.account if asking is not None else DEFAULT_ACCOUNT
        statements = await self._statements(account, bucket)
        if statements is None:
            return await forward(None)  # there is no such bucket
        asker, known = self._asker(asking), _known(request, asking)
        about = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
        decided = decision(statements, asker, action_of(operation, request.query), about, known)
        by_acl = asking is None and decided is None and operation in _READS
        if decided != ALLOW and not by_acl:
            return self._refusal(request)
        answer = await forward(account if decided == ALLOW else None)
        lists = decision(statements, asker, LIST, f"arn:aws:s3:::{bucket}", known) == ALLOW
        if (answer.status == 403 and not answer.body) or (answer.status == 404 and key and not lists):
            return self._refusal(request)
        return answer

    def _asker(self, asking: Principal | None) -> Asker:
        if asking is None:
            return Asker()
        return asking.asker(_canonical(self._store.snapshot(), asking))

    async def _statements(self, account: str, bucket: str) -> list[dict[str, Any]] | None:
        """Those of the bucket's policy; None where there is no bucket."""
        try:
            found = await self._call(account, "us-east-1", "s3", "GetBucketPolicy", {"Bucket": bucket})
        except AwsError as error:
            return None if error.code == "NoSuchBucket" else []
        try:
            document = json.loads(found["Policy"])
        except ValueError:
            return []
        return [each for each in many(document.get("Statement")) if isinstance(each, dict)]

    def _refusal(self, request: FrontRequest, code: str = "AccessDenied", text: str = "Access Denied") -> FrontAnswer:
        request_id, host_id = self._entropy.upper(16), self._entropy.lower(56)
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{text}</Message>'
            f"<RequestId>{request_id}</RequestId><HostId>{host_id}</HostId></Error>"
        ).encode()
        headers = [("x-amz-request-id", request_id), ("x-amz-id-2", host_id), ("Content-Type", "application/xml")]
        return FrontAnswer(403, [*headers, ("Server", "AmazonS3")], b"" if request.method == "HEAD" else body)


_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)


def action_of(operation: str, query: str) -> str:
    """The action that a policy calls an operation."""
    if operation in ("GetObject", "HeadObject", "DeleteObject"):
        versions = any(each.startswith("versionId=") for each in query.split("&"))
        return ("s3:DeleteObject" if operation == "DeleteObject" else "s3:GetObject") + ("Version" if versions else "")
    return _ACTIONS.get(operation, f"s3:{operation}")


def _known(request: FrontRequest, asking: Principal | None) -> dict[str, str]:
    """Condition keys that have a value."""
    known = {"aws:sourceip": request.source_ip, "aws:securetransport": str(request.secure).lower()}
    for name, header in (("aws:referer", "referer"), ("aws:useragent", "user-agent")):
        if header in request.headers:
            known[name] = request.headers[header]
    for each in request.query.split("&"):
        name, _, value = each.partition("=")
        if name == "prefix":
            known["s3:prefix"] = unquote(value)
    return {**known, **(asking.known if asking is not None else {})}


def _canonical(snapshot: Snapshot, asking: Principal) -> str:
    found = (
        snapshot.get(OriginAccessIdentity, asking.account, "", asking.identity) if asking.identity is not None else None
    )
    return found.canonical_user if found is not None else ""
