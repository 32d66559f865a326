"""One account's HTTP APIs and functions, and requests to them, for the tests of API Gateway."""

from __future__ import annotations

import http.client
import io
import json
import zipfile
from typing import Any

ROLE = "arn:aws:iam::000000000000:role/any"
ECHO = """
import json
import time


def handler(event, context):
    if event.get("type") == "REQUEST":
        token = event["identitySource"][0]
        if token == "break":
            raise ValueError("no")
        return {"isAuthorized": token == "open", "context": {"who": "someone", "count": str(time.time())}}
    path = event.get("rawPath") or event["path"]
    if path.endswith("/plain"):
        return {"seen": True}
    if path.endswith("/broken"):
        raise ValueError("no")
    if path.endswith("/bad"):
        return {"statusCode": "many"}
    if path.endswith("/slow"):
        time.sleep(3)
    return {
        "statusCode": 201, "headers": {"X-Own": "yes", "Access-Control-Allow-Origin": "https://other.test"},
        "cookies": ["a=1", "b=2"], "body": json.dumps(event),
    }
"""


def package(source: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", source)
    return out.getvalue()


class Apis:
    """One account's HTTP APIs, and requests to them through the gateway of the host."""

    def __init__(self, kunren: Any, account: str, until: Any) -> None:
        self.kunren, self.account, self.until = kunren, account, until
        self.v2, self.functions = kunren.client("apigatewayv2", account), kunren.client("lambda", account)

    def client(self, service: str) -> Any:
        return self.kunren.client(service, self.account)

    def function(self, name: str = "echo", source: str = ECHO) -> str:
        self.functions.create_function(
            FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": package(source)},
            Timeout=10,
        )  # fmt: skip
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
        return f"arn:aws:lambda:us-east-1:{self.account}:function:{name}"

    def allow(self, api: str, name: str = "echo", what: str = "*", statement: str = "api") -> None:
        self.functions.add_permission(
            FunctionName=name, StatementId=statement, Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:{self.account}:{api}/{what}",
        )  # fmt: skip

    def api(self, **params: Any) -> str:
        return self.v2.create_api(**{"Name": "web", "ProtocolType": "HTTP", **params})["ApiId"]

    def stage(self, api: str, name: str = "$default", **params: Any) -> None:
        self.v2.create_stage(**{"ApiId": api, "StageName": name, "AutoDeploy": True, **params})

    def integration(self, api: str, uri: str | None, **params: Any) -> str:
        given = {"IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0", **params}
        if uri is not None:
            given["IntegrationUri"] = uri
        return str(self.v2.create_integration(ApiId=api, **given)["IntegrationId"])

    def route(self, api: str, key: str, integration: str, **params: Any) -> str:
        return self.v2.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}", **params)["RouteId"]

    def host(self, api: str) -> str:
        return f"{api}.execute-api.us-east-1.amazonaws.com"

    def ask(
        self, host: str, path: str = "/", method: str = "GET", headers: Any = None, body: bytes | None = None
    ) -> tuple[int, dict[str, Any], Any]:
        """Status, headers by lower-case name, and body (of JSON what it says)."""
        host = host if "." in host else self.host(host)
        connection = http.client.HTTPConnection("127.0.0.1", self.kunren.port, timeout=60)
        connection.request(method, path, body, {"Host": host, **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        found: dict[str, Any] = {name.lower(): value for name, value in answer.getheaders()}
        cookies = answer.headers.get_all("set-cookie")
        if cookies:
            found["set-cookie"] = cookies
        try:
            return answer.status, found, json.loads(content)
        except ValueError:
            return answer.status, found, content
