"""ECS Service Connect as services have it: names of a namespace that lead to the tasks of other services."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.config import Config

SERVER = """
import http.server, os, signal, socketserver, threading, time
class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow": time.sleep(0.1)
        if self.path == "/dead": os._exit(1)
        body = f"{os.environ['VERSION']} {os.uname().nodename} {self.client_address[0]}\\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 128
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # whatever it was asked is lost
threading.Thread(target=Server(("", 8001), Answers).serve_forever).start()
Server(("", 8000), Answers).serve_forever()
"""
PYTHON = "public.ecr.aws/docker/library/python:3"


class Mesh:
    """A cluster whose services are in the namespace `shop`."""

    def __init__(self, kunren, account, until):
        self.kunren, self.account, self.until = kunren, account, until
        self.ecs, self.ec2, self.cloudwatch = (kunren.client(each, account) for each in ("ecs", "ec2", "cloudwatch"))
        self.map = kunren.client("servicediscovery", account, config=Config(inject_host_prefix=False))
        cluster = self.ecs.create_cluster(clusterName="shop", serviceConnectDefaults={"namespace": "shop"})["cluster"]
        self.namespace = cluster["serviceConnectDefaults"]["namespace"]
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.subnets = [each["SubnetId"] for each in self.ec2.describe_subnets()["Subnets"]][:2]
        self.clients = self.ec2.create_security_group(GroupName="clients", Description="c", VpcId=vpc)["GroupId"]
        self.servers = self.ec2.create_security_group(GroupName="servers", Description="s", VpcId=vpc)["GroupId"]
        rule = {
            "IpProtocol": "tcp", "FromPort": 8000, "ToPort": 9001,
            "UserIdGroupPairs": [{"GroupId": self.clients}],
        }  # fmt: skip
        self.ec2.authorize_security_group_ingress(GroupId=self.servers, IpPermissions=[rule])

    def register(self, family, *command, version="one", ports=()):
        container = {
            "name": "app", "image": PYTHON, "command": list(command), "portMappings": list(ports),
            "environment": [{"name": "VERSION", "value": version}], "stopTimeout": 2,
        }  # fmt: skip
        return self.ecs.register_task_definition(
            family=family, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=[container],
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip

    def orders(self, version="one"):
        web = {"containerPort": 8000, "name": "web", "appProtocol": "http"}
        return self.register(
            "orders", "python3", "-c", SERVER, version=version, ports=[web, {"containerPort": 8001, "name": "raw"}]
        )

    def create(self, name, definition, group, *services, count=1, **more):
        network = {"subnets": self.subnets, "securityGroups": [group], "assignPublicIp": "ENABLED"}
        return self.ecs.create_service(
            cluster="shop", serviceName=name, taskDefinition=definition, desiredCount=count, launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
            serviceConnectConfiguration={"enabled": True, "services": list(services)}, **more,
        )["service"]  # fmt: skip

    def settled(self, *names):
        def settled():
            found = self.ecs.describe_services(cluster="shop", services=list(names))["services"]
            return all(
                len(each["deployments"]) == 1
                and each["runningCount"] == each["desiredCount"]
                and not each["pendingCount"]
                for each in found
            )

        self.until(settled, f"{names} are settled", 120)

    def paused(self):
        """What continues the deployment of `orders`, once it waits behind the shift of test traffic."""
        found = self.ecs.list_service_deployments(cluster="shop", service="orders")["serviceDeployments"]
        (shown,) = self.ecs.describe_service_deployments(serviceDeploymentArns=[found[0]["serviceDeploymentArn"]])[
            "serviceDeployments"
        ]
        hooks = [each for each in shown.get("lifecycleHookDetails", ()) if each["status"] == "AWAITING_ACTION"]
        return hooks and {"serviceDeploymentArn": shown["serviceDeploymentArn"], "hookId": hooks[0]["hookId"]}  # fmt: skip

    def tasks(self, name):
        arns = self.ecs.list_tasks(cluster="shop", serviceName=name)["taskArns"]
        return self.ecs.describe_tasks(cluster="shop", tasks=arns)["tasks"] if arns else []

    def newest(self, name):
        """A task of its newest deployment, once it runs."""
        (service,) = self.ecs.describe_services(cluster="shop", services=[name])["services"]
        by = service["deployments"][0]["id"]

        def running():
            found = [each for each in self.tasks(name) if each["startedBy"] == by and each["lastStatus"] == "RUNNING"]
            return found and found[0]

        return self.until(running, f"a new task of {name}", 60)

    def inside(self, task, *words):
        found = self.kunren.run("ssh", task["taskArn"].rpartition("/")[2] + "/app", "--", *words)
        return found.stdout + found.stderr


@pytest.fixture
def mesh(kunren, account, until):
    return Mesh(kunren, account, until)


WEB = {
    "portName": "web", "clientAliases": [{"port": 80, "dnsName": "orders"}],
    "timeout": {"perRequestTimeoutSeconds": 1200},  # the clock is fast: a busy machine may need a while
}  # fmt: skip
RAW = {"portName": "raw", "discoveryName": "plain", "ingressPortOverride": 9001, "clientAliases": [{"port": 8000}]}


def test_names_of_a_namespace_lead_to_the_tasks_of_its_services(mesh, until):
    mesh.create("client", mesh.register("client", "sleep", "600"), mesh.clients)
    blue_green = {"strategy": "BLUE_GREEN"}
    created = mesh.create("orders", mesh.orders(), mesh.servers, WEB, RAW, count=2, deploymentConfiguration=blue_green)
    (deployment,) = created["deployments"]
    assert deployment["serviceConnectConfiguration"] == {
        "enabled": True, "namespace": mesh.namespace, "services": [WEB, RAW]
    }  # fmt: skip
    assert [each["discoveryName"] for each in deployment["serviceConnectResources"]] == ["web", "plain"]
    mesh.settled("orders", "client")

    # tasks of a deployment know what was there when it began
    (client,) = mesh.tasks("client")
    assert "Could not resolve host: orders" in mesh.inside(client, "curl", "-sSm", "9", "orders")
    mesh.ecs.update_service(cluster="shop", service="client", forceNewDeployment=True)
    client = mesh.newest("client")
    hosts = mesh.inside(client, "cat", "/etc/hosts").splitlines()
    assert hosts[2:] == ["127.255.0.1 orders", "127.255.0.2 plain.shop"]

    ask = f"curl -sm 9 {'orders ' * 6}; curl -sm 9 plain.shop:8000"  # one connection: one of Envoy's workers
    *answers, raw = (each.split() for each in mesh.inside(client, "sh", "-c", ask).splitlines())
    assert sorted(Counter(name for _, name, _ in answers).values()) == [3, 3]  # round robin
    assert {source for *_, source in [*answers, raw]} == {"127.0.0.1"}  # the proxy beside the container
    tasks = mesh.tasks("orders")
    addresses = {each["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] for each in tasks}
    assert {f"ip-{each.replace('.', '-')}.ec2.internal" for each in addresses} == {name for _, name, _ in answers}
    attachment = tasks[0]["attachments"][1]
    assert (attachment["type"], attachment["status"]) == ("Service Connect", "ATTACHED")
    assert {"name": "discoveryName", "value": "plain"} in attachment["details"]

    def found(name, port):
        told = mesh.map.discover_instances(NamespaceName="shop", ServiceName=name)["Instances"]
        assert {each["Attributes"]["AWS_INSTANCE_PORT"] for each in told} <= {port}
        return {each["Attributes"]["AWS_INSTANCE_IPV4"] for each in told}

    until(lambda: found("web", "8000") == found("plain", "9001") == addresses, "Cloud Map has the tasks", 60)
    drawn = mesh.kunren.run("graph", "--account", mesh.account).stdout
    assert "reaches orders:80, plain.shop:8000\n" in drawn
    assert drawn.count("serves orders:80, plain.shop:8000\n") == 2
    listed = mesh.ecs.list_services_by_namespace(namespace="shop")["serviceArns"]
    assert [each.rpartition("/")[2] for each in listed] == ["client", "orders"]

    # test traffic has the new version first; tasks that go lose no request, though they end at once when they are told
    ask = "while test ! -e /enough; do curl -sm 9 -w '%{http_code}\\n' orders/slow; done"
    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(mesh.inside, client, "sh", "-c", ask)
        pause = {"targetType": "PAUSE", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]}
        mesh.ecs.update_service(
            cluster="shop", service="orders", taskDefinition=mesh.orders("two"),
            deploymentConfiguration={"lifecycleHooks": [pause]},
        )  # fmt: skip
        paused = until(mesh.paused, "test traffic is shifted", 60)
        header = ("-H", "X-Amzn-Ecs-Blue-Green-Test: 1")
        assert mesh.inside(client, "curl", "-sm", "9", *header, "orders").startswith("two ")
        assert mesh.inside(client, "curl", "-sm", "9", "orders").startswith("one ")
        mesh.ecs.continue_service_deployment(**paused)
        mesh.settled("orders")
        mesh.inside(client, "touch", "/enough")
        said = asking.result(60).splitlines()
    assert set(said[1::2]) == {"200"}
    assert {each.split()[0] for each in said[::2]} == {"one", "two"}

    told = mesh.cloudwatch.list_metrics(Namespace="AWS/ECS", MetricName="HTTPCode_Target_2XX_Count")["Metrics"]
    assert [{"Name": "TargetDiscoveryName", "Value": "web"}] in [each["Dimensions"] for each in told]

    # one that is dead is asked no more, and Cloud Map keeps nothing of services that are gone
    mesh.inside(client, "curl", "-sm", "9", "orders/dead")
    text = mesh.inside(client, "curl", "-sm", "9", *["orders"] * 4)
    assert [each.split()[0] for each in text.splitlines()] == ["two"] * 4
    for name in ("client", "orders"):
        mesh.ecs.delete_service(cluster="shop", service=name, force=True)
    until(lambda: mesh.map.list_services()["Services"] == [], "Cloud Map has no services any more", 60)
    mesh.map.delete_namespace(Id=mesh.namespace.rpartition("/")[2])
