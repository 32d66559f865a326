"""CodeDeploy's blue/green deployments of ECS services: listeners go over to a replacement task set, and back."""

import json

import pytest

ROLE = "arn:aws:iam::000000000000:role/deployer"
SERVE = "mkdir /www; cd /www; echo {} > index.html; exec python3 -m http.server 80"


class Shop:
    """One account's service behind a production and a test listener, and a deployment group for it."""

    def __init__(self, kunren, account, until, folder):
        self.kunren, self.until, self.folder = kunren, until, folder
        self.ecs, self.elb, self.ec2, self.api = (
            kunren.client(each, account) for each in ("ecs", "elbv2", "ec2", "codedeploy")
        )
        self.ecs.create_cluster(clusterName="shop")
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = sorted(self.ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])[:2]
        self.subnets = [each["SubnetId"] for each in subnets]
        self.security = self.ec2.create_security_group(GroupName="web", Description="web", VpcId=self.vpc)["GroupId"]
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 8080, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.security, IpPermissions=[rule])
        made = self.elb.create_load_balancer(Name="web", Subnets=self.subnets, SecurityGroups=[self.security])
        self.balancer = made["LoadBalancers"][0]
        self.url = f"http://{self.balancer['DNSName']}"
        self.blue, self.green = self.target_group("blue"), self.target_group("green")
        self.production, self.test = self.listener(80), self.listener(8080)
        network = {"subnets": self.subnets, "securityGroups": [self.security], "assignPublicIp": "ENABLED"}
        self.ecs.create_service(
            cluster="shop", serviceName="web", taskDefinition=self.register("one"), desiredCount=1,
            launchType="FARGATE", deploymentController={"type": "CODE_DEPLOY"},
            networkConfiguration={"awsvpcConfiguration": network},
            loadBalancers=[{"targetGroupArn": self.blue, "containerName": "web", "containerPort": 80}],
        )  # fmt: skip
        self.api.create_application(applicationName="shop", computePlatform="ECS")

    def target_group(self, name):
        made = self.elb.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=self.vpc, TargetType="ip", HealthCheckIntervalSeconds=10,
            HealthCheckTimeoutSeconds=9, HealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "20"}
        self.elb.modify_target_group_attributes(TargetGroupArn=made, Attributes=[delay])
        return made

    def listener(self, port):
        return self.elb.create_listener(
            LoadBalancerArn=self.balancer["LoadBalancerArn"], Port=port, Protocol="HTTP",
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.blue}],
        )["Listeners"][0]["ListenerArn"]  # fmt: skip

    def register(self, page):
        container = {
            "name": "web", "image": "public.ecr.aws/docker/library/python:3", "command": ["sh", "-c", SERVE.format(page)],
            "portMappings": [{"containerPort": 80}], "stopTimeout": 2,
        }  # fmt: skip
        return self.ecs.register_task_definition(
            family="web", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=[container],
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip

    def group(self, termination):
        return {
            "blueGreenDeploymentConfiguration": {
                "terminateBlueInstancesOnDeploymentSuccess": {
                    "action": "TERMINATE", "terminationWaitTimeInMinutes": termination,
                },
                "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT", "waitTimeInMinutes": 0},
            },
        }  # fmt: skip

    def deploy(self, page):
        properties = {
            "TaskDefinition": self.register(page), "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80},
        }  # fmt: skip
        content = json.dumps(
            {"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}]}
        )
        return self.api.create_deployment(
            applicationName="shop", deploymentGroupName="web",
            revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
        )["deploymentId"]  # fmt: skip

    def info(self, id):
        return self.api.get_deployment(deploymentId=id)["deploymentInfo"]

    def ended(self, id):
        def ended():
            info = self.info(id)
            return info if info["status"] in ("Succeeded", "Failed", "Stopped") else None

        return self.until(ended, lambda: f"the end of {self.info(id)} {self.target(id)}", 120)

    def target(self, id):
        found = self.api.get_deployment_target(deploymentId=id, targetId="shop:web")["deploymentTarget"]
        return found["ecsTarget"]

    def pages(self, *ports):
        """What is at these ports of the load balancer."""
        urls = [f"{self.url}:{each}/" for each in ports]
        return self.kunren.exec("curl", "-sS", "-m", "3", *urls).stdout.split()

    def sets(self):
        found = self.ecs.describe_task_sets(cluster="shop", service="web")["taskSets"]
        return [(each["status"], each["runningCount"]) for each in found]

    def load(self):
        """A client that asks until the file `done` is there."""
        loop = f"while [ ! -e {self.folder}/done ]; do curl -sS -m 3 {self.url}/ || echo lost; sleep 0.02; done"
        return self.kunren.popen("--", "sh", "-c", loop, stdout=-1)


@pytest.fixture
def shop(kunren, account, until, tmp_path):
    made = Shop(kunren, account, until, tmp_path)
    yield made
    made.ecs.delete_service(cluster="shop", service="web", force=True)
    made.elb.delete_load_balancer(LoadBalancerArn=made.balancer["LoadBalancerArn"])


def test_listeners_go_over_to_green_and_within_seconds_back(shop, until):
    shop.api.create_deployment_config(
        deploymentConfigName="half", computePlatform="ECS",
        trafficRoutingConfig={"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 50, "linearInterval": 1}},
    )  # fmt: skip
    pair = {
        "targetGroups": [{"name": "blue"}, {"name": "green"}],
        "prodTrafficRoute": {"listenerArns": [shop.production]},
        "testTrafficRoute": {"listenerArns": [shop.test]},
    }
    shop.api.create_deployment_group(
        applicationName="shop", deploymentGroupName="web", serviceRoleArn=ROLE, deploymentConfigName="half",
        deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        ecsServices=[{"clusterName": "shop", "serviceName": "web"}],
        loadBalancerInfo={"targetGroupPairInfoList": [pair]}, **shop.group(0),
    )  # fmt: skip
    until(lambda: shop.sets() == [("PRIMARY", 1)] and shop.pages(80) == ["one"], "the service", 60)
    with shop.load() as load:
        id = shop.deploy("two")
        until(lambda: {each["trafficWeight"] for each in shop.target(id).get("taskSetsInfo", ())} == {50.0}, "half", 90)
        assert shop.pages(8080) == ["two"]
        info = shop.ended(id)
        (shop.folder / "done").touch()
        answers = load.communicate(timeout=30)[0].split()
    assert info["status"] == "Succeeded", info
    assert set(answers) == {"one", "two"}
    assert shop.pages(80, 8080) == ["two", "two"]
    assert shop.sets() == [("PRIMARY", 1)]
    events = shop.target(id)["lifecycleEvents"]
    assert [(each["lifecycleEventName"], each["status"]) for each in events] == [
        (name, "Succeeded")
        for name in (
            "BeforeInstall", "Install", "AfterInstall", "AllowTestTraffic", "AfterAllowTestTraffic",
            "BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic",
        )
    ]  # fmt: skip

    shop.api.update_deployment_group(
        applicationName="shop", currentDeploymentGroupName="web",
        deploymentConfigName="CodeDeployDefault.ECSAllAtOnce", **shop.group(1000),
    )  # fmt: skip
    id = shop.deploy("three")
    until(lambda: shop.info(id)["instanceTerminationWaitTimeStarted"], "the wait before the termination", 90)
    assert shop.pages(80) == ["three"]
    assert shop.sets() == [("ACTIVE", 1), ("PRIMARY", 1)]
    shop.api.stop_deployment(deploymentId=id, autoRollbackEnabled=True)
    until(lambda: shop.pages(80) == ["two"], "the old page")
    info = shop.ended(id)
    assert info["status"] == "Stopped"
    assert shop.ended(info["rollbackInfo"]["rollbackDeploymentId"])["status"] == "Succeeded"
    assert shop.pages(80, 8080) == ["two", "two"]
    assert shop.sets() == [("PRIMARY", 1)]
