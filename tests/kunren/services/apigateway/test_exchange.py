"""What is mapped on the way to an integration and back, as pure functions of one exchange."""

import asyncio
import gzip
import json

import pytest

from kunren.core.clock import SimClock
from kunren.dataplane.apis.interface import ApiIdentity, ApiRequest, ApiResponse
from kunren.services.apigateway.gateway_responses import Refusal, forbidden, missing_token
from kunren.services.apigateway.json_schema import validation_errors
from kunren.services.apigateway.serving import media
from kunren.services.apigateway.serving.answering import answered, chosen_response, refused
from kunren.services.apigateway.serving.caching import Caches, Slot
from kunren.services.apigateway.serving.exchange import Deployed, Exchange
from kunren.services.apigateway.serving.integrating import (
    Integrations,
    Outcome,
    mapped_request,
    read_proxy_answer,
    request_body,
)
from kunren.services.apigateway.serving.kind import finished
from kunren.services.apigateway.serving.mapping import rendered
from kunren.services.apigateway.serving.records import access_variables


def exchange(integration=None, api=None, responses=None, **request):
    """A POST to /pets/{id} of the stage dev."""
    method = {"httpMethod": "POST", "authorizationType": "NONE", "methodIntegration": integration or {"type": "MOCK"}}
    frozen = {
        "api": {"id": "a1", "name": "web", **(api or {})},
        "resources": [{"id": "r1", "path": "/pets/{id}", "methods": {"POST": method}}],
        "models": {}, "validators": {}, "authorizers": {}, "responses": responses or {},
    }  # fmt: skip
    given = {
        "api": ApiIdentity("000000000000", "us-east-1", "a1"), "stage": "dev", "method": "POST", "host": "a1.test",
        "raw_path": "/dev/pets/a%20b", "path": "/pets/a%20b", "query": "q=1&q=2&crlf=a%0d%0aEvil:+1",
        "headers": {"content-type": "application/json", "x-one": "1"}, "body": b'{"name": "rex"}',
        "source_ip": "198.18.0.9", "id": "0000-1", "time": 0.0, **request,
    }  # fmt: skip
    made = Exchange(ApiRequest(**given), Deployed(frozen), {"stageName": "dev"}, {"v": "1.0"}, False)
    made.matched = made.deployed.router.match("POST", made.request.path)
    return made


def test_parameters_are_mapped_and_stay_on_their_line():
    told = {
        "type": "HTTP",
        "uri": "http://x.test/{id}/{all+}",
        "requestParameters": {
            "integration.request.header.X-Name": "method.request.body.name",
            "integration.request.header.Evil": "method.request.querystring.crlf",
            "integration.request.header.Fixed": "'${stageVariables.v} text'",
            "integration.request.querystring.q": "method.request.multivaluequerystring.q",
            "integration.request.querystring.ip": "context.identity.sourceIp",
            "integration.request.querystring.none": "method.request.header.none",
            "integration.request.path.all": "stageVariables.v",
        },
    }
    found = mapped_request(exchange(told), told)
    assert found.headers == {"x-name": "rex", "evil": "aEvil: 1", "fixed": "1.0 text"}
    assert found.query == [("q", "1"), ("q", "2"), ("ip", "198.18.0.9")]
    assert found.into(told["uri"]) == "http://x.test/a%20b/1.0"


@pytest.mark.parametrize(
    ("behavior", "templates", "wanted"),
    [
        ("WHEN_NO_MATCH", {}, b'{"name": "rex"}'),
        ("WHEN_NO_MATCH", {"text/xml": "x"}, b'{"name": "rex"}'),
        ("WHEN_NO_TEMPLATES", {"text/xml": "x"}, None),
        ("WHEN_NO_TEMPLATES", {}, b'{"name": "rex"}'),
        ("NEVER", {}, None),
        ("NEVER", {"application/json": "$input.path('$.name')"}, b"rex"),
        ("NEVER", {"$default": "$input.json('$')"}, b'{"name":"rex"}'),
    ],
)
def test_a_body_passes_as_the_passthrough_behaviour_says(behavior, templates, wanted):
    told = {"type": "HTTP", "passthroughBehavior": behavior, "requestTemplates": templates}
    if wanted is None:
        with pytest.raises(Refusal) as caught:
            request_body(exchange(told), told)
        assert (caught.value.kind, caught.value.status) == ("UNSUPPORTED_MEDIA_TYPE", 415)
    else:
        assert request_body(exchange(told), told) == wanted


def test_halves_of_characters_are_not_passed_on():
    made = exchange(body=b'{"name": "a\\ud800b"}')
    told = {"type": "HTTP", "requestTemplates": {"application/json": "$input.path('$.name')é"}}
    assert request_body(made, told) == "a?bé".encode()
    mapped = {"type": "HTTP", "requestParameters": {"integration.request.header.x": "method.request.body.name"}}
    assert mapped_request(made, mapped).headers == {"x": "a?b"}


def test_responses_are_chosen_by_status_or_by_a_functions_error():
    responses = {
        "200": {"statusCode": "200"},
        "400": {"statusCode": "400", "selectionPattern": "4\\d{2}"},
        "500": {"statusCode": "500", "selectionPattern": ".*broken.*"},
    }
    url = {"type": "HTTP", "uri": "http://x.test", "integrationResponses": responses}
    assert chosen_response(url, Outcome(404, [], b""))["statusCode"] == "400"
    assert chosen_response(url, Outcome(201, [], b""))["statusCode"] == "200"
    uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn/invocations"
    function = {"type": "AWS", "uri": uri, "integrationResponses": responses}
    assert chosen_response(function, Outcome(200, [], b"", "all broken\nhere"))["statusCode"] == "500"
    assert chosen_response(function, Outcome(200, [], b""))["statusCode"] == "200"
    assert chosen_response({"type": "MOCK"}, Outcome(200, [], b"")) is None


def test_headers_and_status_come_from_mappings_and_overrides():
    template = '#set($context.responseOverride.status = 299)#set($context.responseOverride.header.X-B = "b")$input.body'
    response = {
        "statusCode": "200",
        "responseTemplates": {"application/json": template},
        "responseParameters": {
            "method.response.header.X-A": "integration.response.header.Location",
            "method.response.header.X-Name": "integration.response.body.name",
        },
    }
    made = exchange({"type": "HTTP", "uri": "http://x.test", "integrationResponses": {"200": response}})
    found = answered(made, Outcome(200, [("location", "/there")], b'{"name": "n"}'))
    assert (found.status, found.body) == (299, b'{"name": "n"}')
    assert dict(found.headers) == {
        "Content-Type": "application/json", "X-A": "/there", "X-Name": "n", "X-B": "b",
    }  # fmt: skip
    response["responseTemplates"] = {"application/json": '#set($context.responseOverride.status = "many")'}
    with pytest.raises(Refusal):
        answered(made, Outcome(200, [], b""))


def test_refusals_take_the_owners_response_of_their_type_or_family():
    assert refused(exchange(), missing_token()).body == b'{"message":"Missing Authentication Token"}'
    own = {"responseType": "DEFAULT_4XX", "statusCode": "404", "responseParameters": {
        "gatewayresponse.header.X-Type": "context.error.responseType", "gatewayresponse.header.X-V": "stageVariables.v",
        "gatewayresponse.header.X-Text": "'a b'", "gatewayresponse.header.X-One": "method.request.header.x-one",
    }, "responseTemplates": {"application/json": '{"m": $context.error.messageString, "s": "$context.stage."}'}}  # fmt: skip
    found = refused(exchange(responses={"DEFAULT_4XX": own}), forbidden())
    assert (found.status, found.body) == (404, b'{"m": "Forbidden", "s": "dev."}')
    assert dict(found.headers)["X-Type"] == "INVALID_API_KEY"
    assert [dict(found.headers)[name] for name in ("X-V", "X-Text", "X-One")] == ["1.0", "a b", "1"]
    failed = Refusal("AUTHORIZER_FAILURE", None, "AuthorizerFailureException")
    assert refused(exchange(responses={"DEFAULT_4XX": own}), failed).body == b'{"message":null}'


def test_a_functions_answer_must_be_of_the_documented_form():
    for bad in (
        b"1",
        b"{}",
        b'{"statusCode": "many"}',
        b'{"statusCode": 200, "body": {}}',
        b'{"statusCode": 200, "x": 1}',
    ):
        with pytest.raises(ValueError):
            read_proxy_answer(bad, exchange())
    binary = {"binaryMediaTypes": ["image/*"]}
    answer = json.dumps({"statusCode": 200, "isBase64Encoded": True, "body": "AQI="}).encode()
    picture = exchange(api=binary, headers={"accept": "image/webp,*/*"})
    assert read_proxy_answer(answer, picture).body == b"\x01\x02"
    assert read_proxy_answer(answer, exchange(api=binary, headers={"accept": "text/html"})).body == b"AQI="


def test_bodies_are_compressed_from_the_apis_size_on():
    made = exchange(api={"minimumCompressionSize": 5}, headers={"accept-encoding": "br, deflate, gzip;q=0"})
    response = answered_with(made, b"123456")
    assert dict(response.headers)["Content-Encoding"] == "deflate"
    assert "Content-Encoding" not in dict(answered_with(made, b"1234").headers)
    plain = exchange(api={"minimumCompressionSize": 5}, headers={})
    assert "Content-Encoding" not in dict(answered_with(plain, b"123456").headers)


def answered_with(made, body):
    made.matched.method["methodIntegration"] = {"type": "HTTP_PROXY", "uri": "http://x.test"}
    return finished(made, answered(made, Outcome(200, [], body, passed=True)))


def test_logs_and_templates_see_the_request():
    made = exchange()
    made.authorizer = {"principalId": "me"}
    made.refusal = forbidden()
    known = access_variables(made, refused(made, made.refusal), 12)
    assert (known["status"], known["responseLatency"], known["error.message"]) == (403, 12, "Forbidden")
    assert (known["authorizer.principalId"], known["identity.sourceIp"]) == ("me", "198.18.0.9")
    text = "$context.resourcePath $context.authorizer.principalId $!context.none $input.params('id') $input.params().path.id"
    assert rendered(text, made, "") == "/pets/{id} me  a b a b"
    assert rendered("$input.params().header.get('X-One') $context.none", made, "") == "1 "


@pytest.mark.parametrize(
    "text", ["#set($context.responseOverride.header = 'x')", "#set($x = " + "9" * 6_000 + ")", "$util.urlEncode($l)"]
)
def test_templates_that_cannot_be_followed_are_the_apis_own_failure(text):
    doubling = "#set($l = ['x'])#foreach($i in [1..60])#set($l = [$l, $l])#end"
    with pytest.raises(Refusal):
        rendered(doubling + text, exchange(), "{}")


def test_patterns_that_take_too_long_fit_nothing():
    told = {"type": "HTTP", "uri": "", "integrationResponses": {"400": {"statusCode": "400", "selectionPattern": "("}}}
    assert chosen_response(told, Outcome(400, [], b"")) is None
    schema = '{"type": "string", "pattern": "^(a|aa)+$"}'
    assert "takes too long" in validation_errors(schema, "a" * 60 + "b")[0]
    assert validation_errors(schema, "aaa") == []
    assert validation_errors('{"patternProperties": {"[": {}}}', {"a": 1}) != []


def test_bodies_that_are_not_base64_are_the_clients_failure():
    told = {"type": "HTTP_PROXY", "uri": "http://x.test/", "httpMethod": "POST", "contentHandling": "CONVERT_TO_BINARY"}
    asking = Integrations(None, None, None, None, SimClock())
    with pytest.raises(Refusal) as refusal:
        asyncio.run(asking.ask(exchange(told)))
    assert refusal.value.status == 400


def test_caches_are_bounded_by_their_keys_too():
    caches = Caches(SimClock())
    for number in range(5_000):
        slot = Slot(("0", "us-east-1", "a", "dev"), (f"{number}{'k' * 9_000}",), {})
        caches.keep(slot, ApiResponse(200))
    assert caches.look(Slot(slot.place, ("0" + "k" * 9_000,), {}), exchange()) is None
    assert caches.look(slot, exchange()) is not None


def test_half_a_compressed_body_is_none():
    packed = gzip.compress(b"x" * 1_000)
    assert media.uncompressed(packed, "gzip") == b"x" * 1_000
    with pytest.raises(ValueError, match="ends before"):
        media.uncompressed(packed[:-9], "gzip")
