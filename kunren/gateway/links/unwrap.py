"""Bodies as the services behind read them: framing and compression that the way here needed are taken off."""

from __future__ import annotations

from kunren.core import aws_chunked
from kunren.gateway.http import HttpRequest

INFLATED_MAX = 64 * 1024 * 1024


def unwrapped(request: HttpRequest, keep_gzip: bool) -> HttpRequest:
    """The request with its body in plain form: aws-chunked framing undone, trailers among the headers, gzip inflated
    (unless `keep_gzip`: in S3 it belongs to the object)."""
    headers = dict(request.headers)
    body = request.body
    encodings = [each.strip() for each in headers.get("content-encoding", "").split(",") if each.strip()]
    if aws_chunked.is_chunked(headers):
        expected = headers.get("x-amz-decoded-content-length", "")
        body, trailers = aws_chunked.decode_chunked(body, int(expected) if expected.isdigit() else None)
        headers.update(trailers)
        encodings = [each for each in encodings if each != "aws-chunked"]
        headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
        for name in ("x-amz-trailer", "x-amz-decoded-content-length", "transfer-encoding"):
            headers.pop(name, None)
    elif encodings == ["gzip"] and not keep_gzip:
        body = aws_chunked.decode_gzip(body, INFLATED_MAX)
        encodings = []
    else:
        return request
    headers["content-length"] = str(len(body))
    if encodings:
        headers["content-encoding"] = ", ".join(encodings)
    else:
        headers.pop("content-encoding", None)
    return HttpRequest(
        request.method,
        request.path,
        request.query,
        headers,
        body,
        request.secure,
        request.source_ip,
        request.source_port,
    )
