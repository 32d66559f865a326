"""What a caller hears whose request is not accepted: code, status and text, as each kind of service has them. Pure.

S3 API reference, "Error responses"; EC2 API reference, "Error codes"; "Common Errors" of the query and JSON services.
"""

from __future__ import annotations

from kunren.access import presented as p
from kunren.access.presented import Refused
from kunren.core.errors import WireError

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key"
    " and signing method. Consult the service documentation for details."
)
_S3_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)
_INVALID = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"
_S3: dict[str, tuple[str, int, str]] = {
    p.MISSING: ("AccessDenied", 403, "Access Denied"),
    p.INCOMPLETE: ("AuthorizationHeaderMalformed", 400, "The authorization header is malformed; "),
    p.QUERY: ("AuthorizationQueryParametersError", 400, ""),
    p.UNSUPPORTED: (
        "InvalidRequest", 400,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    ),
    p.UNKNOWN_KEY: ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."),
    p.BAD_TOKEN: ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
    p.EXPIRED_TOKEN: ("ExpiredToken", 400, "The provided token has expired."),
    p.MISMATCH: ("SignatureDoesNotMatch", 403, _S3_MISMATCH),
    p.WRONG_SCOPE: ("SignatureDoesNotMatch", 403, ""),
    p.SKEWED: (
        "RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large.",
    ),
    p.EXPIRED: ("AccessDenied", 403, "Request has expired"),
    p.UNSIGNED_HEADERS: (
        "AccessDenied", 403, "There were headers present in the request which were not signed",
    ),
    p.NO_DATE: ("AccessDenied", 403, "AWS authentication requires a valid Date or x-amz-date header"),
    p.PAYLOAD: ("InvalidRequest", 400, ""),
    p.BODY: (
        "XAmzContentSHA256Mismatch", 400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
}  # fmt: skip
_EC2: dict[str, tuple[str, int, str]] = {
    p.MISSING: (
        "MissingAuthenticationToken", 403,
        "The request must contain either a valid (registered) AWS access key ID or X.509 certificate.",
    ),
    p.UNKNOWN_KEY: ("AuthFailure", 401, "AWS was not able to validate the provided access credentials"),
    p.BAD_TOKEN: ("AuthFailure", 401, "AWS was not able to validate the provided access credentials"),
    p.MISMATCH: ("AuthFailure", 401, "AWS was not able to validate the provided access credentials"),
    p.EXPIRED_TOKEN: ("RequestExpired", 400, "Request has expired."),
    p.SKEWED: ("RequestExpired", 400, "Request has expired."),
    p.EXPIRED: ("RequestExpired", 400, "Request has expired."),
}  # fmt: skip
_QUERY: dict[str, tuple[str, int, str]] = {
    p.MISSING: ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
    p.UNKNOWN_KEY: ("InvalidClientTokenId", 403, _INVALID),
    p.BAD_TOKEN: ("InvalidClientTokenId", 403, _INVALID),
    p.EXPIRED_TOKEN: ("ExpiredToken", 403, _EXPIRED),
    p.MISMATCH: ("SignatureDoesNotMatch", 403, MISMATCH),
    p.WRONG_SCOPE: ("SignatureDoesNotMatch", 403, ""),
    p.SKEWED: ("SignatureDoesNotMatch", 403, ""),
    p.EXPIRED: ("SignatureDoesNotMatch", 403, ""),
}
_JSON: dict[str, tuple[str, int, str]] = {
    p.MISSING: ("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
    p.UNKNOWN_KEY: ("UnrecognizedClientException", 403, _INVALID),
    p.BAD_TOKEN: ("UnrecognizedClientException", 403, _INVALID),
    p.EXPIRED_TOKEN: ("ExpiredTokenException", 403, _EXPIRED),
    p.MISMATCH: ("InvalidSignatureException", 403, MISMATCH),
    p.WRONG_SCOPE: ("InvalidSignatureException", 403, ""),
    p.SKEWED: ("InvalidSignatureException", 403, ""),
    p.EXPIRED: ("InvalidSignatureException", 403, ""),
}
_OTHERS: dict[str, tuple[str, int, str]] = {
    p.INCOMPLETE: ("IncompleteSignature", 400, ""),
    p.QUERY: ("IncompleteSignature", 400, ""),
    p.UNSUPPORTED: ("IncompleteSignature", 400, "Authorization header requires 'AWS4-HMAC-SHA256' as its algorithm."),
    p.NO_DATE: ("IncompleteSignature", 400, ""),
}
_RPC_JSON = ("json", "smithy-rpc-v2-cbor")


def refusal(refused: Refused, service: str, protocol: str) -> WireError:
    """The error by which that service refuses, in that protocol."""
    kind = refused.kind
    table = _S3 if service == "s3" else _EC2 if protocol == "ec2" else _JSON if _speaks_json(protocol) else _QUERY
    found = table.get(kind) or _QUERY.get(kind) or _OTHERS[kind]
    code, status, text = found
    if protocol in _RPC_JSON and status == 403:
        status = 400
    if kind in (p.INCOMPLETE, p.QUERY, p.NO_DATE, p.UNSUPPORTED) and service != "s3" and _speaks_json(protocol):
        code += "Exception"
    if service != "s3":
        return WireError(code, text or refused.text, status)
    if kind == p.PAYLOAD and "ArgumentName" in refused.members:
        code = "InvalidArgument"
    if kind == p.PAYLOAD and "4a" in refused.text:
        code, status = "NotImplemented", 501
    message = f"{text}{refused.text}" if kind == p.INCOMPLETE else text or refused.text
    return WireError(code, message, status, **refused.members)


def _speaks_json(protocol: str) -> bool:
    return protocol in ("rest-json", *_RPC_JSON)


def denied(text: str, service: str, protocol: str) -> WireError:
    """The error for a caller whom policies do not let do something."""
    if service == "ec2":
        return WireError("UnauthorizedOperation", f"You are not authorized to perform this operation. {text}", 403)
    if service == "sns":
        return WireError("AuthorizationError", text, 403)
    if _speaks_json(protocol):
        return WireError("AccessDeniedException", text, 400 if protocol in _RPC_JSON else 403)
    return WireError("AccessDenied", text, 403)
