"""Services of ECS as their users have them: kept, changed and scaled behind a load balancer while clients ask."""

import os
import signal
from collections import Counter

import pytest

SERVER = """
import http.server, os, signal, socket, socketserver, sys, threading, time
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ill = self.path == "/health" and os.environ.get("ILL")
        body = os.environ["VERSION"].encode()
        if self.path == "/slow": time.sleep(0.3)
        self.send_response(503 if ill else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads, block_on_close, request_queue_size = False, True, 128
server = Server(("", 80), Answers)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
"""


class Shop:
    """One account's cluster, a load balancer with two target groups (the second has no weight), and a client."""

    def __init__(self, kunren, account, until, running):
        self.kunren, self.until = kunren, until
        self.ecs, self.elb, self.ec2 = (kunren.client(each, account) for each in ("ecs", "elbv2", "ec2"))
        self.ecs.create_cluster(clusterName="shop")
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = sorted(self.ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])[:2]
        self.subnets = [each["SubnetId"] for each in subnets]
        self.security = self.ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 8080, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.security, IpPermissions=[rule])
        balancer = self.elb.create_load_balancer(Name="web", Subnets=self.subnets, SecurityGroups=[self.security])
        self.balancer = balancer["LoadBalancers"][0]
        self.blue, self.green = (self.target_group(name, vpc) for name in ("blue", "green"))
        self.rule, self.test_rule = self.listener(80), self.listener(8080)
        self.url = f"http://{self.balancer['DNSName']}"
        self.elb.get_waiter("load_balancer_available").wait(Names=["web"], WaiterConfig={"Delay": 1})
        self.client = running.client(kunren, "virginia")

    def target_group(self, name, vpc):
        made = self.elb.create_target_group(
            Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip", HealthCheckPath="/health",
            HealthCheckIntervalSeconds=10, HealthCheckTimeoutSeconds=9, HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "20"}
        self.elb.modify_target_group_attributes(TargetGroupArn=made, Attributes=[delay])
        return made

    def listener(self, port):
        """With a rule that forwards all to the first group; its ARN."""
        gone = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
        made = self.elb.create_listener(
            LoadBalancerArn=self.balancer["LoadBalancerArn"], Port=port, Protocol="HTTP", DefaultActions=gone
        )["Listeners"][0]["ListenerArn"]
        groups = [{"TargetGroupArn": self.blue, "Weight": 1}, {"TargetGroupArn": self.green, "Weight": 0}]
        return self.elb.create_rule(
            ListenerArn=made, Priority=1, Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
        )["Rules"][0]["RuleArn"]  # fmt: skip

    def register(self, version, script=SERVER, **environment):
        told = {"VERSION": version, **environment}
        container = {
            "name": "web", "image": "public.ecr.aws/docker/library/python:3", "command": ["python3", "-c", script],
            "portMappings": [{"containerPort": 80}], "stopTimeout": 20,
            "environment": [{"name": name, "value": value} for name, value in told.items()],
        }  # fmt: skip
        return self.ecs.register_task_definition(
            family="web", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=[container],
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip

    def create(self, definition, count=2, shifts=False, **more):
        network = {"subnets": self.subnets, "securityGroups": [self.security], "assignPublicIp": "ENABLED"}
        behind = {"targetGroupArn": self.blue, "containerName": "web", "containerPort": 80}
        if shifts:
            behind["advancedConfiguration"] = {
                "alternateTargetGroupArn": self.green, "productionListenerRule": self.rule,
                "testListenerRule": self.test_rule, "roleArn": "arn:aws:iam::123456789012:role/ecs",
            }  # fmt: skip
        return self.ecs.create_service(
            cluster="shop", serviceName="web", taskDefinition=definition, desiredCount=count, launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network}, loadBalancers=[behind], **more,
        )["service"]  # fmt: skip

    def update(self, **changes):
        return self.ecs.update_service(cluster="shop", service="web", **changes)["service"]

    def show(self):
        return self.ecs.describe_services(cluster="shop", services=["web"])["services"][0]

    def stable(self):
        """As `aws ecs wait services-stable` has it, and complete besides."""
        self.ecs.get_waiter("services_stable").wait(
            cluster="shop", services=["web"], WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )
        self.until(lambda: self.show()["deployments"][0]["rolloutState"] == "COMPLETED", "complete", 60)

    def deployment(self):
        found = self.ecs.list_service_deployments(cluster="shop", service="web")["serviceDeployments"]
        arns = [each["serviceDeploymentArn"] for each in found[:1]]
        return self.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"][0]

    def messages(self):
        return [each["message"] for each in self.show()["events"]]

    def ask(self, url=None, times=20):
        return Counter(
            each.get("body", each.get("error")) for each in self.client.tell({"url": url or self.url, "times": times})
        )


@pytest.fixture
def shop(kunren, account, until, running):
    return Shop(kunren, account, until, running)


def test_a_rolling_update_under_load_loses_no_request(shop, until):
    created = shop.create(shop.register("one"))
    assert created["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    shop.stable()
    assert "(service web) has reached a steady state." in shop.messages()
    assert shop.ask() == {"one": 20}
    shop.client.tell({"stream": shop.url + "/slow", "threads": 4})
    shop.update(taskDefinition=shop.register("two"))
    shop.stable()
    answers = shop.client.tell({"stop": True})
    seen = Counter((each.get("status"), each.get("body", each.get("error"))) for each in answers)
    assert set(seen) == {(200, "one"), (200, "two")}, seen
    assert shop.ask() == {"two": 20}


def test_a_bad_version_is_rolled_back_by_the_circuit_breaker(shop, until):
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    shop.create(shop.register("one"), deploymentConfiguration=breaker)
    shop.stable()
    shop.client.tell({"stream": shop.url, "threads": 2})
    first = shop.show()["deployments"][0]["id"]
    bad = shop.update(taskDefinition=shop.register("bad", "raise SystemExit(1)"))["deployments"][0]["id"]
    until(lambda: shop.deployment()["status"] == "ROLLBACK_SUCCESSFUL", "rolled back", 120)
    answers = shop.client.tell({"stop": True})
    assert {(each.get("status"), each.get("body")) for each in answers} == {(200, "one")}
    (left,) = shop.show()["deployments"]
    assert (left["id"], left["status"], left["rolloutState"]) == (first, "PRIMARY", "COMPLETED")
    told = shop.deployment()
    breaker = told["deploymentCircuitBreaker"]
    assert (breaker["status"], breaker["threshold"]) == ("TRIGGERED", 3)
    assert breaker["failureCount"] in (3, 4), "two tasks may have failed at once"
    assert told["rollback"]["serviceRevisionArn"] == told["sourceServiceRevisions"][0]["arn"]
    said = shop.messages()
    assert f"(service web) (deployment {bad}) deployment failed: tasks failed to start." in said
    assert f"(service web) rolling back to deployment {first}." in said


def test_a_shift_to_green_is_seen_by_testers_first_and_bakes(shop, until):
    strategy = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1}
    shop.create(shop.register("blue"), shifts=True, deploymentConfiguration=strategy)
    shop.stable()
    assert shop.ask() == {"blue": 20}
    shop.client.tell({"stream": shop.url, "threads": 4})
    pause = {"targetType": "PAUSE", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]}
    shop.update(taskDefinition=shop.register("green"), deploymentConfiguration={"lifecycleHooks": [pause]})
    hook = until(lambda: shop.deployment()["lifecycleHookDetails"], "paused", 120)[0]
    assert hook["status"] == "AWAITING_ACTION"
    assert shop.deployment()["lifecycleStage"] == "POST_TEST_TRAFFIC_SHIFT"
    until(lambda: shop.ask(shop.url + ":8080") == {"green": 20}, "testers see green")
    assert shop.ask() == {"blue": 20}
    assert shop.show()["runningCount"] == 4
    shop.ecs.continue_service_deployment(
        serviceDeploymentArn=shop.deployment()["serviceDeploymentArn"], hookId=hook["hookId"]
    )
    until(lambda: shop.deployment()["lifecycleStage"] in ("BAKE_TIME", "CLEAN_UP"), "shifted", 60)
    until(lambda: shop.ask() == {"green": 20}, "everybody sees green")
    until(lambda: shop.deployment()["status"] == "SUCCESSFUL", "done", 120)
    answers = shop.client.tell({"stop": True})
    assert {(each.get("status"), each.get("body")) for each in answers} == {(200, "blue"), (200, "green")}
    shop.stable()
    assert shop.show()["runningCount"] == 2


def test_a_daemon_that_is_killed_goes_on_with_the_deployment(own_kunren, account, until, running):
    own_kunren.up("--speed", "20")
    shop = Shop(own_kunren, account, until, running)
    strategy = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1}
    shop.create(shop.register("blue"), shifts=True, deploymentConfiguration=strategy)
    shop.stable()
    shop.update(taskDefinition=shop.register("green"))
    until(lambda: shop.deployment()["lifecycleStage"] in ("BAKE_TIME", "CLEAN_UP"), "shifted", 60)
    os.kill(own_kunren.pid, signal.SIGKILL)
    own_kunren.up("--speed", "20")
    until(lambda: shop.deployment()["status"] == "SUCCESSFUL", "done", 120)
    client = running.client(own_kunren, "virginia")
    until(lambda: client.get(shop.url).get("body") == "green", "green serves", 60)
    until(lambda: len(shop.show()["deployments"]) == 1, "one deployment", 60)
    tasks = shop.ecs.list_tasks(cluster="shop", desiredStatus="STOPPED")["taskArns"]
    assert len(tasks) >= 4

    def targets(group):
        return len(shop.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"])

    def told():
        shown = [
            shop.elb.describe_target_health(TargetGroupArn=each)["TargetHealthDescriptions"]
            for each in (shop.blue, shop.green)
        ]
        return f"nobody is left behind: {shown} {shop.messages()}"

    until(lambda: (targets(shop.blue), targets(shop.green)) == (0, 2), told, 20)


def test_tasks_are_found_by_name_as_long_as_they_run(shop, account, until, running):
    map = shop.kunren.client("servicediscovery", account)
    vpc = shop.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    asked = map.create_private_dns_namespace(Name="internal", Vpc=vpc)["OperationId"]
    until(lambda: map.get_operation(OperationId=asked)["Operation"]["Status"] == "SUCCESS", "namespace")
    namespace = map.list_namespaces()["Namespaces"][0]["Id"]
    registry = map.create_service(
        Name="web", NamespaceId=namespace, DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}]},
        HealthCheckCustomConfig={"FailureThreshold": 1},
    )["Service"]  # fmt: skip
    network = {"subnets": shop.subnets, "securityGroups": [shop.security]}
    shop.ecs.create_service(
        cluster="shop", serviceName="web", taskDefinition=shop.register("one"), desiredCount=2, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network}, serviceRegistries=[{"registryArn": registry["Arn"]}],
    )  # fmt: skip
    shop.stable()

    def found():
        return sorted(each["Id"] for each in map.list_instances(ServiceId=registry["Id"])["Instances"])

    tasks = shop.ecs.list_tasks(cluster="shop", serviceName="web")["taskArns"]
    until(lambda: found() == sorted(each.rpartition("/")[2] for each in tasks), "registered")
    shell = running.shell(shop.kunren, "--subnet", shop.subnets[0], "--security-group", shop.security)
    addresses = sorted(
        each["value"]
        for task in shop.ecs.describe_tasks(cluster="shop", tasks=tasks)["tasks"]
        for each in task["attachments"][0]["details"]
        if each["name"] == "privateIPv4Address"
    )
    until(lambda: shell.dig("web.internal") == addresses, "addresses in DNS")
    shop.update(desiredCount=0)
    until(lambda: found() == [], "deregistered")
