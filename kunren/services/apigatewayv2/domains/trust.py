"""Trust stores of domain names with mutual TLS, read from S3."""

from __future__ import annotations

import inspect
import ssl
from typing import Any

from kunren.core.calling import CallService
from kunren.core.errors import AwsError
from kunren.services.apigatewayv2.domains.model import TrustStore
from kunren.services.apigatewayv2.errors import BadRequestException

TRUST_BYTES_MAX, TRUST_CERTIFICATES_MAX = 1_048_576, 1_000
"""Quotas: a trust store's size, and the certificates in it."""


async def read_trust(call: CallService, account: str, region: str, uri: str, version: str) -> TrustStore | None:
    """The trust store as it is now; None where the URI is empty. Raises BadRequestException."""
    if not uri:
        return None
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key:
        raise BadRequestException("Truststore URI must be of the form s3://bucket-name/key")
    asked = {"Bucket": bucket, "Key": key}
    if version:
        asked["VersionId"] = version
    try:
        body = (await call(account, region, "s3", "GetObject", asked))["Body"]
        content = body if isinstance(body, bytes) else await _read(body)
    except AwsError as error:
        raise BadRequestException(f"Could not read the truststore {uri}: {error.message}") from None
    pem = content.decode("utf-8", "replace")
    if len(content) > TRUST_BYTES_MAX or pem.count("BEGIN CERTIFICATE") > TRUST_CERTIFICATES_MAX:
        raise BadRequestException("The truststore is too large.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise BadRequestException(f"The truststore {uri} contains no valid certificates.") from None
    return TrustStore(uri=uri, version=version, pem=pem)


async def _read(body: Any) -> bytes:
    """An object's content, however S3 gives it."""
    if hasattr(body, "__aiter__"):
        return b"".join([piece async for piece in body])
    read = body.read()
    return bytes(await read if inspect.isawaitable(read) else read)
