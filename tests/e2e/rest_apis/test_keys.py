"""Who may ask a REST API, and how often: authorizers, resource policies, keys, quotas, throttles and validation."""

import json
from datetime import UTC, timedelta

from rest_api_client import MISSING, proxy, refusal


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
