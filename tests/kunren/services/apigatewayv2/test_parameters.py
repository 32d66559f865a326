import pytest

from kunren.services.apigatewayv2.checks import (
    check_authorizer,
    check_cors,
    check_integration,
    check_stage,
    function_arn,
)
from kunren.services.apigatewayv2.errors import BadRequestException, NotHere
from kunren.services.apigatewayv2.parameters import evaluated, in_body, mapped_headers, mapped_query

KNOWN = {"request.header.a": "1", "stageVariables.v": "two", "context.stage": "dev"}
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:web"
HTTP = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "ANY", "IntegrationUri": "https://target.test"}


def test_expressions_are_a_variable_or_text_with_variables():
    assert evaluated("$request.header.a", KNOWN.get) == "1"
    assert evaluated("$request.header.b", KNOWN.get) is None
    assert evaluated("plain", KNOWN.get) == "plain"
    assert evaluated("x-${stageVariables.v}-${context.stage}-${request.header.b}", KNOWN.get) == "x-two-dev-"
    assert evaluated("$5.00", KNOWN.get) == "$5.00"


def test_headers_and_query_are_appended_to_overwritten_and_removed():
    rules = {
        "append:header.One": "more", "overwrite:header.two": "$request.header.a", "remove:header.THREE": "",
        "append:querystring.q": "x", "overwrite:path": "/y", "overwrite:header.none": "$request.header.none",
    }  # fmt: skip
    before = [("one", "1"), ("Two", "2"), ("two", "3"), ("three", "4")]
    assert mapped_headers(before, rules, KNOWN.get) == [("one", "1"), ("One", "more"), ("two", "1")]
    assert mapped_query([("q", "1")], rules, KNOWN.get) == [("q", "1"), ("q", "x")]


def test_values_are_found_in_bodies():
    body = b'{"user": {"name": "kim", "age": 7}, "items": [{"id": 1}, {"id": 2}]}'
    assert in_body(body, ".user.name") == "kim"
    assert in_body(body, ".$.user.age") == "7"
    assert in_body(body, ".items[1].id") == "2"
    assert in_body(body, ".user") == '{"name":"kim","age":7}'
    assert in_body(body, ".nobody") is None
    assert in_body(b"no json", ".user") is None
    assert in_body(b"[" * 50_000, ".user") is None
    assert in_body(b"no json", "") == "no json"


@pytest.mark.parametrize(
    "changes",
    [
        {"IntegrationUri": "ftp://target.test"},
        {"IntegrationUri": "https://"},
        {"IntegrationMethod": None},
        {"PayloadFormatVersion": "2.0"},
        {"IntegrationType": "MOCK"},
        {"IntegrationType": "AWS_PROXY"},
        {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION},
        {"RequestParameters": {"append:header.Authorization": "x"}},
        {"RequestParameters": {"append:body.x": "x"}},
        {"RequestParameters": {"append:header.x": ""}},
        {"ResponseParameters": {"99": {"append:header.x": "y"}}},
        {"ResponseParameters": {"200": {"overwrite:path": "y"}}},
        {"ConnectionType": "VPC_LINK"},
        {"ConnectionType": "VPC_LINK", "ConnectionId": "abc"},
    ],
)
def test_bad_integrations_are_refused(changes):
    check_integration(HTTP)
    with pytest.raises(BadRequestException):
        check_integration({**HTTP, **changes})


def test_what_is_not_here_is_said_by_name():
    uri = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1"
    with pytest.raises(NotHere, match="Cloud Map"):
        check_integration({**HTTP, "ConnectionType": "VPC_LINK", "ConnectionId": "a", "IntegrationUri": uri})
    with pytest.raises(NotHere, match="AppConfig-GetConfiguration"):
        check_integration({"IntegrationType": "AWS_PROXY", "IntegrationSubtype": "AppConfig-GetConfiguration"})
    with pytest.raises(NotHere, match="Firehose"):
        check_stage("dev", {"AccessLogSettings": {"DestinationArn": "arn:aws:firehose:us-east-1:1:deliverystream/a"}})


def test_functions_are_named_by_arn_or_by_invocation_path():
    path = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
    assert function_arn(path) == function_arn(FUNCTION) == FUNCTION
    aliased = FUNCTION + ":${stageVariables.alias}"
    assert function_arn(aliased) == aliased
    assert function_arn("arn:aws:sqs:us-east-1:123456789012:queue") is None


def test_bad_cors_authorizers_and_stages_are_refused():
    for cors in ({"AllowOrigins": ["*"], "AllowCredentials": True}, {"AllowOrigins": ["example.com"]}):
        with pytest.raises(BadRequestException):
            check_cors(cors)
    jwt = {
        "AuthorizerType": "JWT", "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Issuer": "https://issuer.test", "Audience": ["a"]},
    }  # fmt: skip
    check_authorizer(jwt)
    for changes in (
        {"IdentitySource": ["header.x"]}, {"IdentitySource": []}, {"JwtConfiguration": {"Issuer": "http://issuer.test"}},
        {"AuthorizerType": "REQUEST"}, {"AuthorizerType": "REQUEST", "AuthorizerUri": FUNCTION},
    ):  # fmt: skip
        with pytest.raises(BadRequestException):
            check_authorizer({**jwt, **changes})
    for name, config in (
        ("a b", {}), ("dev", {"StageVariables": {"a-b": "x"}}), ("dev", {"StageVariables": {"a": "x y"}}),
        ("dev", {"DefaultRouteSettings": {"LoggingLevel": "INFO"}}),
        ("dev", {"AccessLogSettings": {"DestinationArn": "arn:aws:logs:us-east-1:1:log-group:x", "Format": "$context.path"}}),
    ):  # fmt: skip
        with pytest.raises(BadRequestException):
            check_stage(name, config)


def test_documents_of_five_megabytes_are_read_and_what_is_none_is_refused():
    import json

    from kunren.services.apigatewayv2.openapi.read import parse, read

    paths = {f"/p{number}": {"get": {"description": "x" * 5_000}} for number in range(1_000)}
    found = read(parse(json.dumps({"openapi": "3.0.1", "info": {"title": "large"}, "paths": paths})), "ignore")
    assert len(found.operations) == len(found.warnings) == 1_000
    deep = "[" * 100_000
    for body in (deep, '{"openapi": ' + deep, "x", "a: b: c", "openapi: 3.0.1\ninfo: []", "openapi: 3.1.0"):
        with pytest.raises(BadRequestException):
            read(parse(body), "ignore")
    looped = "openapi: 3.0.1\ninfo: {title: x}\npaths: &p {/a: *p}\n"
    with pytest.raises(BadRequestException):
        parse(looped)


def test_the_first_servers_path_goes_before_every_path_as_basepath_says():
    from kunren.services.apigatewayv2.openapi.read import read

    document = {
        "openapi": "3.0.1", "info": {"title": "x"}, "paths": {"/p": {"get": {}}},
        "servers": [{"url": "https://x.test/{base}/v1", "variables": {"base": {"default": "api"}}}],
    }  # fmt: skip
    keys = {how: read(document, how).operations[0].route["RouteKey"] for how in ("ignore", "prepend", "split")}
    assert keys == {"ignore": "GET /p", "prepend": "GET /api/v1/p", "split": "GET /v1/p"}
