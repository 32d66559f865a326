"""Who may ask HTTP APIs, and what is behind them: tokens, functions, signatures, URLs, VPC links, services, documents."""

import base64
import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from calling_apis import Apis
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ISSUER = """
import json


def handler(event, context):
    if event["rawPath"].endswith("configuration"):
        return {"issuer": "%(issuer)s", "jwks_uri": "%(issuer)s/keys"}
    return json.loads('%(keys)s')
"""


@pytest.fixture
def apis(kunren, account, until):
    return Apis(kunren, account, until)


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def token(key, **claims):
    parts = [encoded(json.dumps(each).encode()) for each in ({"alg": "RS256", "kid": "one"}, claims)]
    signature = key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
    return ".".join((*parts, encoded(signature)))


def test_json_web_tokens_of_an_issuer_open_a_route(apis):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    numbers = key.public_key().public_numbers()
    keys = {"keys": [{"kty": "RSA", "kid": "one", "n": number(numbers.n), "e": number(numbers.e)}]}
    provider, api = apis.api(Name="issuer"), apis.api()
    issuer = f"https://{apis.host(provider)}"
    function = apis.function("issuer", ISSUER % {"issuer": issuer, "keys": json.dumps(keys)})
    apis.allow(provider, "issuer")
    apis.route(provider, "$default", apis.integration(provider, function))
    apis.stage(provider)

    echo = apis.integration(api, apis.function())
    apis.allow(api)
    authorizer = apis.v2.create_authorizer(
        ApiId=api, Name="tokens", AuthorizerType="JWT", IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": issuer, "Audience": ["app"]},
    )["AuthorizerId"]  # fmt: skip
    told = {"AuthorizationType": "JWT", "AuthorizerId": authorizer}
    apis.route(api, "GET /any", echo, **told)
    apis.route(api, "GET /admin", echo, AuthorizationScopes=["admin"], **told)
    apis.stage(api)

    def ask(path, **claims):
        given = {"iss": issuer, "aud": "app", "exp": 4_000_000_000, "sub": "kim", "groups": ["a", "b"], **claims}
        return apis.ask(api, path, headers={"Authorization": f"Bearer {token(key, **given)}"})

    status, _, event = ask("/any", scope="read")
    assert status == 201
    jwt = event["requestContext"]["authorizer"]["jwt"]
    assert (jwt["claims"]["sub"], jwt["claims"]["groups"], jwt["claims"]["exp"]) == ("kim", "[a b]", "4000000000")
    assert jwt["scopes"] is None
    assert ask("/admin", scope="read admin")[2]["requestContext"]["authorizer"]["jwt"]["scopes"] == ["admin"]
    status, headers, body = ask("/admin", scope="read")
    assert (status, body) == (403, {"message": "Forbidden"})
    assert 'error="insufficient_scope"' in headers["www-authenticate"]
    status, headers, body = ask("/any", exp=1)
    assert (status, body) == (401, {"message": "Unauthorized"})
    assert headers["www-authenticate"] == (
        'Bearer scope="" error="invalid_token" error_description="the token has expired"'
    )
    assert ask("/any", aud="other")[0] == 401
    assert apis.ask(api, "/any")[::2] == (401, {"message": "Unauthorized"})
    assert apis.ask(api, "/any", headers={"Authorization": "Bearer x.y.z"})[0] == 401


def test_functions_and_signatures_open_routes(apis):
    arn, api = apis.function(), apis.api()
    apis.allow(api)
    echo = apis.integration(api, arn)
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
    authorizer = apis.v2.create_authorizer(
        ApiId=api, Name="function", AuthorizerType="REQUEST", AuthorizerUri=uri, EnableSimpleResponses=True,
        AuthorizerPayloadFormatVersion="2.0", IdentitySource=["$request.header.x-key"],
        AuthorizerResultTtlInSeconds=300,
    )["AuthorizerId"]  # fmt: skip
    apis.route(api, "GET /f", echo, AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    apis.route(api, "GET /iam", echo, AuthorizationType="AWS_IAM")
    apis.stage(api)

    def ask(key):
        return apis.ask(api, "/f", headers={"X-Key": key})

    status, _, event = ask("open")
    assert status == 201
    first = event["requestContext"]["authorizer"]["lambda"]
    assert first["who"] == "someone"
    assert ask("open")[2]["requestContext"]["authorizer"]["lambda"] == first  # it was kept, not asked again
    apis.v2.reset_authorizers_cache(ApiId=api, StageName="$default")
    assert ask("open")[2]["requestContext"]["authorizer"]["lambda"] != first
    assert ask("closed")[::2] == (403, {"message": "Forbidden"})
    assert ask("break")[::2] == (500, {"message": "Internal Server Error"})
    assert apis.ask(api, "/f")[::2] == (401, {"message": "Unauthorized"})

    assert apis.ask(api, "/iam")[::2] == (403, {"message": "Forbidden"})
    signed = ("--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", f"{apis.account}:secret")
    event = json.loads(apis.kunren.exec("curl", "-sS", *signed, f"https://{apis.host(api)}/iam").stdout)
    assert event["requestContext"]["authorizer"]["iam"]["accountId"] == apis.account


def test_urls_and_private_load_balancers_are_asked_with_mapped_parameters(apis):
    behind, api = apis.api(Name="behind"), apis.api()
    apis.route(behind, "$default", apis.integration(behind, apis.function()))
    apis.allow(behind)
    apis.stage(behind)
    url = f"https://{apis.host(behind)}"
    passed = apis.integration(
        api, f"{url}/base/{{proxy}}?own=1", IntegrationType="HTTP_PROXY", IntegrationMethod="ANY",
        PayloadFormatVersion="1.0",
        RequestParameters={
            "append:header.x-stage": "$context.stage", "overwrite:querystring.q": "${request.querystring.q}!",
            "remove:header.x-gone": "''",
        },
        ResponseParameters={
            "201": {"overwrite:statuscode": "202", "append:header.x-sub": "$response.body.rawPath"},
        },
    )  # fmt: skip
    apis.route(api, "ANY /{proxy+}", passed)
    dead = apis.integration(
        api, "http://nobody.test/", IntegrationType="HTTP_PROXY", IntegrationMethod="GET", PayloadFormatVersion="1.0"
    )
    apis.route(api, "GET /dead", dead)
    apis.stage(api, "s")
    status, headers, event = apis.ask(
        api, "/s/a%20b/c?q=1", "POST", {"X-Gone": "1", "X-Kept": "2", "Content-Type": "text/plain"}, b"hello"
    )
    assert (status, headers["x-sub"]) == (202, "/base/a b/c")
    assert (event["rawQueryString"], event["body"]) == ("own=1&q=1%21", "hello")
    assert event["headers"]["x-stage"] == "s"
    assert event["headers"]["x-kept"] == "2"
    assert "x-gone" not in event["headers"]
    assert event["headers"]["host"] == apis.host(behind)
    assert event["headers"]["via"] == "HTTP/1.1 AmazonAPIGateway"
    assert event["requestContext"]["http"]["sourceIp"].startswith("198.19.")
    assert apis.ask(api, "/s/dead")[::2] == (503, {"message": "Service Unavailable"})

    # an internal load balancer whose group lets in the VPC link's alone
    ec2, elb = apis.client("ec2"), apis.client("elbv2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
    link_group, group = (
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"] for name in ("link", "inner")
    )
    balancer = elb.create_load_balancer(Name="inner", Subnets=subnets, SecurityGroups=[group], Scheme="internal")
    fixed = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": "from inside"}
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"], Port=80, Protocol="HTTP",
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": fixed}],
    )["Listeners"][0]["ListenerArn"]  # fmt: skip
    link = apis.v2.create_vpc_link(Name="link", SubnetIds=subnets, SecurityGroupIds=[link_group])["VpcLinkId"]
    apis.until(lambda: apis.v2.get_vpc_link(VpcLinkId=link)["VpcLinkStatus"] == "AVAILABLE", "the VPC link", 30)
    private = apis.integration(
        api, listener, IntegrationType="HTTP_PROXY", IntegrationMethod="ANY", PayloadFormatVersion="1.0",
        ConnectionType="VPC_LINK", ConnectionId=link, TimeoutInMillis=1000,
    )  # fmt: skip
    apis.route(api, "GET /private", private)
    assert apis.ask(api, "/s/private")[0] == 503  # the group lets nobody in
    pair = {"UserIdGroupPairs": [{"GroupId": link_group}]}
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, **pair}]
    )
    apis.until(lambda: apis.ask(api, "/s/private")[::2] == (200, b"from inside"), "an answer from inside", 30)
    with pytest.raises(ClientError, match="is used by an integration"):
        apis.v2.delete_vpc_link(VpcLinkId=link)
    apis.v2.delete_api(ApiId=api)
    apis.v2.delete_vpc_link(VpcLinkId=link)
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"])


def test_network_load_balancers_are_reached_through_vpc_links(apis, front, running):
    target = running.target(apis.kunren, "web", (80,), front.subnets[0], front.open)
    listener = front.listen(front.balancer("inner", Scheme="internal"), front.group(target), 8080)
    api, groups = apis.api(), [front.open]
    link = apis.v2.create_vpc_link(Name="link", SubnetIds=front.subnets, SecurityGroupIds=groups)["VpcLinkId"]
    private = apis.integration(
        api, listener, IntegrationType="HTTP_PROXY", IntegrationMethod="ANY", PayloadFormatVersion="1.0",
        ConnectionType="VPC_LINK", ConnectionId=link, RequestParameters={"overwrite:path": "/inner${request.path}"},
    )  # fmt: skip
    apis.route(api, "$default", private)
    apis.stage(api, "dev")
    apis.until(lambda: apis.ask(api, "/dev/hello?x=1")[0] == 200, "an answer from inside", 60)
    assert apis.ask(api, "/dev/hello?x=1")[2]["path"] == "/inner/hello?x=1"
    apis.v2.delete_api(ApiId=api)
    apis.v2.delete_vpc_link(VpcLinkId=link)


def test_operations_of_services_and_access_logs(apis):
    api, queue = apis.api(), apis.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
    role = f"arn:aws:iam::{apis.account}:role/any"
    send = apis.integration(
        api, None, IntegrationSubtype="SQS-SendMessage", CredentialsArn=role, PayloadFormatVersion="1.0",
        RequestParameters={"QueueUrl": queue, "MessageBody": "$request.body.order"},
    )  # fmt: skip
    apis.route(api, "POST /orders", send)
    logs = apis.client("logs")
    logs.create_log_group(logGroupName="access")
    form = '{"id":"$context.requestId","route":"$context.routeKey","status":"$context.status","who":"$context.none"}'
    group = f"arn:aws:logs:us-east-1:{apis.account}:log-group:access"
    apis.stage(api, AccessLogSettings={"DestinationArn": group, "Format": form})

    status, headers, said = apis.ask(api, "/orders", "POST", body=json.dumps({"order": {"id": 7}}).encode())
    assert (status, "MessageId" in said) == (200, True)
    assert apis.ask(api, "/orders", "POST", body=b"{}")[0] == 400
    (message,) = apis.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == '{"id":7}'
    lines = [json.loads(each["message"]) for each in logs.filter_log_events(logGroupName="access")["events"]]
    assert lines[0] == {"id": headers["apigw-requestid"], "route": "POST /orders", "status": "200", "who": "-"}
    assert lines[1]["status"] == "400"
    now = datetime.now(UTC)
    counted = apis.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ApiGateway", MetricName="4xx", Dimensions=[{"Name": "ApiId", "Value": api}], Period=86_400 * 30,
        StartTime=now - timedelta(days=30), EndTime=now + timedelta(days=30), Statistics=["Sum", "SampleCount"],
    )["Datapoints"]  # fmt: skip
    assert sum(each["SampleCount"] for each in counted) == 2
    assert sum(each["Sum"] for each in counted) == 1


def test_documents_come_in_and_go_out(apis, tmp_path):
    arn = apis.function()
    source = {
        "openapi": "3.0.1",
        "info": {"title": "pets", "version": "2"},
        "paths": {
            "/pets/{id}": {"get": {"x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/f"}}},
            "/$default": {
                "x-amazon-apigateway-any-method": {
                    "x-amazon-apigateway-integration": {
                        "type": "http_proxy", "httpMethod": "ANY", "uri": "https://target.test", "payloadFormatVersion": "1.0",
                    }
                }
            },
        },
        "components": {
            "x-amazon-apigateway-integrations": {
                "f": {"type": "aws_proxy", "httpMethod": "POST", "uri": arn, "payloadFormatVersion": "2.0"}
            }
        },
        "x-amazon-apigateway-cors": {"allowOrigins": ["*"]},
    }  # fmt: skip
    file = tmp_path / "api.json"
    file.write_text(json.dumps(source))
    cli = ("env", f"AWS_ACCESS_KEY_ID={apis.account}", "aws", "--output", "json", "apigatewayv2")
    made = json.loads(apis.kunren.exec(*cli, "import-api", "--body", f"file://{file}").stdout)
    api = made["ApiId"]
    assert (made["Name"], made["Version"], made["CorsConfiguration"]) == ("pets", "2", {"AllowOrigins": ["*"]})
    apis.allow(api)
    apis.stage(api)
    assert apis.ask(api, "/pets/7")[2]["pathParameters"] == {"id": "7"}
    assert sorted(each["RouteKey"] for each in apis.v2.get_routes(ApiId=api)["Items"]) == ["$default", "GET /pets/{id}"]

    exported = apis.v2.export_api(ApiId=api, Specification="OAS30", OutputType="JSON", StageName="$default")[
        "body"
    ].read()
    document = json.loads(exported)
    assert document["paths"]["/pets/{id}"]["get"]["x-amazon-apigateway-integration"]["uri"] == arn
    again = apis.v2.import_api(Body=exported.decode())["ApiId"]
    yaml = apis.v2.export_api(ApiId=api, Specification="OAS30", OutputType="YAML")["body"].read().decode()
    del document["servers"], document["info"]
    other = json.loads(apis.v2.export_api(ApiId=again, Specification="OAS30", OutputType="JSON")["body"].read())
    assert {name: other[name] for name in document} == document
    apis.v2.reimport_api(ApiId=again, Body=yaml.replace("/pets/{id}", "/cats/{id}"))
    assert "GET /cats/{id}" in {each["RouteKey"] for each in apis.v2.get_routes(ApiId=again)["Items"]}
    for bad in ("", "[", "openapi: 2.0", '{"openapi": "3.0.1", "info": {"title": "x"}, "paths": []}', "a: &a [*a]"):
        with pytest.raises(ClientError, match="BadRequestException"):
            apis.v2.reimport_api(ApiId=again, Body=bad or " ")
    assert len(apis.v2.get_routes(ApiId=again)["Items"]) == 2


def test_custom_domains_lead_to_apis_and_may_want_certificates(apis, tmp_path):
    arn, api = apis.function(), apis.api()
    apis.allow(api)
    apis.route(api, "ANY /{proxy+}", apis.integration(api, arn))
    apis.stage(api)
    apis.stage(api, "v1")

    def made(*command):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    name = f"api-{apis.account}.test"
    made("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-keyout", "key.pem", "-out",
         "cert.pem", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},DNS:*.{name}")  # fmt: skip
    made("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-keyout", "ca.key", "-out",
         "ca.pem", "-subj", "/CN=clients")  # fmt: skip
    made("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "me.key", "-out", "me.csr", "-subj", "/CN=me")
    made(
        "openssl", "x509", "-req", "-in", "me.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "me.pem", "-days", "9"
    )
    read = lambda file: (tmp_path / file).read_bytes()  # noqa: E731
    certificate = apis.client("acm").import_certificate(Certificate=read("cert.pem"), PrivateKey=read("key.pem"))
    given = [{"CertificateArn": certificate["CertificateArn"], "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}]
    with pytest.raises(ClientError, match="BadRequestException"):
        apis.v2.create_domain_name(DomainName=name, DomainNameConfigurations=[{**given[0], "CertificateArn": "arn:x"}])
    told = apis.v2.create_domain_name(DomainName=name, DomainNameConfigurations=given)["DomainNameConfigurations"][0]
    assert (told["HostedZoneId"], told["DomainNameStatus"]) == ("Z1UJRXOUMOOFQ8", "AVAILABLE")
    apis.v2.create_api_mapping(DomainName=name, ApiId=api, Stage="$default")
    mapping = apis.v2.create_api_mapping(DomainName=name, ApiId=api, Stage="v1", ApiMappingKey="one/two")
    assert apis.client("acm").describe_certificate(CertificateArn=certificate["CertificateArn"])["Certificate"][
        "InUseBy"
    ] == [f"arn:aws:apigateway:us-east-1::/domainnames/{name}"]
    with pytest.raises(ClientError, match="ConflictException"):
        apis.v2.create_api_mapping(DomainName=name, ApiId=api, Stage="v1")
    with pytest.raises(ClientError, match="BadRequestException"):
        apis.v2.delete_api(ApiId=api)

    assert apis.ask(name, "/one/x")[2]["requestContext"]["stage"] == "$default"
    event = apis.ask(name, "/one/two/x")[2]
    assert (event["requestContext"]["stage"], event["pathParameters"]) == ("v1", {"proxy": "x"})
    assert event["rawPath"] == "/one/two/x"
    assert apis.ask(f"other.{name}", "/x")[0] != 201

    # in the world: by the name that AWS gives it, as an alias would lead there
    curl = (
        "curl",
        "-sS",
        "--cacert",
        str(tmp_path / "cert.pem"),
        "--connect-to",
        f"::{told['ApiGatewayDomainName']}:443",
    )
    url = f"https://{name}/one/two/x"
    assert json.loads(apis.kunren.exec(*curl, url).stdout)["requestContext"]["domainName"] == name

    s3 = apis.client("s3")
    s3.create_bucket(Bucket=f"trust-{apis.account}")
    s3.put_object(Bucket=f"trust-{apis.account}", Key="ca.pem", Body=read("ca.pem"))
    uri = f"s3://trust-{apis.account}/ca.pem"
    apis.v2.update_domain_name(DomainName=name, MutualTlsAuthentication={"TruststoreUri": uri})
    identity = ("--cert", str(tmp_path / "me.pem"), "--key", str(tmp_path / "me.key"))
    event = json.loads(apis.kunren.exec(*curl, *identity, url).stdout)
    assert event["requestContext"]["authentication"]["clientCert"]["subjectDN"] == "CN=me"
    stranger = ("--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem"))
    for wrong in ((), stranger):
        assert apis.kunren.run("exec", "--", *curl, *wrong, url).returncode in (16, 35, 52, 55, 56)
    assert apis.ask(name, "/x")[::2] == (403, {"message": "Forbidden"})  # nor by the gateway's port
    apis.v2.delete_api_mapping(DomainName=name, ApiMappingId=mapping["ApiMappingId"])
    apis.v2.delete_domain_name(DomainName=name)
    assert apis.ask(name, "/x")[0] != 201
