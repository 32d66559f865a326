"""Strict mode's temporary credentials: those of roles, sessions, functions and programs, and what stays after a crash."""

import io
import json
import os
import signal
import zipfile

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from strict_client import ACCOUNT, AWS, asked, document, refused, session, statement, trust

pytestmark = pytest.mark.xdist_group("strict")


SPEED = 200


def test_a_role_is_assumed_by_whom_it_trusts_within_its_session_policy_until_it_ends(strict, bucket, until):
    iam = strict.client("iam")
    name, keys = strict.user()
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    outside = {"StringEquals": {"sts:ExternalId": "told"}}
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust({"AWS": arn}, Condition=outside))["Role"]
    iam.put_role_policy(RoleName="reader", PolicyName="own", PolicyDocument=document(statement("s3:*")))
    sts = strict.client("sts", keys)
    given = {"RoleArn": role["Arn"], "RoleSessionName": "one"}
    assert refused(sts.assume_role, **given) == (
        "AccessDenied", f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {role['Arn']}", 403,
    )  # fmt: skip
    assert refused(sts.assume_role, RoleArn=f"{role['Arn']}2", RoleSessionName="one")[0] == "AccessDenied"
    root = strict.client("sts")
    assert refused(root.assume_role, **given)[1] == "Roles may not be assumed by root accounts."
    narrowed = document(statement("s3:GetObject", f"arn:aws:s3:::{bucket}/a/*"))
    answer = sts.assume_role(**given, ExternalId="told", Policy=narrowed, DurationSeconds=43200)
    assumed = session(answer)
    me = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/one"
    s3 = strict.client("s3", assumed)
    assert strict.client("sts", assumed).get_caller_identity()["Arn"] == me
    assert s3.get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
    told = refused(s3.put_object, Bucket=bucket, Key="a/key", Body=b"")[1]
    assert told.startswith(f"User: {me} is not authorized to perform: s3:PutObject")
    assert told.endswith("because no session policy allows the s3:PutObject action")
    assert refused(strict.client("s3", assumed[:2]).list_buckets)[0] == "InvalidToken"
    assert refused(strict.client("sts", assumed[:2]).get_caller_identity)[0] == "InvalidClientTokenId"
    assumed = session(sts.assume_role(**given, ExternalId="told", DurationSeconds=900))
    s3 = strict.client("s3", assumed)
    until(lambda: _code(s3.get_object, Bucket=bucket, Key="a/key") == "ExpiredToken", "the session's end")
    assert _code(strict.client("sts", assumed).get_caller_identity) == "ExpiredToken"
    assert _code(strict.client("lambda", assumed).list_functions) == "ExpiredTokenException"
    assert _code(strict.client("ec2", assumed).describe_vpcs) == "RequestExpired"


def _code(call, **given):
    try:
        call(**given)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def test_session_and_federation_tokens_are_those_of_who_asked(strict, bucket):
    name, keys = strict.user(statement("s3:GetObject"), statement("sts:GetFederationToken"))
    sts = strict.client("sts", keys)
    given = session(sts.get_session_token())
    assert given[0] != "AKIAIOSFODNN7EXAMPLE"
    assert strict.client("sts", given).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    assert strict.client("s3", given).get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
    policy = document(statement("s3:*", f"arn:aws:s3:::{bucket}/a/*"))
    federated = session(sts.get_federation_token(Name="pat", Policy=policy))
    s3 = strict.client("s3", federated)
    assert s3.get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
    told = refused(s3.put_object, Bucket=bucket, Key="a/key", Body=b"")[1]
    assert told.startswith(f"User: arn:aws:sts::{ACCOUNT}:federated-user/pat is not authorized")
    assert told.endswith("because no identity-based policy allows the s3:PutObject action")
    of_root = strict.client("sts").get_federation_token
    given = session(of_root(Name="root", Policy=document(statement("s3:GetObject"))))
    assert strict.client("sts", given).get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/root"
    assert strict.client("s3", given).get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
    assert refused(strict.client("s3", given).put_object, Bucket=bucket, Key="a/key", Body=b"")[0] == "AccessDenied"
    assert refused(strict.client("s3", session(of_root(Name="bare"))).list_buckets)[0] == "AccessDenied"


HANDLER = """
import boto3
def handler(event, context):
    try:
        body = boto3.client("s3").get_object(Bucket=event["bucket"], Key="a/key")["Body"].read().decode()
    except Exception as error:
        body = str(error)
    return [boto3.client("sts").get_caller_identity()["Arn"], body]
"""


def test_functions_and_programs_have_their_roles_credentials(strict, bucket):
    iam, functions = strict.client("iam"), strict.client("lambda")
    role = iam.create_role(
        RoleName="function", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"})
    )["Role"]["Arn"]  # fmt: skip
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", HANDLER)
    code = {"ZipFile": archive.getvalue()}
    creating = {"FunctionName": "f", "Role": role, "Runtime": "python3.11", "Handler": "app.handler", "Code": code,
                "Timeout": 60}  # fmt: skip
    name, keys = strict.user(statement("lambda:*"))
    told = refused(strict.client("lambda", keys).create_function, **creating)
    assert told[0] == "AccessDeniedException"
    assert f"is not authorized to perform: iam:PassRole on resource: {role} because no identity-based" in told[1]
    passing = statement(
        "iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    )
    strict.allow(name, statement("lambda:*"), passing)
    strict.client("lambda", keys).create_function(**creating)
    functions.get_waiter("function_active_v2").wait(FunctionName="f")

    def invoked():
        payload = json.dumps({"bucket": bucket}).encode()
        return json.loads(functions.invoke(FunctionName="f", Payload=payload)["Payload"].read())

    me = f"arn:aws:sts::{ACCOUNT}:assumed-role/function/f"
    arn, body = invoked()
    assert arn == me
    assert f"User: {me} is not authorized to perform: s3:GetObject" in body
    iam.put_role_policy(RoleName="function", PolicyName="own", PolicyDocument=document(statement("s3:GetObject")))
    assert invoked() == [me, "content"]

    kunren = strict.kunren
    shown = kunren.run("exec", "--role", role, "--", AWS, "sts", "get-caller-identity", "--query", "Arn", "--output",
                       "text", check=True).stdout.strip()  # fmt: skip
    assert shown == f"arn:aws:sts::{ACCOUNT}:assumed-role/function/kunren-exec"
    nobody = kunren.run("exec", "--role", "nobody", "--", "true")
    assert (nobody.returncode, "there is no role arn:aws:iam::000000000000:role/nobody" in nobody.stderr) == (1, True)


def test_stacks_are_watched_by_their_accounts_root(strict):
    queue = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    strict.client("cloudformation").create_stack(StackName="watched", TemplateBody=queue)
    seen = strict.kunren.run("stack", "watch", "watched", "--account", ACCOUNT)
    assert "CREATE_COMPLETE      Queue (AWS::SQS::Queue)" in seen.stdout, seen.stderr
    assert seen.returncode == 0


def test_function_urls_and_http_apis_ask_for_signatures_and_policies(strict):
    functions = strict.client("lambda")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "def handler(event, context):\n"
                      "    return event['requestContext']['authorizer']['iam']['userArn']\n")  # fmt: skip
    function = functions.create_function(
        FunctionName="url", Role=f"arn:aws:iam::{ACCOUNT}:role/function", Runtime="python3.11", Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]  # fmt: skip
    functions.get_waiter("function_active_v2").wait(FunctionName="url")
    url = functions.create_function_url_config(FunctionName="url", AuthType="AWS_IAM")["FunctionUrl"]
    name, keys = strict.user()

    def call(keys, secret="", url=url, service="lambda"):
        host, request = url.removeprefix("https://").rstrip("/"), AWSRequest("GET", url)
        SigV4Auth(Credentials(keys[0], keys[1] + secret), service, "us-east-1").add_auth(request)
        host, _, path = host.partition("/")
        return asked(f"{strict.endpoint}/{path}", headers={**dict(request.headers.items()), "Host": host})

    assert call(keys)[0] == 403
    assert "does not match" in call(keys, "x")[1]
    strict.allow(name, statement(["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]))
    assert call(keys) == (200, json.dumps(f"arn:aws:iam::{ACCOUNT}:user/{name}"))

    apis = strict.client("apigatewayv2")
    made = apis.create_api(Name="iam", ProtocolType="HTTP", Target=function)
    api, at = made["ApiId"], {"url": f"{made['ApiEndpoint']}/", "service": "execute-api"}
    functions.add_permission(FunctionName="url", StatementId="api", Action="lambda:InvokeFunction",
                             Principal="apigateway.amazonaws.com")  # fmt: skip
    (route,) = apis.get_routes(ApiId=api)["Items"]
    apis.update_route(ApiId=api, RouteId=route["RouteId"], AuthorizationType="AWS_IAM")
    assert call(keys, **at) == (403, '{"message":"Forbidden"}')
    strict.allow(name, statement("execute-api:Invoke", f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api}/*"))
    assert call(keys, **at) == (200, json.dumps(f"arn:aws:iam::{ACCOUNT}:user/{name}"))
    assert call(keys, "x", **at)[0] == 403

    rest = strict.client("apigateway")
    made = rest.create_rest_api(name="iam", endpointConfiguration={"types": ["REGIONAL"]})
    api, one = made["id"], {"restApiId": made["id"], "resourceId": made["rootResourceId"], "httpMethod": "GET"}
    rest.put_method(**one, authorizationType="AWS_IAM")
    rest.put_integration(**one, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    rest.put_method_response(**one, statusCode="200")
    who = {"application/json": "$context.identity.userArn"}
    rest.put_integration_response(**one, statusCode="200", responseTemplates=who)
    rest.create_deployment(restApiId=api, stageName="dev")
    url = f"https://{api}.execute-api.us-east-1.amazonaws.com/dev"
    at = {"url": url, "service": "execute-api"}
    status, text = call(keys, **at)
    assert status == 403
    assert f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: execute-api:Invoke" in text
    assert text.endswith('because no identity-based policy allows the execute-api:Invoke action"}')
    strict.allow(name, statement("execute-api:Invoke", f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{api}/dev/GET/"))
    assert call(keys, **at) == (200, f"arn:aws:iam::{ACCOUNT}:user/{name}")
    assert call(keys, "x", **at)[0] == 403


def test_keys_sessions_and_policies_outlive_a_crash(strict, bucket):
    _, keys = strict.user(statement("s3:GetObject"))
    _, gone = strict.user(statement("s3:GetObject"))
    sts = strict.client("sts", keys)
    token = session(sts.get_session_token(DurationSeconds=129600))
    iam = strict.client("iam")
    iam.update_access_key(UserName=f"user-{strict._users}", AccessKeyId=gone[0], Status="Inactive")
    os.kill(strict.kunren.pid, signal.SIGKILL)
    strict.kunren.up("--strict", "--speed", str(SPEED))
    assert strict.printed_keys(ACCOUNT) == strict.root_keys()
    for each in (keys, token):
        s3 = strict.client("s3", each)
        assert s3.get_object(Bucket=bucket, Key="a/key")["Body"].read() == b"content"
        assert refused(s3.put_object, Bucket=bucket, Key="a/key", Body=b"")[0] == "AccessDenied"
    assert refused(strict.client("s3", gone).list_buckets)[0] == "InvalidAccessKeyId"
    assert strict.kunren.status()["strict"] is True
    assert "strict: signatures and IAM policies count" in strict.kunren.run("status").stdout
