"""HTTP APIs as their users have them: boto3 makes them, curl in the world and clients of the host ask."""

import pytest
from botocore.exceptions import ClientError
from calling_apis import Apis


@pytest.fixture
def apis(kunren, account, until):
    return Apis(kunren, account, until)


def refusal(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_quick_create_serves_a_function_on_the_apis_own_name(apis):
    arn = apis.function()
    made = apis.v2.create_api(Name="quick", ProtocolType="HTTP", Target=arn)
    api = made["ApiId"]
    assert made["ApiEndpoint"] == f"https://{apis.host(api)}"
    assert apis.ask(api)[::2] == (500, {"message": "Internal Server Error"})  # the function's policy allows nobody
    apis.allow(api, what="*/$default")

    status, headers, event = apis.ask(api, "/a%20b?x=1&x=2&y=z", headers={"Cookie": "k=v; l=w", "X-One": "1"})
    assert status == 201
    assert (headers["x-own"], headers["set-cookie"]) == ("yes", ["a=1", "b=2"])
    assert headers["content-type"] == "text/plain;charset=UTF-8"
    assert headers["apigw-requestid"] == event["requestContext"]["requestId"]
    assert event["version"] == "2.0"
    assert (event["routeKey"], event["rawPath"], event["rawQueryString"]) == ("$default", "/a b", "x=1&x=2&y=z")
    assert event["queryStringParameters"] == {"x": "1,2", "y": "z"}
    assert event["cookies"] == ["k=v", "l=w"]
    assert event["headers"]["x-one"] == "1"
    assert "cookie" not in event["headers"]
    assert event["requestContext"]["http"]["method"] == "GET"
    assert event["requestContext"]["stage"] == "$default"
    assert apis.ask(api, "/plain")[::2] == (200, {"seen": True})
    assert apis.ask(api, "/broken")[::2] == (500, {"message": "Internal Server Error"})
    assert apis.ask(api, "/bad")[::2] == (500, {"message": "Internal Server Error"})
    assert apis.ask("nobody1234")[::2] == (403, {"message": "Forbidden"})

    # the same by name, address and TLS inside the world; port 80 is closed, as on AWS
    url = f"{made['ApiEndpoint']}/inside"
    asked = apis.kunren.exec("curl", "-sS", "-w", "%{http_code} %{remote_ip}", url, place="tokyo")
    assert asked.stdout.endswith("201 198.19.0.7")
    closed = apis.kunren.run("exec", "--", "curl", "-sS", "-m", "5", url.replace("https", "http"))
    assert closed.returncode == 7

    apis.v2.update_api(ApiId=api, DisableExecuteApiEndpoint=True)
    assert apis.ask(api)[::2] == (404, {"message": "Not Found"})


def test_routes_stages_variables_and_deployments(apis):
    arn, api = apis.function(), apis.api()
    apis.allow(api)
    two = apis.integration(api, arn)
    one = apis.integration(api, arn, PayloadFormatVersion="1.0")
    for key in ("GET /pets/{id}", "GET /pets/dog", "ANY /pets/{proxy+}", "POST /pets/dog"):
        apis.route(api, key, two)
    old = apis.route(api, "GET /old/{name}", one)
    apis.stage(api, "dev", StageVariables={"colour": "blue"})

    def taken(path, method="GET"):
        status, _, event = apis.ask(api, path, method)
        return event["routeKey"] if status == 201 else (status, event)

    assert taken("/dev/pets/dog") == "GET /pets/dog"
    assert taken("/dev/pets/dog", "POST") == "POST /pets/dog"
    assert taken("/dev/pets/7") == "GET /pets/{id}"
    assert taken("/dev/pets/7/toys") == "ANY /pets/{proxy+}"
    assert taken("/dev/pets/7", "PUT") == "ANY /pets/{proxy+}"
    assert taken("/dev/none") == (404, {"message": "Not Found"})
    assert taken("/pets/dog") == (404, {"message": "Not Found"})  # there is no $default stage
    event = apis.ask(api, "/dev/pets/a%2Fb?")[2]
    assert event["pathParameters"] == {"id": "a/b"}
    assert (event["rawPath"], event["stageVariables"]) == ("/dev/pets/a/b", {"colour": "blue"})

    event = apis.ask(api, "/dev/old/x?q=1&q=2", headers={"X-One": "1"}, method="GET")[2]
    assert (event["version"], event["resource"], event["path"]) == ("1.0", "/old/{name}", "/old/x")
    assert event["queryStringParameters"] == {"q": "2"}
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert event["pathParameters"] == {"name": "x"}
    assert event["multiValueHeaders"]["x-one"] == ["1"]
    assert event["requestContext"]["path"] == "/dev/old/x"

    # a stage without automatic deployment serves what was deployed to it
    deployment = apis.v2.create_deployment(ApiId=api)["DeploymentId"]
    apis.stage(api, AutoDeploy=False, DeploymentId=deployment)
    apis.v2.delete_route(ApiId=api, RouteId=old)
    assert apis.ask(api, "/old/x")[0] == 201
    assert taken("/dev/old/x") == (404, {"message": "Not Found"})
    assert refusal(apis.v2.delete_deployment, ApiId=api, DeploymentId=deployment)[0] == "BadRequestException"
    apis.v2.create_deployment(ApiId=api, StageName="$default")
    assert taken("/old/x") == (404, {"message": "Not Found"})

    assert refusal(apis.v2.create_route, ApiId=api, RouteKey="GET /pets/{other}") == (
        "ConflictException", "Route with key GET /pets/{other} already exists for this API",
    )  # fmt: skip
    assert refusal(apis.v2.create_route, ApiId=api, RouteKey="FETCH /x")[0] == "BadRequestException"
    assert refusal(apis.v2.get_api, ApiId="missing")[0] == "NotFoundException"
    code, text = refusal(apis.v2.create_api, Name="ws", ProtocolType="WEBSOCKET", RouteSelectionExpression="$r")
    assert code == "NotImplemented"
    assert "WebSocket" in text


def test_cors_throttling_payload_and_time(apis):
    arn = apis.function()
    rules = {
        "AllowOrigins": ["https://app.test"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-own"], "MaxAge": 60,
    }  # fmt: skip
    api = apis.api(CorsConfiguration=rules)
    apis.allow(api)
    fast, slow = apis.integration(api, arn), apis.integration(api, arn, TimeoutInMillis=300)
    apis.route(api, "GET /few", fast)
    apis.route(api, "POST /much", fast)
    apis.route(api, "GET /slow", slow)
    apis.stage(api, RouteSettings={"GET /few": {"ThrottlingBurstLimit": 2, "ThrottlingRateLimit": 0.01}})

    preflight = {"Origin": "https://app.test", "Access-Control-Request-Method": "GET"}
    status, headers, _ = apis.ask(api, "/few", "OPTIONS", preflight)
    assert status == 204
    assert headers["access-control-allow-origin"] == "https://app.test"
    assert headers["access-control-allow-methods"] == "GET,POST"
    assert headers["access-control-max-age"] == "60"
    status, headers, _ = apis.ask(api, "/few", headers={"Origin": "https://app.test"})
    assert (status, headers["access-control-allow-origin"]) == (201, "https://app.test")
    assert "access-control-allow-origin" not in apis.ask(api, "/few")[1]  # the function's own is not passed on
    assert apis.ask(api, "/few")[::2] == (429, {"message": "Too Many Requests"})

    assert apis.ask(api, "/much", "POST", body=b"x" * 1000)[0] == 201
    assert apis.ask(api, "/much", "POST", body=b"x" * (10 * 1024 * 1024 + 1))[::2] == (
        413, {"message": "Request Entity Too Large"},
    )  # fmt: skip
    assert (
        apis.ask(api, "/much", "POST", {"Content-Type": "image/png"}, b"x" * 5_000_000)[0] == 413
    )  # too much as base64
    assert apis.ask(api, "/slow")[::2] == (503, {"message": "Service Unavailable"})
