"""Clusters, task definitions and services of stacks: made, changed, run, and gone with the stack."""

from stacking import outputs

TEMPLATE = """
Parameters:
  Port: {Type: Number, Default: 80}
  Word: {Type: String, Default: one}
Resources:
  Shop:
    Type: AWS::ECS::Cluster
    Properties:
      ClusterSettings: [{Name: containerInsights, Value: enabled}]
      CapacityProviders: [FARGATE, FARGATE_SPOT]
      DefaultCapacityProviderStrategy: [{CapacityProvider: FARGATE, Weight: 1}]
      Tags: [{Key: word, Value: !Ref Word}]
  Web:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: web
      Cpu: 256
      Memory: 512
      NetworkMode: awsvpc
      RequiresCompatibilities: [FARGATE]
      ContainerDefinitions:
        - Name: web
          Image: python:3
          Command: [python3, -m, http.server, !Ref Port]
          PortMappings: [{ContainerPort: !Ref Port}]
          Environment: [{Name: WORD, Value: !Ref Word}]
          DockerLabels: {Some.Label: text}
          HealthCheck: {Command: [CMD-SHELL, "true"]}
Outputs:
  Cluster: {Value: !GetAtt Shop.Arn}
  Name: {Value: !Ref Shop}
  Definition: {Value: !Ref Web}
"""


def test_a_stacks_tasks_run_and_a_change_is_another_revision(stacks):
    stack = stacks.create("shop", TEMPLATE)
    made, ecs, ec2 = outputs(stack), stacks.client("ecs"), stacks.client("ec2")
    assert made["Cluster"].endswith(f":cluster/{made['Name']}")
    assert made["Definition"].endswith(":task-definition/web:1")
    container = ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]["containerDefinitions"][0]
    assert container["dockerLabels"] == {"Some.Label": "text"}
    assert container["portMappings"] == [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    task = ecs.run_task(
        cluster=made["Name"], taskDefinition=made["Definition"],
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
    )["tasks"][0]  # fmt: skip
    assert (task["launchType"], task["capacityProviderName"]) == ("FARGATE", "FARGATE")

    named = {"cluster": made["Name"], "tasks": [task["taskArn"]]}
    ecs.get_waiter("tasks_running").wait(**named, WaiterConfig={"Delay": 1})
    ecs.stop_task(cluster=made["Name"], task=task["taskArn"])
    ecs.get_waiter("tasks_stopped").wait(**named, WaiterConfig={"Delay": 1})

    changed = outputs(stacks.update("shop", TEMPLATE.replace("Default: one", "Default: two")))
    assert changed["Definition"].endswith(":task-definition/web:2")
    assert ecs.list_task_definitions(familyPrefix="web")["taskDefinitionArns"] == [changed["Definition"]]
    assert ecs.list_tags_for_resource(resourceArn=made["Cluster"])["tags"][-1] == {"key": "word", "value": "two"}
    stacks.delete(stack["StackId"])
    assert ecs.list_clusters()["clusterArns"] == ecs.list_task_definitions()["taskDefinitionArns"] == []


SERVICE = """
Parameters:
  Count: {Type: Number, Default: 1}
  Code: {Type: String, Default: "import time; time.sleep(1000)"}
  Subnet: {Type: String}
Resources:
  Space: {Type: AWS::ServiceDiscovery::HttpNamespace, Properties: {Name: work}}
  Shop: {Type: AWS::ECS::Cluster, Properties: {ServiceConnectDefaults: {Namespace: !GetAtt Space.Arn}}}
  Worker:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Cpu: 256
      Memory: 512
      NetworkMode: awsvpc
      RequiresCompatibilities: [FARGATE]
      ContainerDefinitions:
        - Name: worker
          Image: python:3
          Command: [python3, -c, !Ref Code]
          PortMappings: [{ContainerPort: 80, Name: web, AppProtocol: http}]
  Service:
    Type: AWS::ECS::Service
    Properties:
      Cluster: !Ref Shop
      TaskDefinition: !Ref Worker
      DesiredCount: !Ref Count
      LaunchType: FARGATE
      DeploymentConfiguration: {DeploymentCircuitBreaker: {Enable: true, Rollback: true}}
      NetworkConfiguration: {AwsvpcConfiguration: {Subnets: [!Ref Subnet]}}
      ServiceConnectConfiguration:
        Enabled: true
        Services: [{PortName: web, ClientAliases: [{Port: 80, DnsName: worker}], Timeout: {IdleTimeoutSeconds: 60}}]
      Tags: [{Key: count, Value: !Ref Count}]
Outputs:
  Cluster: {Value: !Ref Shop}
  Arn: {Value: !Ref Service}
  Name: {Value: !GetAtt Service.Name}
"""


def given(**values):
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


def test_a_stacks_service_is_complete_when_its_tasks_run_and_a_bad_one_rolls_the_stack_back(stacks):
    ecs, subnet = stacks.client("ecs"), stacks.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    stack = stacks.create("work", SERVICE, Parameters=given(Subnet=subnet))
    made = outputs(stack)

    def service():
        return ecs.describe_services(cluster=made["Cluster"], services=[made["Arn"]], include=["TAGS"])["services"][0]

    assert made["Arn"].endswith(f":service/{made['Cluster']}/{made['Name']}")
    first = service()
    assert (first["runningCount"], first["tags"]) == (1, [{"key": "count", "value": "1"}])
    (deployment,) = first["deployments"]
    assert deployment["serviceConnectConfiguration"]["services"] == [
        {"portName": "web", "clientAliases": [{"port": 80, "dnsName": "worker"}], "timeout": {"idleTimeoutSeconds": 60}}
    ]
    assert [each["discoveryName"] for each in deployment["serviceConnectResources"]] == ["web"]
    stacks.update("work", SERVICE, Parameters=given(Subnet=subnet, Count="2"))
    stacks.client("ecs").get_waiter("services_stable").wait(
        cluster=made["Cluster"], services=[made["Arn"]], WaiterConfig={"Delay": 1}
    )
    assert (service()["desiredCount"], service()["tags"][0]["value"]) == (2, "2")
    stacks.update(
        "work",
        SERVICE,
        "UPDATE_ROLLBACK_COMPLETE",
        Parameters=given(Subnet=subnet, Count="2", Code="raise SystemExit(1)"),
    )
    assert service()["taskDefinition"] == first["taskDefinition"]
    stacks.delete(stack["StackId"])
    assert ecs.list_clusters()["clusterArns"] == []
    assert stacks.client("servicediscovery").list_namespaces()["Namespaces"] == []
