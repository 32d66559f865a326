"""REST APIs as their users have them: boto3 makes them, curl in the world and clients of the host ask."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from rest_api_client import INTERNAL, MISSING, ROLE, Apis, mock, proxy, refusal


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
