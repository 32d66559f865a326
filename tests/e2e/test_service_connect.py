"""ECS Service Connect as services have it: names of a namespace that lead to the tasks of other services."""

from collections import Counter

import pytest

SERVER = """
import http.server, os, signal, socketserver, sys, threading, time
class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if "/slow" in self.path: time.sleep(0.2)
        body = f"{os.uname().nodename} {self.client_address[0]} {os.environ.get('VERSION')}\\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 128
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Server(("", 8000), Answers).serve_forever()
"""
PYTHON = "public.ecr.aws/docker/library/python:3"


class Mesh:
    """A cluster whose services are in the namespace `shop`."""

    def __init__(self, kunren, account, until):
        self.kunren, self.until = kunren, until
        self.ecs, self.ec2, self.map = (kunren.client(each, account) for each in ("ecs", "ec2", "servicediscovery"))
        cluster = self.ecs.create_cluster(clusterName="shop", serviceConnectDefaults={"namespace": "shop"})["cluster"]
        self.namespace = cluster["serviceConnectDefaults"]["namespace"]
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.subnets = [each["SubnetId"] for each in self.ec2.describe_subnets()["Subnets"]][:2]
        self.clients = self.ec2.create_security_group(GroupName="clients", Description="c", VpcId=vpc)["GroupId"]
        self.servers = self.ec2.create_security_group(GroupName="servers", Description="s", VpcId=vpc)["GroupId"]
        rule = {
            "IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8000,
            "UserIdGroupPairs": [{"GroupId": self.clients}],
        }  # fmt: skip
        self.ec2.authorize_security_group_ingress(GroupId=self.servers, IpPermissions=[rule])

    def register(self, family, *command, version="one", **port):
        ports = [{"containerPort": 8000, "name": "web", **port}] if port else []
        container = {
            "name": "app", "image": PYTHON, "command": list(command), "portMappings": ports,
            "environment": [{"name": "VERSION", "value": version}],
        }  # fmt: skip
        return self.ecs.register_task_definition(
            family=family, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=[container],
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip

    def create(self, name, definition, group, *services, count=1):
        network = {"subnets": self.subnets, "securityGroups": [group], "assignPublicIp": "ENABLED"}
        return self.ecs.create_service(
            cluster="shop", serviceName=name, taskDefinition=definition, desiredCount=count, launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
            serviceConnectConfiguration={"enabled": True, "services": list(services)},
        )["service"]  # fmt: skip

    def settled(self, *names):
        self.ecs.get_waiter("services_stable").wait(
            cluster="shop", services=list(names), WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )

    def tasks(self, name):
        arns = self.ecs.list_tasks(cluster="shop", serviceName=name)["taskArns"]
        return self.ecs.describe_tasks(cluster="shop", tasks=arns)["tasks"] if arns else []

    def inside(self, task, *words):
        found = self.kunren.run("ssh", task["taskArn"].rpartition("/")[2], "--", *words)
        return found.stdout + found.stderr


@pytest.fixture
def mesh(kunren, account, until):
    return Mesh(kunren, account, until)


def test_clients_reach_the_tasks_of_a_service_by_its_alias(mesh, until):
    orders = mesh.register("orders", "python3", "-c", SERVER, appProtocol="http")
    offer = {"portName": "web", "discoveryName": "orders", "clientAliases": [{"port": 8000, "dnsName": "orders"}]}
    mesh.create("orders", orders, mesh.servers, offer, count=2)
    mesh.create("client", mesh.register("client", "sleep", "600"), mesh.clients)
    mesh.settled("orders", "client")
    (client,) = mesh.tasks("client")
    print(mesh.inside(client, "cat", "/etc/hosts"))
    print(mesh.inside(client, "curl", "-sv", "-m", "5", "http://orders:8000/"))
    print(mesh.tasks("orders")[0]["attachments"])
    print(mesh.ecs.describe_services(cluster="shop", services=["orders"])["services"][0]["deployments"])
    text = mesh.inside(client, "sh", "-c", "for i in $(seq 20); do curl -s -m 5 http://orders:8000/; done")
    print(Counter(text.splitlines()))
    print(mesh.kunren.run("status").stdout)
    assert 0
