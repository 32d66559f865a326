"""One account's REST APIs made with boto3, and requests to them."""

import http.client
import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/any"
MISSING = (403, "MissingAuthenticationTokenException", {"message": "Missing Authentication Token"})
INTERNAL = {"message": "Internal server error"}
FUNCTION = """
import base64
import json
import time


def handler(event, context):
    if event.get("type") in ("TOKEN", "REQUEST"):
        token = event.get("authorizationToken") or event["headers"]["Authorization"]
        if token == "nobody":
            raise Exception("Unauthorized")
        if token == "broken":
            raise Exception("no")
        effect = "Allow" if token.startswith("ok") else "Deny"
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
        return {
            "principalId": "someone", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "context": {"asked": str(time.time()), "kind": event["type"]}, "usageIdentifierKey": token,
        }
    if "mapped" in event:
        if event["mapped"] == "missing":
            raise ValueError("[404] no such pet")
        return {"got": event}
    path = event["path"]
    if path.endswith("/bad"):
        return {"statusCode": 200, "body": {"not": "a string"}}
    if path.endswith("/broken"):
        raise ValueError("no")
    if path.endswith("/slow"):
        time.sleep(3)
    if path.endswith("/picture"):
        return {"statusCode": 200, "headers": {"Content-Type": "image/png"}, "isBase64Encoded": True,
                "body": base64.b64encode(b"\\x89PNG" + base64.b64decode(event["body"] or "")).decode()}
    return {"statusCode": 201, "headers": {"X-Own": "yes"}, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
            "body": json.dumps(event)}
"""


def package(source):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", source)
    return out.getvalue()


class Apis:
    """One account's REST APIs, and requests to them through the gateway of the host."""

    def __init__(self, kunren, account, until):
        self.kunren, self.account, self.until = kunren, account, until
        self.v1, self.functions = self.client("apigateway"), self.client("lambda")
        self.api, self.root = "", ""

    def client(self, service):
        return self.kunren.client(service, self.account)

    def function(self, name="pets", allowed=True):
        """A function's invocation URI."""
        self.functions.create_function(
            FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler",
            Code={"ZipFile": package(FUNCTION)}, Timeout=10,
        )  # fmt: skip
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
        if allowed:
            self.allow("*", name)
        arn = f"arn:aws:lambda:us-east-1:{self.account}:function:{name}"
        return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"

    def allow(self, what, name="pets", statement="api"):
        self.functions.add_permission(
            FunctionName=name, StatementId=statement, Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com", SourceArn=f"arn:aws:execute-api:us-east-1:{self.account}:{what}",
        )  # fmt: skip

    def make(self, **params):
        given = {"name": "web", "endpointConfiguration": {"types": ["REGIONAL"]}, **params}
        made = self.v1.create_rest_api(**given)
        self.api, self.root = made["id"], made["rootResourceId"]
        return self.api

    def resource(self, part, parent=None):
        return self.v1.create_resource(restApiId=self.api, parentId=parent or self.root, pathPart=part)["id"]

    def method(self, resource, method="GET", *, responses=(), answers=(), **params):
        """A method; `params` for PutMethod, `responses` PutMethodResponse, `integration` and `answers` of it."""
        at = {"restApiId": self.api, "resourceId": resource, "httpMethod": method}
        integration = params.pop("integration")
        self.v1.put_method(**{**at, "authorizationType": "NONE", **params})
        self.v1.put_integration(**at, **integration)
        for each in responses:
            self.v1.put_method_response(**at, **each)
        for each in answers:
            self.v1.put_integration_response(**at, **each)
        return at

    def mock(self, resource, method="GET", body='{"ok":true}', **params):
        given = {"integration": mock(), "responses": [{"statusCode": "200"}],
                 "answers": [{"statusCode": "200", "responseTemplates": {"application/json": body}}], **params}  # fmt: skip
        return self.method(resource, method, **given)

    def deploy(self, stage="dev", **params):
        return self.v1.create_deployment(restApiId=self.api, stageName=stage, **params)["id"]

    @property
    def host(self):
        return f"{self.api}.execute-api.us-east-1.amazonaws.com"

    def ask(self, path="/dev", method="GET", body=None, host=None, **headers):
        """Status, headers by lower-case name, and body (of JSON what it says)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.kunren.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Host": host or self.host, **named})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        if cookies := answer.headers.get_all("set-cookie"):
            found["set-cookie"] = cookies
        try:
            return answer.status, found, json.loads(content)
        except ValueError:
            return answer.status, found, content

    def refused(self, path="/dev", method="GET", body=None, **headers):
        """Status, error type and body."""
        status, found, said = self.ask(path, method, body, **headers)
        return status, found["x-amzn-errortype"], said


def mock(template='{"statusCode": 200}'):
    return {"type": "MOCK", "requestTemplates": {"application/json": template}}


def proxy(uri):
    return {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": uri}


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]
