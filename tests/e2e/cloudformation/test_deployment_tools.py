"""The AWS CDK and SAM's command, unmodified: an application is deployed, changed, rolled back and destroyed.

They are big, so they come with no test environment: `KUNREN_CDK` and `KUNREN_SAM` name them, or they stand on the path
(npm install aws-cdk; pip install aws-sam-cli in an environment of its own).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess

import pytest
from stacking import NETWORK, outputs

from kunren.services.cloudformation.template import parse

QUALIFIER = "hnb659fds"
FUNCTION = """
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Handler: index.handler
      Runtime: python3.12
      Role: !GetAtt Role.Arn
      Code: {S3Bucket: BUCKET, S3Key: KEY}
      Environment: {Variables: {WORD: !Ref Words}}
  Ask:
    {Type: AWS::Lambda::Permission, Properties: {Action: "lambda:InvokeFunction", FunctionName: !Ref Function, Principal: apigateway.amazonaws.com}}
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: !Ref "AWS::StackName", ProtocolType: HTTP, Target: !GetAtt Function.Arn}}
  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: NAME}}
  Www:
    Type: AWS::Route53::RecordSet
    Properties: {HostedZoneId: !Ref Zone, Name: NAME, Type: A, AliasTarget: {DNSName: !GetAtt Balancer.DNSName, HostedZoneId: !GetAtt Balancer.CanonicalHostedZoneID}}
  Metadata: {Type: "AWS::CDK::Metadata", Properties: {Analytics: "v2:deflate64:"}}
Rules:
  CheckBootstrapVersion:
    Assertions:
      - {Assert: {"Fn::Not": [{"Fn::Contains": [["1", "2", "3", "4", "5"], "21"]}]}, AssertDescription: bootstrap again}
Outputs:
  Url: {Value: !GetAtt Api.ApiEndpoint}
"""
CODE = (
    "import os\n\n\ndef handler(event, context):\n    return {'statusCode': 200, 'body': 'cdk ' + os.environ['WORD']}\n"
)
BAD = "Bad: {Type: AWS::SQS::Queue, DependsOn: [Function, Listener], Properties: {QueueName: no/name}}"


def tool(name):
    found = os.environ.get(f"KUNREN_{name.upper()}") or shutil.which(name)
    if not found:
        pytest.skip(f"no {name}: KUNREN_{name.upper()} names one")
    return found


def runner(kunren, account, command):
    settings = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{kunren.port}", "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1",
        "CI": "1", "SAM_CLI_TELEMETRY": "0", "CDK_DISABLE_CLI_TELEMETRY": "true",
    }  # fmt: skip
    environment = {**{key: value for key, value in os.environ.items() if "proxy" not in key.lower()}, **settings}

    def run(*arguments, code=0):
        done = subprocess.run(
            [command, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=240
        )
        assert (done.returncode != 0) == (code != 0), done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def assembly(folder, account, template):
    """What `cdk synth` makes of an app: a manifest, a template, and the assets of both."""
    code = folder / "asset.code"
    code.mkdir(parents=True)
    (code / "index.py").write_text(CODE)
    bucket = f"cdk-{QUALIFIER}-assets-{account}-us-east-1"
    key = hashlib.sha256(CODE.encode()).hexdigest()
    text = json.dumps(parse(template.replace("BUCKET", bucket).replace("KEY", f"{key}.zip")))
    (folder / "Shop.template.json").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    role = lambda of: f"arn:${{AWS::Partition}}:iam::{account}:role/cdk-{QUALIFIER}-{of}-role-{account}-us-east-1"  # noqa: E731
    at = {"bucketName": bucket, "assumeRoleArn": role("file-publishing"), "region": "us-east-1"}
    one = lambda path, packaging, key: {  # noqa: E731
        "source": {"path": path, "packaging": packaging}, "destinations": {"here": {**at, "objectKey": key}}
    }  # fmt: skip
    files = {key: one("asset.code", "zip", f"{key}.zip"), digest: one("Shop.template.json", "file", f"{digest}.json")}
    (folder / "Shop.assets.json").write_text(json.dumps({"version": "36.0.0", "files": files, "dockerImages": {}}))
    version = {
        "requiresBootstrapStackVersion": 6,
        "bootstrapStackVersionSsmParameter": f"/cdk-bootstrap/{QUALIFIER}/version",
    }
    stack = {
        "templateFile": "Shop.template.json", "validateOnSynth": False, "assumeRoleArn": role("deploy"),
        "cloudFormationExecutionRoleArn": role("cfn-exec"), **version,
        "stackTemplateAssetObjectUrl": f"s3://{bucket}/{digest}.json", "additionalDependencies": ["Shop.assets"],
    }  # fmt: skip
    artifacts = {
        "Shop.assets": {"type": "cdk:asset-manifest", "properties": {"file": "Shop.assets.json", **version}},
        "Shop": {
            "type": "aws:cloudformation:stack", "environment": f"aws://{account}/us-east-1", "properties": stack,
            "dependencies": ["Shop.assets"], "displayName": "Shop",
        },
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({"version": "36.0.0", "artifacts": artifacts}))
    return folder


def test_the_cdk_bootstraps_deploys_updates_rolls_back_and_destroys(stacks, kunren, tmp_path):
    cdk = runner(kunren, stacks.account, tool("cdk"))
    deploy = ("deploy", "--require-approval", "never", "--no-notices", "--app")
    cdk("bootstrap", f"aws://{stacks.account}/us-east-1", "--no-notices")
    name = f"cdk{stacks.account}.test"
    text = NETWORK.replace("KEEP", "Delete").partition("Outputs:")[0] + FUNCTION.lstrip("\n").replace("NAME", name)
    assert "CheckBootstrapVersion" in text
    cdk(*deploy, assembly(tmp_path / "one", stacks.account, text))
    url = outputs(stacks.settled("Shop", "CREATE_COMPLETE"))["Url"]
    said = lambda: [kunren.exec("curl", "-s", "-m", "5", at, check=False).stdout for at in (f"http://{name}/", url)]  # noqa: E731
    stacks.until(lambda: said() == ["hello", "cdk hello"], lambda: f"the application's answers, not {said()}", 60)
    held = stacks.physical("Shop")

    second = text.replace("!Ref Words", "again")
    cdk(*deploy, assembly(tmp_path / "two", stacks.account, second))
    stacks.until(lambda: said() == ["again", "cdk again"], lambda: f"the new answers, not {said()}", 60)
    assert stacks.physical("Shop") == held

    third = text.replace("!Ref Words", "never").replace("Rules:", f"  {BAD}\nRules:")
    told = cdk(*deploy, assembly(tmp_path / "three", stacks.account, third), code=1)
    assert "Can only include alphanumeric characters" in told
    stacks.settled("Shop", "UPDATE_ROLLBACK_COMPLETE")
    assert stacks.physical("Shop") == held
    stacks.until(lambda: said() == ["again", "cdk again"], lambda: f"the answers from before, not {said()}", 60)

    id = stacks.api.describe_stacks(StackName="Shop")["Stacks"][0]["StackId"]
    cdk("destroy", "--force", "--no-notices", "--app", tmp_path / "two")
    stacks.settled(id, "DELETE_COMPLETE")
    assert [each["StackName"] for each in stacks.api.describe_stacks()["Stacks"]] == ["CDKToolkit"]


SAM = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Words: {Type: String, Default: hello}, Name: {Type: String, Default: jobs}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: code/
      Handler: index.handler
      Runtime: python3.12
      Environment: {Variables: {WORD: !Ref Words}}
      Events:
        Http: {Type: HttpApi, Properties: {Path: /hello, Method: get}}
        Rest: {Type: Api, Properties: {Path: /hello, Method: get}}
  Jobs: {Type: AWS::SQS::Queue, DependsOn: Hello, Properties: {QueueName: !Ref Name}}
Outputs:
  Url: {Value: !Sub "https://${ServerlessHttpApi}.execute-api.${AWS::Region}.amazonaws.com/hello"}
"""


def test_sam_deploys_updates_rolls_back_and_deletes(stacks, kunren, tmp_path):
    sam = runner(kunren, stacks.account, tool("sam"))
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "index.py").write_text(CODE)
    (tmp_path / "template.yaml").write_text(SAM)
    deploy = (
        "deploy", "--template-file", tmp_path / "template.yaml", "--stack-name", "app", "--resolve-s3",
        "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset",
    )  # fmt: skip
    sam(*deploy)
    stack = stacks.settled("app", "CREATE_COMPLETE")
    said = lambda: kunren.exec("curl", "-s", "-m", "5", outputs(stack)["Url"], check=False).stdout  # noqa: E731
    stacks.until(lambda: said() == "cdk hello", lambda: f"the function's answer, not {said()!r}", 60)
    sam(*deploy, "--parameter-overrides", "Words=again")
    stacks.until(lambda: said() == "cdk again", lambda: f"the new answer, not {said()!r}", 60)
    sam(*deploy, "--parameter-overrides", "Words=never", "Name=no/name", code=1)
    stacks.settled("app", "UPDATE_ROLLBACK_COMPLETE")
    stacks.until(lambda: said() == "cdk again", lambda: f"the answer from before, not {said()!r}", 60)
    sam("delete", "--stack-name", "app", "--no-prompts", "--region", "us-east-1")
    stacks.settled(stack["StackId"], "DELETE_COMPLETE")
