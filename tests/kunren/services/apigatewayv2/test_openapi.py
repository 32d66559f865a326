"""What OpenAPI documents of HTTP APIs may say, and what they may not."""

import json

import pytest

from kunren.services.apigatewayv2.errors import BadRequestException
from kunren.services.apigatewayv2.openapi.read import parse, read


def document(integration=None, **more):
    told = {"type": "http_proxy", "httpMethod": "GET", "uri": "http://x.test/", **(integration or {})}
    paths = {"/a": {"get": {"x-amazon-apigateway-integration": told}}}
    return json.dumps({"openapi": "3.0.1", "info": {"title": "x"}, "paths": paths, **more})


def cors(**told):
    return document(**{"x-amazon-apigateway-cors": told})


def test_numbers_may_be_texts():
    found = read(parse(document({"payloadFormatVersion": 1.0, "timeoutInMillis": 50})), "ignore")
    assert found.operations[0].integration["PayloadFormatVersion"] == "1.0"
    assert found.operations[0].integration["TimeoutInMillis"] == 50


@pytest.mark.parametrize(
    "body",
    [
        cors(allowMethods="GET"), cors(maxAge="x"), cors(maxAge=86_401), cors(allowOrigins=[{}]),
        document({"uri": ["x"]}), document({"timeoutInMillis": 49}), document({"timeoutInMillis": True}),
        document({"requestParameters": {"append:header.x": {}}}), document({"responseParameters": {"200": "x"}}),
        document(components={"securitySchemes": {"a": {"x-amazon-apigateway-authorizer": {
            "type": "request", "authorizerResultTtlInSeconds": "x"}}}}),
        "a: " + "[" * 100_000, "[1]", "a: *b",
        "a: &a0 [x]\n" + "".join(f"b{n}: &a{n + 1} [*a{n}, *a{n}, *a{n}, *a{n}]\n" for n in range(30)),
    ],
)  # fmt: skip
def test_what_is_not_as_it_must_be_is_refused(body):
    with pytest.raises(BadRequestException, match="Invalid OpenAPI input"):
        read(parse(body), "ignore")
