"""Requests to HTTP APIs: a warm function behind an API, in the world over TLS, beside invoking it through Lambda's API.

wrk asks over connections that stay open: Invoke and the API at the gateway's port of the host, and the API at its own name
from a client place next to its region. What the API adds is the difference of the first two medians in rounds that
alternate, with one caller.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from benchmarks import wrk
from benchmarks.figures import median, table, verdict
from benchmarks.instance import Instance

TARGET_ADDED_MS = 2.0
CALLERS = (1, 16)
PLAIN = "HTTP API by the gateway's port"
_CODE = 'def handler(event, context):\n    return {"statusCode": 200, "body": "hello"}\n'
_HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
    "X-Amz-Date": "20260101T000000Z",
}


def run(quick: bool) -> Iterator[str]:
    rounds, seconds = (1, 1) if quick else (5, 3)
    with Instance() as kunren:
        host = _api(kunren)
        invoke = f"http://127.0.0.1:{kunren.port}/2015-03-31/functions/hello/invocations"
        asked: dict[str, tuple[wrk.Request, list[str]]] = {
            "Invoke": (wrk.Request(invoke, "POST", _HEADERS, "{}"), []),
            PLAIN: (wrk.Request(f"http://127.0.0.1:{kunren.port}/", "GET", {"Host": host}), []),
            "HTTP API over TLS, in the world": (wrk.Request(f"https://{host}/"), kunren.in_place()),
        }
        got: dict[tuple[str, int], list[Any]] = {(name, callers): [] for callers in CALLERS for name in asked}
        for request, before in asked.values():  # starts as many workers as will be needed
            wrk.run(request, connections=max(CALLERS), seconds=seconds, before=before)
        for _ in range(rounds):
            for callers in CALLERS:
                for name, (request, before) in asked.items():
                    load = wrk.run(request, connections=callers, seconds=seconds, before=before)
                    got[name, callers].append(load)
    rows = [
        [
            f"{name}, {callers} at once",
            f"{median([each.per_second for each in loads]):,.0f}",
            f"{median([each.p50_ms for each in loads]):,.2f}",
            f"{median([each.p99_ms for each in loads]):,.2f}",
        ]
        for (name, callers), loads in got.items()
    ]
    yield table(["warm function (python3.11)", "requests/s", "p50, ms", "p99, ms"], rows)
    pairs = zip(got[PLAIN, 1], got["Invoke", 1], strict=True)
    added = median([api.p50_ms - plain.p50_ms for api, plain in pairs])
    yield f"The API adds {added:.2f} ms. Target: under {TARGET_ADDED_MS:g} ms ({verdict(added < TARGET_ADDED_MS)})."


def _api(kunren: Instance) -> str:
    """The host name of an API before a function; both are there when this returns."""
    functions, apis = kunren.client("lambda"), kunren.client("apigatewayv2")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", _CODE)
    arn = functions.create_function(
        FunctionName="hello", Runtime="python3.11", Handler="app.handler", Role="arn:aws:iam::000000000000:role/any",
        Code={"ZipFile": out.getvalue()},
    )["FunctionArn"]  # fmt: skip
    functions.get_waiter("function_active_v2").wait(FunctionName="hello", WaiterConfig={"Delay": 1})
    api = apis.create_api(Name="hello", ProtocolType="HTTP", Target=arn)["ApiId"]
    functions.add_permission(
        FunctionName="hello", StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com"
    )
    return f"{api}.execute-api.us-east-1.amazonaws.com"
