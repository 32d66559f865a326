"""Templates of whole applications: a site, SAM's functions, an HTTP API, instances."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from stacking import physical, settled

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
