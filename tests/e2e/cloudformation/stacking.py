"""What the tests of stacks share: templates, an account's stacks, and what is asked of one."""

from __future__ import annotations

import json

NETWORK = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Cidr: {Type: String, Default: 10.77.0.0/16}
  Words: {Type: String, Default: hello}
  Keep: {Type: String, Default: Delete}
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    DeletionPolicy: KEEP
    Properties: {CidrBlock: !Ref Cidr, EnableDnsHostnames: "true", Tags: [{Key: Name, Value: !Sub "${AWS::StackName}"}]}
  Gateway: {Type: AWS::EC2::InternetGateway, DeletionPolicy: KEEP}
  Attachment:
    Type: AWS::EC2::VPCGatewayAttachment
    DeletionPolicy: KEEP
    Properties: {VpcId: !Ref Vpc, InternetGatewayId: !Ref Gateway}
  One:
    Type: AWS::EC2::Subnet
    DeletionPolicy: KEEP
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Select [0, !Cidr [!GetAtt Vpc.CidrBlock, 2, 8]]
      AvailabilityZone: !Select [0, !GetAZs ""]
  Two:
    Type: AWS::EC2::Subnet
    DeletionPolicy: KEEP
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 2, 8]]
      AvailabilityZone: !Select [1, !GetAZs ""]
  Routes: {Type: AWS::EC2::RouteTable, DeletionPolicy: KEEP, Properties: {VpcId: !Ref Vpc}}
  Out:
    Type: AWS::EC2::Route
    DependsOn: Attachment
    DeletionPolicy: KEEP
    Properties: {RouteTableId: !Ref Routes, DestinationCidrBlock: 0.0.0.0/0, GatewayId: !Ref Gateway}
  RoutesOne:
    {Type: AWS::EC2::SubnetRouteTableAssociation, DeletionPolicy: KEEP, Properties: {RouteTableId: !Ref Routes, SubnetId: !Ref One}}
  RoutesTwo:
    {Type: AWS::EC2::SubnetRouteTableAssociation, DeletionPolicy: KEEP, Properties: {RouteTableId: !Ref Routes, SubnetId: !Ref Two}}
  Front:
    Type: AWS::EC2::SecurityGroup
    DeletionPolicy: KEEP
    Properties:
      GroupDescription: front
      VpcId: !Ref Vpc
      SecurityGroupIngress: [{IpProtocol: tcp, FromPort: 80, ToPort: 80, CidrIp: 0.0.0.0/0}]
  Balancer:
    Type: AWS::ElasticLoadBalancingV2::LoadBalancer
    DependsOn: [Out, RoutesOne, RoutesTwo]
    DeletionPolicy: KEEP
    Properties: {Subnets: [!Ref One, !Ref Two], SecurityGroups: [!Ref Front]}
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    DeletionPolicy: KEEP
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: 80
      Protocol: HTTP
      DefaultActions:
        - {Type: fixed-response, FixedResponseConfig: {StatusCode: 200, ContentType: text/plain, MessageBody: !Ref Words}}
Outputs:
  Name: {Value: !GetAtt Balancer.DNSName}
"""

CUSTOM = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Handler: index.handler
      Runtime: python3.12
      Timeout: 30
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          import cfnresponse
          def handler(event, context):
              word = event["ResourceProperties"]["Word"]
              status = cfnresponse.FAILED if word == "bad" else cfnresponse.SUCCESS
              cfnresponse.send(event, context, status, {"Twice": word * 2}, "thing-" + word, reason="asked for")
  Thing:
    Type: Custom::Thing
    Properties: {ServiceToken: !GetAtt Function.Arn, Word: WORD, Number: 1}
Outputs:
  Twice: {Value: !GetAtt Thing.Twice}
  Id: {Value: !Ref Thing}
"""

QUEUE = {"Type": "AWS::SQS::Queue"}
CAPABILITIES = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


class Stacks:
    """One account's stacks."""

    def __init__(self, kunren, account, until):
        self.kunren, self.account, self.until = kunren, account, until
        self.api = self.client("cloudformation")

    def client(self, service):
        return self.kunren.client(service, self.account)

    def create(self, name, template, wanted="CREATE_COMPLETE", **more):
        text = template if isinstance(template, str) else json.dumps(template)
        id = self.api.create_stack(StackName=name, TemplateBody=text, Capabilities=CAPABILITIES, **more)["StackId"]
        return self.settled(id, wanted)

    def update(self, name, template, wanted="UPDATE_COMPLETE", **more):
        text = template if isinstance(template, str) else json.dumps(template)
        id = self.api.update_stack(StackName=name, TemplateBody=text, Capabilities=CAPABILITIES, **more)["StackId"]
        return self.settled(id, wanted)

    def delete(self, id, wanted="DELETE_COMPLETE", **more):
        self.api.delete_stack(StackName=id, **more)
        return self.settled(id, wanted)

    def settled(self, id, wanted):
        def done():
            stack = self.api.describe_stacks(StackName=id)["Stacks"][0]
            return stack if not stack["StackStatus"].endswith("IN_PROGRESS") else None

        stack = self.until(done, lambda: f"{id} settled: {self.events(id)[:5]}", 90)
        assert stack["StackStatus"] == wanted, self.events(id)
        return stack

    def events(self, id):
        shown = self.api.describe_stack_events(StackName=id)["StackEvents"]
        return [
            (each["LogicalResourceId"], each["ResourceStatus"], each.get("ResourceStatusReason", "")) for each in shown
        ]

    def physical(self, id):
        shown = self.api.describe_stack_resources(StackName=id)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in shown if "PhysicalResourceId" in each}

    def queues(self):
        return {each.rpartition("/")[2] for each in self.client("sqs").list_queues().get("QueueUrls", [])}


def outputs(stack):
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


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
