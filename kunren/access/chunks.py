"""Signatures of a body's pieces: each signs the one before it, the first the request's own. Pure.

S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" and
"... Including Trailing Headers".
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from kunren.access.presented import MISMATCH, Presented, Refused, is_same
from kunren.core.aws_chunked import Piece
from kunren.core.sigv4 import EMPTY_SHA256, signature

_PIECE, _TRAILER = "AWS4-HMAC-SHA256-PAYLOAD", "AWS4-HMAC-SHA256-TRAILER"


def check_pieces(told: Presented, secret: str, pieces: list[Piece], trailers: Mapping[str, str], payload: str) -> None:
    """Raises Refused where a piece, the last (empty) one or the trailers were changed, left out or put in."""
    before = told.signature
    for piece in pieces:
        text = f"{_PIECE}\n{told.date}\n{told.scope}\n{before}\n{EMPTY_SHA256}\n{piece.sha256}"
        before = signature(secret, text, told.scope)
        if not is_same(before, piece.signature):
            raise Refused(MISMATCH, AWSAccessKeyId=told.access_key, StringToSign=text,
                          SignatureProvided=piece.signature)  # fmt: skip
    if payload.endswith("-TRAILER"):
        signed = {name: value for name, value in trailers.items() if name != "x-amz-trailer-signature"}
        listed = "".join(f"{name}:{value}\n" for name, value in sorted(signed.items()))
        text = f"{_TRAILER}\n{told.date}\n{told.scope}\n{before}\n{hashlib.sha256(listed.encode()).hexdigest()}"
        given = trailers.get("x-amz-trailer-signature", "")
        if not is_same(signature(secret, text, told.scope), given):
            raise Refused(MISMATCH, AWSAccessKeyId=told.access_key, StringToSign=text, SignatureProvided=given)
