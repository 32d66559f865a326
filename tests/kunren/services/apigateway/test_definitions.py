"""API definitions, read and written; schemas of models."""

import json

import pytest

from kunren.services.apigateway.errors import BadRequestException
from kunren.services.apigateway.json_schema import validation_errors
from kunren.services.apigateway.openapi.document import parse
from kunren.services.apigateway.openapi.read import read
from kunren.services.apigateway.schemas import bundle, check_schema, sample

SWAGGER = """
swagger: "2.0"
info: {title: pets, version: 2026-01-01}
basePath: /v1
securityDefinitions:
  api_key: {type: apiKey, name: x-api-key, in: header}
  sigv4: {type: apiKey, name: Authorization, in: header, x-amazon-apigateway-authtype: awsSigv4}
definitions:
  Pet: {type: object, properties: {next: {$ref: "#/definitions/Pet"}}}
parameters:
  id: {name: id, in: path, required: true, type: string}
paths:
  /pets/{id}:
    parameters: [{$ref: "#/parameters/id"}]
    post:
      consumes: [application/json]
      parameters: [{in: body, name: Pet, schema: {$ref: "#/definitions/Pet"}}]
      security: [{api_key: []}, {sigv4: []}]
      responses:
        200: {description: ok, headers: {X-A: {type: string}}, schema: {$ref: "#/definitions/Pet"}}
        default: {description: other}
      x-amazon-apigateway-integration:
        type: http
        httpMethod: POST
        uri: http://a.test/{id}
        passthroughBehavior: when_no_templates
        responses: {default: {statusCode: "200"}, "4\\\\d\\\\d": {statusCode: 404}}
    x-amazon-apigateway-any-method: {x-amazon-apigateway-integration: {type: mock}}
x-amazon-apigateway-gateway-responses:
  THROTTLED: {statusCode: 503}
"""


def test_a_swagger_document_says_the_same_as_the_calls_would():
    found = read(parse(SWAGGER.encode()))
    assert (found.name, found.version, found.base_path) == ("pets", "2026-01-01", "/v1")
    post, every = found.paths["/pets/{id}"]["POST"], found.paths["/pets/{id}"]["ANY"]
    assert (post["authorizationType"], post["apiKeyRequired"]) == ("AWS_IAM", True)
    assert post["requestParameters"] == {"method.request.path.id": True}
    assert post["requestModels"] == {"application/json": "Pet"}
    assert post["methodResponses"] == {
        "200": {
            "statusCode": "200",
            "responseParameters": {"method.response.header.X-A": False},
            "responseModels": {"application/json": "Pet"},
        }
    }
    assert post["methodIntegration"] == {
        "type": "HTTP",
        "httpMethod": "POST",
        "uri": "http://a.test/{id}",
        "passthroughBehavior": "WHEN_NO_TEMPLATES",
        "integrationResponses": {
            "200": {"statusCode": "200"},
            "404": {"statusCode": "404", "selectionPattern": "4\\d\\d"},
        },
    }
    assert every["methodIntegration"] == {"type": "MOCK"}
    assert found.responses["THROTTLED"]["statusCode"] == "503"
    assert json.loads(found.models["Pet"]["schema"])["properties"]["next"] == {"$ref": "models/Pet"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"{}",
        b"[" * 100_000,
        b"a: " + b"[" * 100_000,
        b"- " * 10_000,
        b"a: &a [x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        b"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
        b"g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]",
        b"swagger: '2.0'\npaths: &p {a: *p}",
        b"when: 2026-99-99",
        b'{"openapi": "3.1.0", "paths": {}}',
        b'{"swagger": "2.0", "paths": []}',
        b'{"swagger": "2.0", "paths": {"a": {}}}',
        b'{"swagger": "2.0", "paths": {"/a": {"get": 3}}}',
        b'{"swagger": "2.0", "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "soap"}}}}}',
        b'{"swagger": "2.0", "parameters": {"p": {"$ref": "#/parameters/p"}},'
        b' "paths": {"/a": {"parameters": [{"$ref": "#/parameters/p"}]}}}',
        b'{"swagger": "2.0", "paths": {"/a": {"$ref": "http://elsewhere.test/a"}}}',
    ],
)
def test_what_is_no_definition_is_refused(body):
    with pytest.raises(BadRequestException):
        read(parse(body))


def test_models_refer_to_each_other_and_to_themselves():
    place = "https://apigateway.amazonaws.com/restapis/a/models/"
    models = {
        "Tree": {"schema": json.dumps({"type": "array", "items": {"$ref": place + "Leaf"}})},
        "Leaf": {"schema": json.dumps({"properties": {"tree": {"$ref": place + "Tree"}, "n": {"type": "integer"}}})},
    }
    schema = json.dumps(bundle({"$ref": place + "Tree"}, models))
    assert validation_errors(schema, [{"tree": [{"n": 1}]}]) == []
    assert validation_errors(schema, [{"tree": [{"n": "1"}]}]) == [
        'instance type (string) does not match any allowed primitive type (allowed: ["integer"])'
    ]
    for bad in ("{", "[]", '{"type": 3}', '{"$ref": "http://elsewhere.test/schema"}'):
        with pytest.raises(BadRequestException):
            check_schema(bad)
    assert '"n" : $inputRoot.n' in sample('{"type": "object", "properties": {"n": {"type": "integer"}}}')
