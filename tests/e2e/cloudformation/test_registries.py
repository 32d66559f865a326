"""Registries and service discovery of stacks: made, changed, of use, and gone with the stack."""

import json

from stacking import outputs

LIFECYCLE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1, "description": "keep ten images",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10},
                "action": {"type": "expire"},
            }
        ]
    }
)  # fmt: skip
TEMPLATE = """
Parameters:
  Vpc: {Type: String}
  Address: {Type: String, Default: 172.31.0.5}
  Mutability: {Type: String, Default: MUTABLE}
Resources:
  Images:
    Type: AWS::ECR::Repository
    Properties:
      RepositoryName: shop/web
      ImageTagMutability: !Ref Mutability
      LifecyclePolicy: {LifecyclePolicyText: 'POLICY'}
      Tags: [{Key: team, Value: shop}]
  Space:
    Type: AWS::ServiceDiscovery::PrivateDnsNamespace
    Properties: {Name: shop.internal, Vpc: !Ref Vpc, Description: the shop}
  Web:
    Type: AWS::ServiceDiscovery::Service
    Properties:
      Name: web
      NamespaceId: !Ref Space
      DnsConfig: {DnsRecords: [{Type: A, TTL: "10"}]}
  One:
    Type: AWS::ServiceDiscovery::Instance
    Properties:
      ServiceId: !Ref Web
      InstanceId: one
      InstanceAttributes: {AWS_INSTANCE_IPV4: !Ref Address}
Outputs:
  Uri: {Value: !GetAtt Images.RepositoryUri}
  Zone: {Value: !GetAtt Space.HostedZoneId}
  Service: {Value: !Ref Web}
""".replace("POLICY", LIFECYCLE)


def test_a_repository_and_a_service_that_is_discovered(stacks):
    vpc = stacks.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]

    def given(**values):
        return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]

    stack = stacks.create("shop", TEMPLATE, Parameters=given(Vpc=vpc))
    made, ecr, route53 = outputs(stack), stacks.client("ecr"), stacks.client("route53")
    assert made["Uri"].endswith(".dkr.ecr.us-east-1.amazonaws.com/shop/web")
    assert ecr.get_lifecycle_policy(repositoryName="shop/web")["lifecyclePolicyText"] == LIFECYCLE

    def address():
        found = route53.list_resource_record_sets(HostedZoneId=made["Zone"])["ResourceRecordSets"]
        return [each["ResourceRecords"][0]["Value"] for each in found if each["Type"] == "A"]

    assert address() == ["172.31.0.5"]
    stacks.update("shop", TEMPLATE, Parameters=given(Vpc=vpc, Address="172.31.0.6", Mutability="IMMUTABLE"))
    assert address() == ["172.31.0.6"]
    assert ecr.describe_repositories()["repositories"][0]["imageTagMutability"] == "IMMUTABLE"
    stacks.delete(stack["StackId"])
    assert ecr.describe_repositories()["repositories"] == []
    assert route53.list_hosted_zones()["HostedZones"] == []
    discovery = stacks.client("servicediscovery")
    assert discovery.list_namespaces()["Namespaces"] == discovery.list_services()["Services"] == []
