"""Stacks of distributions and accelerators, SAM's templates, drift, import, and the commands that watch and deploy."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

SITE = """
Resources:
  Zone: {Type: AWS::Route53::HostedZone, Properties: {Name: NAME}}
  Certificate:
    Type: AWS::CertificateManager::Certificate
    Properties:
      DomainName: NAME
      ValidationMethod: DNS
      DomainValidationOptions: [{DomainName: NAME, HostedZoneId: !Ref Zone}]
  Redirect:
    Type: AWS::CloudFront::Function
    Properties:
      Name: !Sub "${AWS::StackName}-redirect"
      AutoPublish: true
      FunctionConfig: {Comment: redirects, Runtime: cloudfront-js-2.0}
      FunctionCode: "function handler(event) { return {statusCode: 302, headers: {location: {value: 'https://WHERE/'}}}; }"
  Bucket: {Type: AWS::S3::Bucket}
  Access:
    Type: AWS::CloudFront::OriginAccessControl
    Properties:
      OriginAccessControlConfig: {Name: access, OriginAccessControlOriginType: s3, SigningBehavior: always, SigningProtocol: sigv4}
  Site:
    Type: AWS::CloudFront::Distribution
    Properties:
      DistributionConfig:
        Enabled: true
        Aliases: [NAME]
        DefaultCacheBehavior:
          TargetOriginId: bucket
          ViewerProtocolPolicy: redirect-to-https
          CachePolicyId: 658327ea-f89d-4fab-a63d-7e88639e58f6
          FunctionAssociations: [{EventType: viewer-request, FunctionARN: !GetAtt Redirect.FunctionARN}]
        Origins: [{Id: bucket, DomainName: !GetAtt Bucket.RegionalDomainName, OriginAccessControlId: !Ref Access, S3OriginConfig: {}}]
        ViewerCertificate: {AcmCertificateArn: !Ref Certificate, SslSupportMethod: sni-only, MinimumProtocolVersion: TLSv1.2_2021}
  Names:
    Type: AWS::Route53::RecordSet
    Properties:
      HostedZoneId: !Ref Zone
      Name: NAME
      Type: A
      AliasTarget: {DNSName: !GetAtt Site.DomainName, HostedZoneId: Z2FDTNDATAQYW2}
  Accelerator: {Type: AWS::GlobalAccelerator::Accelerator, Properties: {Name: front}}
  Listener:
    Type: AWS::GlobalAccelerator::Listener
    Properties: {AcceleratorArn: !Ref Accelerator, Protocol: TCP, PortRanges: [{FromPort: 80, ToPort: 80}]}
  Endpoints:
    Type: AWS::GlobalAccelerator::EndpointGroup
    Properties: {ListenerArn: !Ref Listener, EndpointGroupRegion: !Ref "AWS::Region"}
"""


def settled(api, id, until, wanted):
    def done():
        stack = api.describe_stacks(StackName=id)["Stacks"][0]
        return stack if not stack["StackStatus"].endswith("IN_PROGRESS") else None

    def told():
        events = api.describe_stack_events(StackName=id)["StackEvents"]
        return [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}"
            for each in events
            if "FAILED" in each["ResourceStatus"]
        ]

    stack = until(done, lambda: f"{id} settled: {told()}", 90)
    assert stack["StackStatus"] == wanted, told()
    return stack


def physical(api, id):
    shown = api.describe_stack_resources(StackName=id)["StackResources"]
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in shown}


def test_a_site_with_certificate_and_function_answers_and_changes(kunren, account, until):
    api, name = kunren.client("cloudformation", account), f"s{account}.test"
    template = SITE.replace("NAME", name)
    id = api.create_stack(StackName="site", TemplateBody=template.replace("WHERE", "one.test"))["StackId"]
    settled(api, id, until, "CREATE_COMPLETE")

    def location():
        told = kunren.exec("curl", "-s", "-o", "/dev/null", "-w", "%{redirect_url}", f"https://{name}/", check=False)
        return told.stdout

    assert location() == "https://one.test/"
    before = physical(api, id)
    api.update_stack(StackName="site", TemplateBody=template.replace("WHERE", "two.test"))
    settled(api, id, until, "UPDATE_COMPLETE")
    until(lambda: location() == "https://two.test/", "the function's new code")
    assert physical(api, id) == before
    api.delete_stack(StackName=id)
    # the records that proved the certificate's domain are not the stack's, as on AWS
    failed = settled(api, id, until, "DELETE_FAILED")
    assert failed["StackStatusReason"] == "The following resource(s) failed to delete: [Zone]. "
    api.delete_stack(StackName=id, RetainResources=["Zone"])
    settled(api, id, until, "DELETE_COMPLETE")
    assert kunren.client("cloudfront", account).list_distributions()["DistributionList"]["Quantity"] == 0


def test_a_sam_application_deploys(kunren, account, until):
    pytest.importorskip("samtranslator")
    api = kunren.client("cloudformation", account)
    function = {
        "Handler": "index.handler", "Runtime": "python3.12", "AutoPublishAlias": "live", "FunctionUrlConfig": {"AuthType": "NONE"},
        "InlineCode": "def handler(event, context):\n    return {'statusCode': 200, 'body': 'from sam'}\n",
        "Policies": [{"SQSPollerPolicy": {"QueueName": {"Fn::GetAtt": ["Jobs", "QueueName"]}}}],
        "Events": {
            "Get": {"Type": "HttpApi", "Properties": {"Path": "/things/{id}", "Method": "GET"}},
            "Jobs": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Jobs", "Arn"]}, "BatchSize": 2}},
        },
    }  # fmt: skip
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "App": {"Type": "AWS::Serverless::Function", "Properties": function},
            "Jobs": {"Type": "AWS::SQS::Queue"},
            "Things": {"Type": "AWS::Serverless::SimpleTable"},
        },
        "Outputs": {
            "Url": {"Value": {"Fn::GetAtt": ["AppUrl", "FunctionUrl"]}},
            "Api": {"Value": {"Fn::Sub": "https://${ServerlessHttpApi}.execute-api.${AWS::Region}.amazonaws.com"}},
        },
    }
    text = json.dumps(template)
    with pytest.raises(ClientError, match=r"Requires capabilities : \[CAPABILITY_AUTO_EXPAND\]"):
        api.create_stack(StackName="sam", TemplateBody=text, Capabilities=["CAPABILITY_IAM"])
    id = api.create_stack(
        StackName="sam", TemplateBody=text, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    )["StackId"]
    stack = settled(api, id, until, "CREATE_COMPLETE")
    found = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    url = found["Url"]
    through = until(
        lambda: kunren.exec("curl", "-s", found["Api"] + "/things/7", check=False).stdout, "the API's answer"
    )
    assert through == "from sam"
    assert until(lambda: kunren.exec("curl", "-s", url, check=False).stdout, "an answer") == "from sam"
    assert "AWS::Lambda::Function" in json.dumps(
        api.get_template(StackName="sam", TemplateStage="Processed")["TemplateBody"]
    )
    api.delete_stack(StackName=id)
    settled(api, id, until, "DELETE_COMPLETE")


def test_what_was_changed_by_hand_is_drift_and_what_is_kept_moves_to_another_stack(kunren, account, until):
    api, sqs, ec2 = (kunren.client(each, account) for each in ("cloudformation", "sqs", "ec2"))
    queue = {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain", "Properties": {"DelaySeconds": 5}}
    vpc = {"Type": "AWS::EC2::VPC", "DeletionPolicy": "Retain", "Properties": {"CidrBlock": "10.88.0.0/16"}}
    topic = {"Type": "AWS::SNS::Topic"}
    id = api.create_stack(StackName="one", TemplateBody=json.dumps({"Resources": {"Q": queue, "V": vpc, "T": topic}}))[
        "StackId"
    ]
    settled(api, id, until, "CREATE_COMPLETE")
    made = physical(api, id)

    def drift():
        detection = api.detect_stack_drift(StackName=id)["StackDriftDetectionId"]
        shown = api.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        found = api.describe_stack_resource_drifts(StackName=id)["StackResourceDrifts"]
        return shown["StackDriftStatus"], {each["LogicalResourceId"]: each for each in found}

    status, found = drift()
    shown = {name: each["StackResourceDriftStatus"] for name, each in found.items()}
    assert (status, shown) == ("IN_SYNC", {"Q": "IN_SYNC", "V": "IN_SYNC", "T": "NOT_CHECKED"})
    sqs.set_queue_attributes(QueueUrl=made["Q"], Attributes={"DelaySeconds": "9"})
    status, found = drift()
    assert (status, found["Q"]["StackResourceDriftStatus"]) == ("DRIFTED", "MODIFIED")
    assert found["Q"]["PropertyDifferences"] == [
        {"PropertyPath": "/DelaySeconds", "ExpectedValue": "5", "ActualValue": "9", "DifferenceType": "NOT_EQUAL"}
    ]

    api.delete_stack(StackName=id)
    settled(api, id, until, "DELETE_COMPLETE")
    into = {"Resources": {"Net": vpc, "Jobs": {**queue, "Properties": {"DelaySeconds": 9}}}}
    moved = [
        {"ResourceType": "AWS::EC2::VPC", "LogicalResourceId": "Net", "ResourceIdentifier": {"VpcId": made["V"]}},
        {"ResourceType": "AWS::SQS::Queue", "LogicalResourceId": "Jobs", "ResourceIdentifier": {"QueueUrl": made["Q"]}},
    ]
    asked = {"StackName": "two", "ChangeSetType": "IMPORT", "TemplateBody": json.dumps(into)}
    with pytest.raises(ClientError, match=r"you cannot modify or add \[Resources\]"):
        api.create_change_set(ChangeSetName="half", ResourcesToImport=moved[:1], **asked)
    set_id = api.create_change_set(ChangeSetName="all", ResourcesToImport=moved, **asked)["Id"]
    shown = api.describe_change_set(ChangeSetName=set_id)["Changes"]
    assert [each["ResourceChange"]["Action"] for each in shown] == ["Import", "Import"]
    api.execute_change_set(ChangeSetName=set_id)
    stack = settled(api, "two", until, "IMPORT_COMPLETE")
    assert physical(api, "two") == {"Net": made["V"], "Jobs": made["Q"]}
    into["Resources"]["Net"]["DeletionPolicy"] = into["Resources"]["Jobs"]["DeletionPolicy"] = "Delete"
    into["Resources"]["Jobs"]["Properties"]["DelaySeconds"] = 3
    api.update_stack(StackName="two", TemplateBody=json.dumps(into))
    settled(api, stack["StackId"], until, "UPDATE_COMPLETE")
    shown = sqs.get_queue_attributes(QueueUrl=made["Q"], AttributeNames=["DelaySeconds"])["Attributes"]
    assert shown == {"DelaySeconds": "3"}
    api.delete_stack(StackName="two")
    settled(api, stack["StackId"], until, "DELETE_COMPLETE")
    assert not [each for each in ec2.describe_vpcs()["Vpcs"] if each["VpcId"] == made["V"]]


def test_commands_deploy_a_template_and_watch_a_stack(own_kunren, tmp_path, until):
    template = {"Resources": {"B": {"Type": "AWS::S3::Bucket"}}, "Outputs": {"Name": {"Value": {"Ref": "B"}}}}
    file = tmp_path / "my_shop.yaml"
    file.write_text(json.dumps(template))
    told = own_kunren.run(
        "up", "--detach", "--port", "0", "--proxy-port", "0", "--deploy", str(file), check=True
    ).stdout  # fmt: skip
    assert "CREATE_COMPLETE      my-shop (AWS::CloudFormation::Stack)" in told
    own_kunren.port = own_kunren.status()["ports"]["api"]
    api = own_kunren.client("cloudformation")
    bucket = physical(api, "my-shop")["B"]
    assert f"  Name: {bucket}" in told
    own_kunren.client("s3").put_object(Bucket=bucket, Key="k", Body=b"1")
    id = api.describe_stacks(StackName="my-shop")["Stacks"][0]["StackId"]
    api.delete_stack(StackName="my-shop")
    watched = own_kunren.run("stack", "watch", "my-shop")
    assert (watched.returncode, "is not empty" in watched.stdout) == (1, True), watched
    own_kunren.client("s3").delete_object(Bucket=bucket, Key="k")
    api.delete_stack(StackName=id)
    settled(api, id, until, "DELETE_COMPLETE")
    assert own_kunren.run("stack", "watch", "my-shop").returncode != 0


def test_a_topic_is_told_of_a_stacks_events(kunren, account, until):
    api, sns, sqs = (kunren.client(each, account) for each in ("cloudformation", "sns", "sqs"))
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    topic = sns.create_topic(Name="events")["TopicArn"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:us-east-1:{account}:told",
        Attributes={"RawMessageDelivery": "true"},
    )
    template = json.dumps({"Resources": {"B": {"Type": "AWS::S3::Bucket"}}})
    id = api.create_stack(StackName="told", TemplateBody=template, NotificationARNs=[topic])["StackId"]
    settled(api, id, until, "CREATE_COMPLETE")
    found = []

    def told():
        for each in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            lines = dict(line.split("=", 1) for line in each["Body"].splitlines())
            found.append((lines["LogicalResourceId"].strip("'"), lines["ResourceStatus"].strip("'")))
        return len(found) == 5

    until(told, "five events")
    began, done = "CREATE_IN_PROGRESS", "CREATE_COMPLETE"
    assert sorted(found) == sorted([("told", began), ("B", began), ("B", began), ("B", done), ("told", done)])


def test_a_stack_set_makes_stacks_in_accounts_and_regions(kunren, account, until):
    api = kunren.client("cloudformation", account)
    others = [f"2{account[1:]}", f"3{account[1:]}"]
    template = {
        "Parameters": {"Cidr": {"Type": "String", "Default": "10.5.0.0/16"}},
        "Resources": {"V": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": {"Ref": "Cidr"}, "Tags": [{"Key": "set", "Value": "one"}]}}},
    }  # fmt: skip
    api.create_stack_set(StackSetName="nets", TemplateBody=json.dumps(template))
    everywhere = {"StackSetName": "nets", "Accounts": others, "Regions": ["eu-west-1", "us-east-1"]}

    def ended(operation, wanted="SUCCEEDED"):
        asked = {"StackSetName": "nets", "OperationId": operation}
        describe = api.describe_stack_set_operation
        until(
            lambda: describe(**asked)["StackSetOperation"]["Status"] not in ("RUNNING", "STOPPING"), "the operation", 60
        )
        results = api.list_stack_set_operation_results(**asked)["Summaries"]
        assert describe(**asked)["StackSetOperation"]["Status"] == wanted, results
        return {(each["Account"], each["Region"]): each["Status"] for each in results}

    def blocks():
        found = {}
        for other in others:
            for region in everywhere["Regions"]:
                shown = kunren.client("ec2", other, region).describe_vpcs(
                    Filters=[{"Name": "tag:set", "Values": ["one"]}]
                )["Vpcs"]
                found[other, region] = [each["CidrBlock"] for each in shown]
        return found

    ended(
        api.create_stack_instances(
            **everywhere, OperationPreferences={"MaxConcurrentCount": 2, "FailureToleranceCount": 1}
        )["OperationId"]
    )
    assert set(map(tuple, blocks().values())) == {("10.5.0.0/16",)}
    override = [{"ParameterKey": "Cidr", "ParameterValue": "10.6.0.0/16"}]
    one = {"StackSetName": "nets", "Accounts": others[:1], "Regions": ["eu-west-1"]}
    ended(api.update_stack_instances(**one, ParameterOverrides=override)["OperationId"])
    assert blocks()[others[0], "eu-west-1"] == ["10.6.0.0/16"]
    bad = [{"ParameterKey": "Cidr", "ParameterValue": "10.0.0.0/2"}]
    results = ended(
        api.update_stack_set(StackSetName="nets", UsePreviousTemplate=True, Parameters=bad)["OperationId"], "FAILED"
    )
    assert sorted(results.values()) == ["CANCELLED", "CANCELLED", "FAILED", "SUCCEEDED"]  # the override is a good one
    assert set(map(tuple, blocks().values())) == {("10.5.0.0/16",), ("10.6.0.0/16",)}
    instances = api.list_stack_instances(StackSetName="nets")["Summaries"]
    assert sorted(each["Status"] for each in instances) == ["CURRENT", "OUTDATED", "OUTDATED", "OUTDATED"]
    with pytest.raises(ClientError, match="StackSet is not empty"):
        api.delete_stack_set(StackSetName="nets")
    ended(api.delete_stack_instances(**one, RetainStacks=True)["OperationId"])
    ended(api.delete_stack_instances(**everywhere, RetainStacks=False)["OperationId"])
    api.delete_stack_set(StackSetName="nets")
    assert [key for key, each in blocks().items() if each] == [(others[0], "eu-west-1")]


def test_an_http_api_of_a_template_answers_and_changes(kunren, account, until):
    api = kunren.client("cloudformation", account)

    def of(path):
        part = {"ApiId": {"Ref": "Api"}}
        integration = {
            **part,
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "GET",
            "PayloadFormatVersion": "1.0",
        }
        target = {"Fn::Sub": "integrations/${Integration}"}
        return json.dumps(
            {
                "Resources": {
                    "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "front", "ProtocolType": "HTTP"}},
                    "Integration": {
                        "Type": "AWS::ApiGatewayV2::Integration",
                        "Properties": {**integration, "IntegrationUri": {"Fn::Sub": "${Api.ApiEndpoint}/nothing"}},
                    },
                    "Route": {
                        "Type": "AWS::ApiGatewayV2::Route",
                        "Properties": {**part, "RouteKey": path, "Target": target},
                    },
                    "Stage": {
                        "Type": "AWS::ApiGatewayV2::Stage",
                        "Properties": {**part, "StageName": "$default", "AutoDeploy": True},
                    },
                },
                "Outputs": {"Url": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}},
            }
        )

    id = api.create_stack(StackName="api", TemplateBody=of("GET /one"), Tags=[{"Key": "team", "Value": "blue"}])[
        "StackId"
    ]
    stack = settled(api, id, until, "CREATE_COMPLETE")
    http = kunren.client("apigatewayv2", account)
    held = http.get_apis()["Items"][0]
    assert (held["ApiEndpoint"], held["Tags"]["team"]) == (stack["Outputs"][0]["OutputValue"], "blue")
    before = physical(api, id)
    api.update_stack(StackName="api", TemplateBody=of("GET /two"))
    settled(api, id, until, "UPDATE_COMPLETE")
    assert physical(api, id) == before
    assert [each["RouteKey"] for each in http.get_routes(ApiId=held["ApiId"])["Items"]] == ["GET /two"]
    api.delete_stack(StackName=id)
    settled(api, id, until, "DELETE_COMPLETE")
    assert http.get_apis()["Items"] == []


def test_instances_of_a_template_serve_behind_its_load_balancer(kunren, account, until):
    api, ec2 = kunren.client("cloudformation", account), kunren.client("ec2", account)
    image = ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])["Images"][0]
    machine = "t3.micro" if image["Architecture"] == "x86_64" else "t4g.micro"
    start = "#!/bin/sh\nmkdir -p /srv\necho from an instance > /srv/index.html\ncd /srv && nohup python3 -m http.server 80 > /dev/null 2>&1 &\n"
    subnets = sorted(ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])[:2]
    ids = [each["SubnetId"] for each in subnets]
    of = lambda type, **properties: {"Type": f"AWS::{type}", "Properties": properties}  # noqa: E731
    web = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "0.0.0.0/0"}
    resources = {
        "Group": of("EC2::SecurityGroup", GroupDescription="web", VpcId=subnets[0]["VpcId"], SecurityGroupIngress=[web]),
        "Machine": of(
            "EC2::Instance", ImageId=image["ImageId"], InstanceType=machine, SubnetId=ids[0],
            SecurityGroupIds=[{"Ref": "Group"}], UserData={"Fn::Base64": start},
        ),
        "Template": of(
            "EC2::LaunchTemplate",
            LaunchTemplateData={"ImageId": image["ImageId"], "InstanceType": machine, "SecurityGroupIds": [{"Ref": "Group"}]},
        ),
        "Fleet": of(
            "AutoScaling::AutoScalingGroup", MinSize="0", MaxSize="1", VPCZoneIdentifier=ids,
            LaunchTemplate={"LaunchTemplateId": {"Ref": "Template"}, "Version": {"Fn::GetAtt": "Template.LatestVersionNumber"}},
        ),
        "Targets": of(
            "ElasticLoadBalancingV2::TargetGroup", Port=80, Protocol="HTTP", VpcId=subnets[0]["VpcId"],
            HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2, Targets=[{"Id": {"Ref": "Machine"}}],
        ),
        "Balancer": of("ElasticLoadBalancingV2::LoadBalancer", Subnets=ids, SecurityGroups=[{"Ref": "Group"}]),
        "Listener": of(
            "ElasticLoadBalancingV2::Listener", LoadBalancerArn={"Ref": "Balancer"}, Port=80, Protocol="HTTP",
            DefaultActions=[{"Type": "forward", "TargetGroupArn": {"Ref": "Targets"}}],
        ),
    }  # fmt: skip
    template = {"Resources": resources, "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Balancer", "DNSName"]}}}}
    id = api.create_stack(StackName="machines", TemplateBody=json.dumps(template))["StackId"]
    name = settled(api, id, until, "CREATE_COMPLETE")["Outputs"][0]["OutputValue"]
    said = lambda: kunren.exec("curl", "-s", "-m", "5", f"http://{name}/", check=False).stdout  # noqa: E731
    until(lambda: said() == "from an instance\n", lambda: f"the instance's answer, not {said()!r}", 60)
    made = physical(api, id)["Machine"]
    api.delete_stack(StackName=id)
    settled(api, id, until, "DELETE_COMPLETE")
    state = ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"][0]["State"]["Name"]
    assert state == "terminated"
