"""REST APIs as their users have them: boto3 and the AWS CLI make them, curl in the world and clients of the host ask."""

import base64
import gzip
import http.client
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROLE = "arn:aws:iam::000000000000:role/any"
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


@pytest.fixture
def apis(kunren, account, until):
    return Apis(kunren, account, until)


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


MISSING = (403, "MissingAuthenticationTokenException", {"message": "Missing Authentication Token"})
INTERNAL = {"message": "Internal server error"}


def test_a_proxied_function_serves_what_is_deployed(apis):
    uri, _ = apis.function(allowed=False), apis.make()
    greedy = apis.resource("{proxy+}")
    pets = apis.resource("pets")
    pet = apis.resource("{id}", pets)
    apis.method(greedy, "ANY", integration=proxy(uri))
    apis.method(pet, integration=proxy(uri))
    apis.deploy(variables={"colour": "blue"})
    assert apis.refused("/dev/pets/1") == (500, "InternalServerErrorException", INTERNAL)  # nobody has let it in
    apis.allow(f"{apis.api}/*/GET/pets/*")
    assert apis.ask("/dev/pets/1")[0] == 201
    assert apis.refused("/dev/other")[0] == 500
    apis.allow(f"{apis.api}/*", statement="all")

    status, headers, event = apis.ask("/dev/pets/a%20b?x=1&x=2&y=z", Cookie="k=v", X_One="1", Accept="text/plain")
    assert (status, headers["x-own"], headers["set-cookie"]) == (201, "yes", ["a=1", "b=2"])
    assert headers["content-type"] == "application/json"
    assert headers["x-amzn-requestid"] == event["requestContext"]["requestId"]
    assert headers["x-amzn-trace-id"].startswith("Root=1-")
    assert "version" not in event
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/pets/{id}", "/pets/a b", "GET")
    assert event["pathParameters"] == {"id": "a b"}
    assert event["queryStringParameters"] == {"x": "2", "y": "z"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": ["z"]}
    assert (event["headers"]["Accept"], event["multiValueHeaders"]["x-one"]) == ("text/plain", ["1"])
    assert (event["stageVariables"], event["body"], event["isBase64Encoded"]) == ({"colour": "blue"}, None, False)
    context = event["requestContext"]
    assert (context["resourceId"], context["resourcePath"], context["stage"]) == (pet, "/pets/{id}", "dev")
    assert (context["path"], context["domainPrefix"]) == ("/dev/pets/a b", apis.api)

    assert apis.ask("/dev/pets/1", X_Odd="\xff")[2]["headers"]["x-odd"] == "\xff"

    # resources and methods are matched as pairs; a greedy part takes what is left
    assert apis.ask("/dev/pets/1", "POST", b"x")[2]["resource"] == "/{proxy+}"
    assert apis.ask("/dev/pets")[2]["pathParameters"] == {"proxy": "pets"}
    assert apis.refused("/dev") == MISSING
    assert apis.refused("/none/pets/1") == (403, "ForbiddenException", {"message": "Forbidden"})
    assert apis.refused("/dev/bad") == (502, "InternalServerErrorException", INTERNAL)
    assert apis.refused("/dev/broken") == (502, "InternalServerErrorException", INTERNAL)

    # by name, address and TLS inside the world; and only what has been deployed
    url = f"https://{apis.host}/dev/pets/7"
    asked = apis.kunren.exec("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url, place="tokyo")
    assert asked.stdout == "201"
    apis.mock(apis.resource("late"))
    assert apis.ask("/dev/late")[2]["resource"] == "/{proxy+}"
    first = apis.v1.get_stage(restApiId=apis.api, stageName="dev")["deploymentId"]
    apis.deploy()
    assert apis.ask("/dev/late")[2] == {"ok": True}
    roll_back = [{"op": "replace", "path": "/deploymentId", "value": first}]
    apis.v1.update_stage(restApiId=apis.api, stageName="dev", patchOperations=roll_back)
    assert apis.ask("/dev/late")[2]["resource"] == "/{proxy+}"
    assert refusal(apis.v1.delete_deployment, restApiId=apis.api, deploymentId=first)[0] == "BadRequestException"
    patch = [{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "true"}]
    apis.v1.update_rest_api(restApiId=apis.api, patchOperations=patch)
    assert apis.ask("/dev/late")[0] == 403


def test_templates_select_map_and_override(apis):
    uri, _ = apis.function(), apis.make()
    pets = apis.resource("pets")
    template = """#set($in = $input.path('$'))
{"mapped": "$in.name", "tags": [#foreach($tag in $in.tags)"$tag.toUpperCase()"#if($foreach.hasNext),#end#end],
 "first": $input.json('$.tags[0]'), "q": "$input.params('q')", "stage": "$context.stage", "v": "$stageVariables.v",
 "quoted": "$util.escapeJavaScript($in.text)", "none": "$input.params('none')"}"""
    not_found = {"application/json": '#set($context.responseOverride.header.X-Pet = "none")'
                                     '{"error": "$input.path(\'$.errorMessage\')"}'}  # fmt: skip
    apis.method(
        pets, "POST", responses=[{"statusCode": "200"}, {"statusCode": "404"}],
        integration={"type": "AWS", "integrationHttpMethod": "POST", "uri": uri, "passthroughBehavior": "NEVER",
                     "requestTemplates": {"application/json": template}},
        answers=[{"statusCode": "200"},
                 {"statusCode": "404", "selectionPattern": r".*\[404\].*", "responseTemplates": not_found}],
    )  # fmt: skip
    apis.mock(
        apis.root, integration=mock('{"statusCode": #if($input.params("n") == "7")418#{else}200#end}'),
        responses=[{"statusCode": "200"}, {"statusCode": "418", "responseParameters": {
            "method.response.header.X-Text": True, "method.response.header.Content-Type": True}}],
        answers=[{"statusCode": "200"}, {"statusCode": "418", "selectionPattern": "4\\d\\d",
                 "responseParameters": {"method.response.header.X-Text": "'short and stout'",
                                        "method.response.header.Content-Type": "'text/plain'"},
                 "responseTemplates": {"application/json": "teapot of $context.resourcePath"}}],
    )  # fmt: skip
    apis.deploy(variables={"v": "1.0"})
    body = json.dumps({"name": "rex", "tags": ["a", "b"], "text": 'say "hi"'})
    status, _, said = apis.ask("/dev/pets?q=2", "POST", body, Content_Type="application/json")
    assert (status, said["got"]) == (200, {
        "mapped": "rex", "tags": ["A", "B"], "first": "a", "q": "2", "stage": "dev", "v": "1.0",
        "quoted": 'say "hi"', "none": "",
    })  # fmt: skip
    status, headers, said = apis.ask("/dev/pets", "POST", '{"name": "missing", "tags": ["x"], "text": ""}')
    assert (status, headers["x-pet"], said) == (404, "none", {"error": "[404] no such pet"})
    status, _, said = apis.refused("/dev/pets", "POST", "a,b", Content_Type="text/csv")
    assert (status, said) == (415, {"message": "Unsupported Media Type"})
    status, headers, said = apis.ask("/dev?n=7")
    assert (status, said) == (418, b"teapot of /")
    assert (headers["x-text"], headers["content-type"]) == ("short and stout", "text/plain")
    assert apis.ask("/dev")[0] == 200

    told = apis.v1.test_invoke_method(
        restApiId=apis.api, resourceId=apis.root, httpMethod="GET", pathWithQueryString="/?n=7"
    )
    assert (told["status"], told["body"], told["headers"]["X-Text"]) == (418, "teapot of /", "short and stout")
    assert "Method completed with status: 418" in told["log"]


def test_services_and_urls_are_asked(apis):
    apis.make()
    queue = apis.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
    topic = apis.client("sns").create_topic(Name="news")["TopicArn"]
    apis.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{apis.account}:orders"
    )
    table = {"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "BillingMode": "PAY_PER_REQUEST",
             "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}  # fmt: skip
    apis.client("dynamodb").create_table(TableName="pets", **table)

    def asks(part, uri, template, **params):
        given = {"type": "AWS", "integrationHttpMethod": "POST", "uri": f"arn:aws:apigateway:us-east-1:{uri}",
                 "credentials": ROLE, "requestTemplates": {"application/json": template}, **params}  # fmt: skip
        apis.method(
            apis.resource(part), "POST", integration=given, responses=[{"statusCode": "200"}, {"statusCode": "400"}],
            answers=[{"statusCode": "200"}, {"statusCode": "400", "selectionPattern": "4\\d\\d"}],
        )  # fmt: skip

    form = {"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"}
    asks("queue", f"sqs:path/{apis.account}/orders", "Action=SendMessage&MessageBody=$util.urlEncode($input.body)",
         requestParameters=form)  # fmt: skip
    asks("topic", "sns:action/Publish", "", requestParameters={
        "integration.request.querystring.TopicArn": f"'{topic}'",
        "integration.request.querystring.Message": "method.request.body.text"})  # fmt: skip
    asks(
        "put",
        "dynamodb:action/PutItem",
        '{"TableName": "pets", "Item": {"id": {"S": "$context.requestId"}, "name": {"S": $input.json(\'$.name\')}}}',
    )
    asks("wrong", "dynamodb:action/PutItem", '{"TableName": "none", "Item": {}}')
    page = apis.resource("page")
    target = "http://127.0.0.1:9/{proxy}"
    apis.method(apis.resource("{proxy+}", page), "ANY", integration={
        "type": "HTTP_PROXY", "integrationHttpMethod": "ANY", "uri": target})  # fmt: skip
    other = Apis(apis.kunren, apis.account, apis.until)
    other.make()
    other.mock(other.root, body='{"other": "$context.identity.userAgent $input.params(\'k\')"}')
    other.deploy()
    apis.method(apis.resource("other"), integration={
        "type": "HTTP", "integrationHttpMethod": "GET", "uri": f"https://{other.host}/${{stageVariables.stage}}",
        "requestParameters": {"integration.request.querystring.k": "method.request.querystring.key",
                              "integration.request.header.User-Agent": "'me'"},
    }, responses=[{"statusCode": "200"}], answers=[{"statusCode": "200"}])  # fmt: skip
    apis.deploy(variables={"stage": "dev"})

    assert apis.ask("/dev/queue", "POST", '{"a": "b&c"}')[0] == 200
    assert apis.ask("/dev/topic", "POST", '{"text": "hello"}')[0] == 200
    bodies = []

    def both():
        told = apis.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        bodies.extend(json.loads(each["Body"]) for each in told)
        return len(bodies) == 2

    apis.until(both, "both messages", 20)
    assert {"a": "b&c"} in bodies
    assert any(each.get("Message") == "hello" for each in bodies)
    assert apis.ask("/dev/put", "POST", '{"name": "rex"}')[0] == 200
    items = apis.client("dynamodb").scan(TableName="pets")["Items"]
    assert [each["name"] for each in items] == [{"S": "rex"}]
    assert apis.ask("/dev/wrong", "POST", "{}")[0] == 400
    assert apis.ask("/dev/other?key=v")[2] == {"other": "me v"}
    assert apis.refused("/dev/page/x")[:2] == (504, "InternalServerErrorException")


def test_authorizers_decide_and_are_remembered(apis):
    uri, _ = apis.function(), apis.make()
    token = apis.v1.create_authorizer(
        restApiId=apis.api, name="token", type="TOKEN", authorizerUri=uri, identityValidationExpression="[a-z0-9]+",
        identitySource="method.request.header.Authorization",
    )["id"]  # fmt: skip
    request = apis.v1.create_authorizer(
        restApiId=apis.api, name="request", type="REQUEST", authorizerUri=uri, authorizerResultTtlInSeconds=0,
        identitySource="method.request.header.Authorization",
    )["id"]  # fmt: skip
    for part, authorizer in (("token", token), ("request", request)):
        apis.method(apis.resource(part), authorizationType="CUSTOM", authorizerId=authorizer, integration=proxy(uri))
    apis.mock(apis.resource("signed"), authorizationType="AWS_IAM")
    apis.deploy()

    assert apis.refused("/dev/token") == (401, "UnauthorizedException", {"message": "Unauthorized"})
    assert apis.refused("/dev/token", Authorization="no-match!")[0] == 401
    assert apis.refused("/dev/token", Authorization="nobody")[0] == 401
    assert apis.refused("/dev/token", Authorization="broken")[::2] == (500, {"message": None})
    assert apis.refused("/dev/token", Authorization="deny") == (
        403, "AccessDeniedException",
        {"Message": "User is not authorized to access this resource with an explicit deny"},
    )  # fmt: skip
    told = [apis.ask("/dev/token", Authorization="ok1")[2]["requestContext"]["authorizer"] for _ in range(2)]
    assert told[0]["principalId"] == "someone"
    assert told[0]["asked"] == told[1]["asked"]  # the second was not asked again
    apis.v1.flush_stage_authorizers_cache(restApiId=apis.api, stageName="dev")
    assert apis.ask("/dev/token", Authorization="ok1")[2]["requestContext"]["authorizer"]["asked"] != told[0]["asked"]
    told = [apis.ask("/dev/request", Authorization="ok")[2]["requestContext"]["authorizer"] for _ in range(2)]
    assert told[0]["asked"] != told[1]["asked"]
    assert told[0]["kind"] == "REQUEST"
    assert apis.refused("/dev/signed") == MISSING
    scope = f"{apis.account}/20260101/us-east-1/execute-api/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    assert apis.ask("/dev/signed", Authorization=signed)[0] == 200
    other = signed.replace("execute-api", "s3")
    assert apis.refused("/dev/signed", Authorization=other)[:2] == (403, "InvalidSignatureException")
    stranger = signed.replace(apis.account, "999999999999")
    assert apis.refused("/dev/signed", Authorization=stranger)[:2] == (403, "AccessDeniedException")

    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/dev/GET/token"},
    ]}  # fmt: skip
    patch = [{"op": "replace", "path": "/policy", "value": json.dumps(policy)}]
    apis.v1.update_rest_api(restApiId=apis.api, patchOperations=patch)
    assert apis.ask("/dev/token", Authorization="ok1")[0] == 201  # not yet deployed
    apis.deploy()
    status, _, said = apis.refused("/dev/token", Authorization="ok1")
    assert status == 403
    assert said["Message"].endswith(f":{apis.api}/dev/GET/token with an explicit deny")
    assert apis.ask("/dev/signed", Authorization=stranger)[0] == 200
    bad = [{"op": "replace", "path": "/policy", "value": "{"}]
    code, text = refusal(apis.v1.update_rest_api, restApiId=apis.api, patchOperations=bad)
    assert code == "BadRequestException"
    assert text.startswith("Invalid policy document.")


def test_keys_quotas_throttles_and_validation(apis):
    apis.make()
    pets = apis.resource("pets")
    schema = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    apis.v1.create_model(restApiId=apis.api, name="Pet", contentType="application/json", schema=json.dumps(schema))
    validator = apis.v1.create_request_validator(
        restApiId=apis.api, name="all", validateRequestBody=True, validateRequestParameters=True
    )["id"]
    apis.mock(
        pets, "POST", requestValidatorId=validator, requestModels={"application/json": "Pet"},
        requestParameters={"method.request.querystring.kind": True},
    )  # fmt: skip
    apis.mock(apis.resource("keyed"), apiKeyRequired=True)
    apis.mock(apis.resource("few"))
    apis.v1.put_gateway_response(
        restApiId=apis.api, responseType="BAD_REQUEST_BODY", statusCode="422",
        responseParameters={"gatewayresponse.header.X-Why": "context.error.responseType"},
        responseTemplates={"application/json": '{"why": "$context.error.validationErrorString"}'},
    )  # fmt: skip
    apis.deploy()
    json_body = {"Content_Type": "application/json"}
    assert apis.refused("/dev/pets", "POST", '{"name": "x"}', **json_body) == (
        400, "BadRequestException", {"message": "Missing required request parameters: [kind]"},
    )  # fmt: skip
    status, headers, said = apis.ask("/dev/pets?kind=dog", "POST", '{"age": 3}', **json_body)
    assert (status, headers["x-why"]) == (422, "BAD_REQUEST_BODY")
    assert said == b'{"why": "[object has missing required properties (["name"])]"}'
    assert apis.ask("/dev/pets?kind=dog", "POST", '{"name": "x"}', **json_body)[0] == 200

    plan = apis.v1.create_usage_plan(
        name="few", apiStages=[{"apiId": apis.api, "stage": "dev"}], quota={"limit": 3, "period": "MONTH"}
    )["id"]
    key = apis.v1.create_api_key(name="mine", enabled=True)
    assert apis.refused("/dev/keyed") == (403, "ForbiddenException", {"message": "Forbidden"})
    assert apis.refused("/dev/keyed", X_Api_Key=key["value"])[0] == 403  # a key of no plan
    apis.v1.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    assert [apis.ask("/dev/keyed", X_Api_Key=key["value"])[0] for _ in range(3)] == [200, 200, 200]
    assert apis.refused("/dev/keyed", X_Api_Key=key["value"]) == (
        429, "LimitExceededException", {"message": "Limit Exceeded"},
    )  # fmt: skip
    more = [{"op": "replace", "path": "/remaining", "value": "1"}]
    apis.v1.update_usage(usagePlanId=plan, keyId=key["id"], patchOperations=more)
    assert [apis.ask("/dev/keyed", X_Api_Key=key["value"])[0] for _ in range(2)] == [200, 429]
    began = apis.v1.get_stage(restApiId=apis.api, stageName="dev")["createdDate"].astimezone(UTC).date()
    days = {"startDate": str(began), "endDate": str(began + timedelta(days=1))}
    used = apis.v1.get_usage(usagePlanId=plan, **days)["items"][key["id"]]
    assert (sum(count for count, _ in used), used[-1][1]) == (4, 0)
    off = [{"op": "replace", "path": "/enabled", "value": "false"}]
    apis.v1.update_api_key(apiKey=key["id"], patchOperations=off)
    assert apis.refused("/dev/keyed", X_Api_Key=key["value"])[0] == 403

    limits = [("throttling/rateLimit", "0.01"), ("throttling/burstLimit", "2")]
    patch = [{"op": "replace", "path": f"/~1few/GET/{name}", "value": value} for name, value in limits]
    stage = apis.v1.update_stage(restApiId=apis.api, stageName="dev", patchOperations=patch)
    assert stage["methodSettings"]["few/GET"]["throttlingBurstLimit"] == 2
    assert [apis.ask("/dev/few")[0] for _ in range(2)] == [200, 200]
    assert apis.refused("/dev/few") == (429, "TooManyRequestsException", {"message": "Too Many Requests"})
    assert refusal(apis.v1.delete_stage, restApiId=apis.api, stageName="dev")[0] == "BadRequestException"


def test_binary_bodies_compression_time_and_canaries(apis):
    uri, _ = apis.function(), apis.make(binaryMediaTypes=["image/*"], minimumCompressionSize=100)
    apis.method(apis.resource("{proxy+}"), "ANY", integration=proxy(uri))
    apis.method(apis.resource("slow"), integration={**proxy(uri), "timeoutInMillis": 500})
    apis.mock(apis.root, body='{"v": "$stageVariables.v"}')
    apis.deploy(variables={"v": "old"})
    picture = apis.ask("/dev/picture", "POST", b"\xff\x00", Content_Type="image/png", Accept="image/png")
    assert (picture[0], picture[2]) == (200, b"\x89PNG\xff\x00")
    as_text = apis.ask("/dev/picture", "POST", b"\xff\x00", Content_Type="image/png", Accept="text/plain")[2]
    assert base64.b64decode(as_text) == b"\x89PNG\xff\x00"
    status, headers, packed = apis.ask("/dev/x", Accept_Encoding="gzip")
    assert (status, headers["content-encoding"]) == (201, "gzip")
    assert json.loads(gzip.decompress(packed))["path"] == "/x"
    body = gzip.compress(b'{"a": 1}')
    assert (
        apis.ask("/dev/x", "POST", body, Content_Encoding="gzip", Content_Type="application/json")[2]["body"]
        == '{"a": 1}'
    )
    assert apis.refused("/dev/slow") == (
        504, "InternalServerErrorException", {"message": "Endpoint request timed out"},
    )  # fmt: skip

    apis.mock(apis.resource("new"), body='{"v": "$stageVariables.v"}')
    apis.deploy(canarySettings={"percentTraffic": 100.0, "stageVariableOverrides": {"v": "new"}})
    assert apis.ask("/dev/new")[2] == {"v": "new"}
    assert apis.ask("/dev")[2] == {"v": "new"}
    promote = [{"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
               {"op": "remove", "path": "/canarySettings"}]  # fmt: skip
    stage = apis.v1.update_stage(restApiId=apis.api, stageName="dev", patchOperations=promote)
    assert "canarySettings" not in stage
    assert apis.ask("/dev/new")[2] == {"v": "old"}


def test_a_stages_cache_keeps_responses(apis):
    apis.make()
    key = "method.request.querystring.q"
    kept = {**mock(), "cacheKeyParameters": [key]}
    pets = apis.resource("pets")
    for method in ("GET", "POST"):
        apis.mock(
            pets, method, body='"$context.requestId"', integration=kept, requestParameters={key: False}
        )  # fmt: skip
    apis.deploy(cacheClusterEnabled=True, cacheClusterSize="0.5")

    def change(**settings):
        names = {"enabled": "true", **settings}
        patch = [{"op": "replace", "path": f"/*/*/caching/{name}", "value": value} for name, value in names.items()]
        return apis.v1.update_stage(restApiId=apis.api, stageName="dev", patchOperations=patch)

    def seen(path="/dev/pets?q=1", times=2, method="GET", **headers):
        return len({apis.ask(path, method, **headers)[2] for _ in range(times)})

    assert seen() == 2
    stage = change(ttlInSeconds="3600")
    assert (stage["cacheClusterStatus"], stage["methodSettings"]["*/*"]["cachingEnabled"]) == ("AVAILABLE", True)
    first = apis.ask("/dev/pets?q=1")[2]
    assert apis.ask("/dev/pets?q=1&other=2")[2] == first
    assert apis.ask("/dev/pets?q=2")[2] != first
    assert seen(method="POST") == 2  # a setting for all methods is about GET alone
    status, headers, said = apis.ask("/dev/pets?q=1", Cache_Control="max-age=0")
    assert (status, said) == (200, first)
    assert headers["warning"].startswith("199")
    change(unauthorizedCacheControlHeaderStrategy="FAIL_WITH_403")
    assert apis.refused("/dev/pets?q=1", Cache_Control="max-age=0")[0] == 403
    change(requireAuthorizationForCacheControl="false")
    assert apis.ask("/dev/pets?q=1", Cache_Control="max-age=0")[2] != first
    again = apis.ask("/dev/pets?q=1")[2]
    apis.v1.flush_stage_cache(restApiId=apis.api, stageName="dev")
    assert apis.ask("/dev/pets?q=1")[2] != again


def test_logs_and_metrics(apis):
    apis.make()
    apis.mock(apis.root)
    apis.deploy()
    logs = apis.client("logs")
    logs.create_log_group(logGroupName="access")
    role = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": f"arn:aws:iam::{apis.account}:role/logs"}]
    apis.v1.update_account(patchOperations=role)
    arn = f"arn:aws:logs:us-east-1:{apis.account}:log-group:access"
    patch = [
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": arn},
        {"op": "replace", "path": "/accessLogSettings/format",
         "value": "$context.httpMethod $context.resourcePath $context.status $context.error.message"},
        {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"},
    ]  # fmt: skip
    apis.v1.update_stage(restApiId=apis.api, stageName="dev", patchOperations=patch)
    assert apis.ask("/dev")[0] == 200
    assert apis.ask("/dev/none")[0] == 403

    def events(group):
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        found = [logs.get_log_events(logGroupName=group, logStreamName=each["logStreamName"]) for each in streams]
        return [event["message"] for each in found for event in each["events"]]

    assert sorted(events("access")) == ["GET - 403 Missing Authentication Token", "GET / 200 -"]
    execution = events(f"API-Gateway-Execution-Logs_{apis.api}/dev")
    assert any(each.endswith("HTTP Method: GET, Resource Path: /") for each in execution)
    assert any(each.endswith("Method completed with status: 200") for each in execution)
    metrics = apis.client("cloudwatch").list_metrics(Namespace="AWS/ApiGateway")["Metrics"]
    assert {each["MetricName"] for each in metrics} >= {"Count", "4XXError", "5XXError", "Latency"}


def test_definitions_go_in_and_come_out(apis):
    uri = apis.function()
    apis.make()
    paths = {f"/p{number}": {"get": {
        "responses": {"200": {"description": "ok"}},
        "x-amazon-apigateway-integration": {
            "type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200",
                                      "responseTemplates": {"application/json": f'{{"n": {number}}}'}}}}}}
        for number in range(297)}  # fmt: skip
    paths["/pets/{id}"] = {"post": {
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
        "responses": {"200": {"description": "ok"}},
        "security": [{"auth": []}], "x-amazon-apigateway-request-validator": "body",
        "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}}}  # fmt: skip
    document = {
        "openapi": "3.0.1", "info": {"title": "pets", "version": "1"}, "paths": paths,
        "x-amazon-apigateway-request-validators": {
            "body": {"validateRequestBody": True, "validateRequestParameters": False}},
        "components": {
            "schemas": {"Pet": {"type": "object", "required": ["parents"], "properties": {
                "parents": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}}}},
            "securitySchemes": {"auth": {
                "type": "apiKey", "in": "header", "name": "Authorization", "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": uri}}}},
    }  # fmt: skip
    apis.v1.put_rest_api(restApiId=apis.api, mode="overwrite", body=json.dumps(document).encode())
    pages = apis.v1.get_paginator("get_resources").paginate(restApiId=apis.api)
    found = [each["path"] for page in pages for each in page["items"]]
    assert len(found) == 300  # 299 and the root
    apis.deploy()
    assert apis.ask("/dev/p296")[2] == {"n": 296}
    json_body = {"Content_Type": "application/json", "Authorization": "ok"}
    assert apis.refused("/dev/pets/1", "POST", "{}", **json_body)[0] == 400
    assert apis.refused("/dev/pets/1", "POST", '{"parents": [{}]}', **json_body)[0] == 400
    assert apis.ask("/dev/pets/1", "POST", '{"parents": []}', **json_body)[0] == 201

    for kind in ("oas30", "swagger"):
        exported = apis.v1.get_export(
            restApiId=apis.api, stageName="dev", exportType=kind, accepts="application/yaml",
            parameters={"extensions": "apigateway"},
        )["body"].read()  # fmt: skip
        again = Apis(apis.kunren, apis.account, apis.until)
        again.api = apis.v1.import_rest_api(body=exported)["id"]
        again.deploy()
        assert again.ask("/dev/p1")[2] == {"n": 1}
        assert again.refused("/dev/pets/1", "POST", '{"parents": [{}]}', **json_body)[0] == 400
        assert again.ask("/dev/pets/1", "POST", '{"parents": []}', **json_body)[0] == 201

    before = apis.v1.get_rest_apis(limit=500)["items"]
    for bad in (b"{", b"[]", b'{"openapi": "3.0.1", "info": {"title": "x"}, "paths": {"/a": {"get": 3}}}',
                b"a: " + b"[" * 10_000, b"x: &x [*x]", b"#" * (6 * 1024 * 1024 + 1)):  # fmt: skip
        assert refusal(apis.v1.import_rest_api, body=bad)[0] == "BadRequestException"
    many = {**document, "paths": {**paths, "/one": {}, "/two": {}}}
    code, text = refusal(apis.v1.import_rest_api, body=json.dumps(many).encode())
    assert (code, "Maximum number of resources" in text) == ("LimitExceededException", True)
    assert [each["id"] for each in apis.v1.get_rest_apis(limit=500)["items"]] == [each["id"] for each in before]


def test_refusals_are_awss_and_change_nothing(apis):
    apis.make()
    v1, at = apis.v1, {"restApiId": apis.api}
    pets = apis.resource("pets")
    assert refusal(v1.get_rest_api, restApiId="none") == (
        "NotFoundException", f"Invalid API identifier specified {apis.account}:none",
    )  # fmt: skip
    assert refusal(v1.create_resource, **at, parentId=apis.root, pathPart="pets") == (
        "ConflictException", "Another resource with the same parent already has this name: pets",
    )  # fmt: skip
    apis.resource("{id}", pets)
    assert refusal(v1.create_resource, **at, parentId=pets, pathPart="{other}") == (
        "BadRequestException",
        "A sibling ({id}) of this resource already has a variable path part -- only one is allowed",
    )  # fmt: skip
    assert refusal(v1.create_resource, **at, parentId=pets, pathPart="a/b")[0] == "BadRequestException"
    assert refusal(v1.create_resource, **at, parentId="none", pathPart="x") == (
        "NotFoundException", "Invalid Resource identifier specified",
    )  # fmt: skip
    assert refusal(v1.create_deployment, **at) == (
        "BadRequestException", "The REST API doesn't contain any methods",
    )  # fmt: skip
    v1.put_method(**at, resourceId=pets, httpMethod="GET", authorizationType="NONE")
    assert refusal(v1.create_deployment, **at)[1] == "No integration defined for method"
    one = {**at, "resourceId": pets, "httpMethod": "GET"}
    assert refusal(v1.put_method, **one, authorizationType="NONE") == (
        "ConflictException", "Method already exists for this resource",
    )  # fmt: skip
    assert refusal(v1.put_integration, **one, type="HTTP", uri="http://x.test")[1] == (
        "Enumeration value for HttpMethod must be non-empty"
    )
    assert refusal(v1.put_integration, **one, type="HTTP", integrationHttpMethod="GET", uri="x")[1] == (
        "Invalid HTTP endpoint specified for URI"
    )
    assert refusal(v1.put_integration, **one, type="MOCK", timeoutInMillis=30_000)[1] == (
        "Timeout should be between 50 ms and 29000 ms"
    )
    bad = [{"op": "replace", "path": "/wrong", "value": "x"}]
    code, text = refusal(v1.update_rest_api, **at, patchOperations=bad)
    assert code == "BadRequestException"
    assert text.startswith("Invalid patch path '/wrong' specified for op 'replace'. Must be one of: [/name, ")
    for params, named in (({"name": "p", "endpointConfiguration": {"types": ["PRIVATE"]}}, "private endpoint"),):
        code, text = refusal(v1.create_rest_api, **params)
        assert (code, named in text) == ("NotImplemented", True)
    code, text = refusal(v1.create_authorizer, **at, name="pool", type="COGNITO_USER_POOLS", providerARNs=["arn:x"])
    assert (code, "COGNITO_USER_POOLS" in text) == ("NotImplemented", True)
    v1.delete_rest_api(**at)
    assert refusal(v1.get_resources, **at)[0] == "NotFoundException"


def test_the_aws_cli_makes_an_api(apis):
    def aws(*arguments):
        return apis.kunren.exec("aws", *arguments).stdout

    made = json.loads(
        aws("apigateway", "create-rest-api", "--name", "cli", "--endpoint-configuration", "types=REGIONAL")
    )
    apis.api, apis.root = made["id"], made["rootResourceId"]
    at = ("--rest-api-id", made["id"])
    one = (*at, "--resource-id", made["rootResourceId"], "--http-method", "GET")
    aws("apigateway", "put-method", *one, "--authorization-type", "NONE")
    aws("apigateway", "put-integration", *one, "--type", "MOCK", "--request-templates",
        '{"application/json": "{\\"statusCode\\": 200}"}')  # fmt: skip
    aws("apigateway", "put-method-response", *one, "--status-code", "200")
    aws("apigateway", "put-integration-response", *one, "--status-code", "200")
    aws("apigateway", "create-deployment", *at, "--stage-name", "live")
    aws("apigateway", "update-stage", *at, "--stage-name", "live", "--patch-operations",
        "op=replace,path=/variables/a,value=b")  # fmt: skip
    told = json.loads(aws("apigateway", "get-stage", *at, "--stage-name", "live"))
    assert told["variables"] == {"a": "b"}
    assert apis.ask("/live")[0] == 200


def test_a_vpc_link_leads_to_a_network_load_balancer(apis, front, running):
    target = running.target(apis.kunren, "private", (80,), front.subnets[0], front.open)
    balancer = front.balancer(Scheme="internal")
    group = front.group(target)
    front.listen(balancer, group)
    apis.make()
    link = apis.v1.create_vpc_link(name="private", targetArns=[balancer["LoadBalancerArn"]])["id"]
    apis.method(apis.root, integration={
        "type": "HTTP_PROXY", "integrationHttpMethod": "GET", "connectionType": "VPC_LINK",
        "connectionId": "${stageVariables.link}", "uri": f"http://{balancer['DNSName']}/private",
    })  # fmt: skip
    apis.deploy(variables={"link": link})
    front.wait_for(group, "healthy")
    apis.until(lambda: apis.v1.get_vpc_link(vpcLinkId=link)["status"] == "AVAILABLE", "the link", 30)

    def asked():
        status, _, said = apis.ask("/dev")
        return status == 200 and said

    assert apis.until(asked, "the answer of what is private", 30)["path"] == "/private"
    apis.v1.delete_vpc_link(vpcLinkId=link)
    assert apis.refused("/dev")[0] == 500


def test_domain_names_lead_to_stages(apis):
    apis.make()
    apis.mock(apis.resource("pets"), body='{"path": "$context.path", "stage": "$context.stage"}')
    apis.deploy("dev")
    apis.deploy("live")
    name = f"api.{apis.account}.test"
    certificate, key = self_signed(name)
    arn = apis.client("acm").import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    made = apis.v1.create_domain_name(domainName=name, certificateArn=arn, tags={"a": "b"})  # edge-optimized by default
    assert made["distributionDomainName"].endswith(".cloudfront.net")
    assert made["distributionHostedZoneId"] == "Z2FDTNDATAQYW2"
    for base, stage in (("zoo", {"stage": "live"}), ("(none)", {})):
        apis.v1.create_base_path_mapping(domainName=name, basePath=base, restApiId=apis.api, **stage)
    zone = apis.client("route53").create_hosted_zone(Name=name, CallerReference="1")["HostedZone"]["Id"]

    def point(target, hosted_zone):
        alias = {"DNSName": target, "HostedZoneId": hosted_zone, "EvaluateTargetHealth": False}
        record = {"Name": name, "Type": "A", "AliasTarget": alias}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        apis.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)

    def asked(path):
        shown = apis.kunren.exec(
            "curl", "-sSk", "--max-time", "10", f"https://{name}{path}", place="london", check=False
        )
        return shown.stdout

    point(made["distributionDomainName"], made["distributionHostedZoneId"])
    apis.until(lambda: asked("/zoo/pets") == '{"path": "/zoo/pets", "stage": "live"}', "the mapped stage", 30)
    assert asked("/dev/pets") == '{"path": "/dev/pets", "stage": "dev"}'  # without a stage the path names it
    assert asked("/none/pets") == '{"message":"Forbidden"}'

    moved = apis.v1.update_domain_name(domainName=name, patchOperations=[
        {"op": "replace", "path": "/endpointConfiguration/types/EDGE", "value": "REGIONAL"},
        {"op": "replace", "path": "/regionalCertificateArn", "value": arn},
    ])  # fmt: skip
    assert moved["regionalDomainName"].endswith(".execute-api.us-east-1.amazonaws.com")
    point(moved["regionalDomainName"], moved["regionalHostedZoneId"])
    apis.until(lambda: asked("/zoo/pets").endswith('"live"}'), "the same by its regional name", 30)
    assert refusal(apis.v1.delete_rest_api, restApiId=apis.api)[0] == "BadRequestException"
    patch = [{"op": "replace", "path": "/basePath", "value": "park"}]
    apis.v1.update_base_path_mapping(domainName=name, basePath="zoo", patchOperations=patch)
    assert asked("/park/pets") == '{"path": "/park/pets", "stage": "live"}'
    assert apis.client("apigatewayv2").get_api_mappings(DomainName=name)["Items"][0]["ApiId"] == apis.api
    arn = f"arn:aws:apigateway:us-east-1::/domainnames/{name}"
    apis.v1.tag_resource(resourceArn=arn, tags={"c": "d"})
    assert apis.v1.get_tags(resourceArn=arn)["tags"] == {"a": "b", "c": "d"}
    apis.v1.delete_domain_name(domainName=name)
    apis.v1.delete_rest_api(restApiId=apis.api)


STACK = """
Parameters: {Greeting: {Type: String, Default: hello}}
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.11
      Handler: index.handler
      Role: !Sub "arn:aws:iam::${AWS::AccountId}:role/any"
      Code: {ZipFile: "def handler(event, context):\\n    return {'statusCode': 200, 'body': event['resource']}\\n"}
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref Function
      Principal: apigateway.amazonaws.com
      SourceArn: !Sub "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: pets, EndpointConfiguration: {Types: [REGIONAL]}}}
  Pets: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: pets}}
  Pet: {Type: AWS::ApiGateway::Resource, Properties: {RestApiId: !Ref Api, ParentId: !Ref Pets, PathPart: "{proxy+}"}}
  Ask:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Pet
      HttpMethod: ANY
      AuthorizationType: NONE
      Integration:
        Type: AWS_PROXY
        IntegrationHttpMethod: POST
        Uri: !Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
  Greet:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Pets
      HttpMethod: GET
      AuthorizationType: NONE
      ApiKeyRequired: true
      MethodResponses: [{StatusCode: "200"}]
      Integration:
        Type: MOCK
        RequestTemplates: {application/json: '{"statusCode": 200}'}
        IntegrationResponses:
          - {StatusCode: "200", ResponseTemplates: {application/json: !Sub '"${Greeting} $stageVariables.who"'}}
  DeploymentNUMBER: {Type: AWS::ApiGateway::Deployment, DependsOn: [Ask, Greet], Properties: {RestApiId: !Ref Api}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties:
      RestApiId: !Ref Api
      StageName: live
      DeploymentId: !Ref DeploymentNUMBER
      Variables: {who: !Ref Greeting}
      MethodSettings: [{ResourcePath: /*, HttpMethod: "*", ThrottlingRateLimit: 100, ThrottlingBurstLimit: 50}]
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties: {ApiStages: [{ApiId: !Ref Api, Stage: !Ref Stage}], Quota: {Limit: 100, Period: MONTH}}
  Key: {Type: AWS::ApiGateway::ApiKey, Properties: {Enabled: true, Value: key-of-twenty-characters}}
  Member: {Type: AWS::ApiGateway::UsagePlanKey, Properties: {UsagePlanId: !Ref Plan, KeyId: !Ref Key, KeyType: API_KEY}}
Outputs: {Api: {Value: !Ref Api}}
"""


def test_a_stack_makes_changes_and_deletes_an_api(apis):
    stacks, key = apis.client("cloudformation"), "key-of-twenty-characters"

    def settled(wanted):
        def done():
            found = stacks.describe_stacks(StackName=id)["Stacks"][0]
            assert found["StackStatus"] in (wanted, wanted.replace("COMPLETE", "IN_PROGRESS"), "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), [
                (each["LogicalResourceId"], each.get("ResourceStatusReason"))
                for each in stacks.describe_stack_events(StackName=id)["StackEvents"]
                if "FAILED" in each["ResourceStatus"]
            ]  # fmt: skip
            return found["StackStatus"] == wanted and found

        return apis.until(done, wanted, 90)

    id = stacks.create_stack(StackName="pets", TemplateBody=STACK.replace("NUMBER", "1"))["StackId"]
    apis.api = settled("CREATE_COMPLETE")["Outputs"][0]["OutputValue"]
    assert apis.ask("/live/pets/1")[::2] == (200, b"/pets/{proxy+}")
    assert apis.ask("/live/pets", X_Api_Key=key)[2] == "hello hello"
    assert apis.ask("/live/pets")[0] == 403
    stacks.update_stack(
        StackName=id, TemplateBody=STACK.replace("NUMBER", "2"),
        Parameters=[{"ParameterKey": "Greeting", "ParameterValue": "bye"}],
    )  # fmt: skip
    settled("UPDATE_COMPLETE")
    assert apis.ask("/live/pets", X_Api_Key=key)[2] == "bye bye"
    stacks.delete_stack(StackName=id)
    settled("DELETE_COMPLETE")
    assert apis.v1.get_rest_apis()["items"] == []
    assert apis.v1.get_usage_plans()["items"] == []


def self_signed(name):
    """A certificate for the name and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(*form)
