"""Tasks whose containers are Podman's: on the world's network, logged, checked, entered, stopped and swept as others."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import podman
import pytest
from oci import PYTHON, layer, layout, python_files

from kunren.dataplane.containers.api import EngineApi

SERVER = """
import _signal as signal, os, socket, sys
def end(*_):
    print("bye", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
print("hello from", os.environ["NAME"], os.getcwd(), flush=True)
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    client = server.accept()[0]
    client.recv(4096)
    text = open("/kept/said").read() if os.path.exists("/kept/said") else ""
    body = f"{os.getpid()} {os.environ['NAME']} {text}".encode()
    client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    client.close()
"""
SIDE = """
import _signal as signal, socket, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("/kept/said", "w").write("by the other")
try:
    open("/new", "w")
except OSError as error:
    print(error.strerror, flush=True)
print(next(each for each in open("/proc/self/limits") if "open files" in each).split()[3:5], flush=True)
while socket.socket().connect_ex(("127.0.0.1", 80)):
    time.sleep(0.05)
while True:
    signal.pause()
"""
PLUGIN = Path(__file__).parent / "programs/session_manager_plugin.py"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image") / "layout"
    files = [each for each in python_files() if each.suffix != ".so" or "lib-dynload" in each.parts]
    layout(
        folder,
        layer({"app/server.py": SERVER, "app/side.py": SIDE}, files=files),
        Entrypoint=[PYTHON, "-I", "-S", "-B"],
        Cmd=["/app/server.py", "80"],
        WorkingDir="/app",
    )
    return folder


@pytest.fixture
def engine(tmp_path):
    with tempfile.TemporaryDirectory(dir="/tmp") as run, podman.serving(tmp_path / "podman", Path(run)) as serving:
        yield serving


@pytest.fixture
def shop(own_kunren, engine, image, until):
    own_kunren.environment["CONTAINER_HOST"] = f"unix://{engine.socket}"
    own_kunren.environment.pop("DOCKER_HOST", None)
    own_kunren.up("--speed", "10", "--container-engine", "podman")
    own_kunren.run("image", "load", str(image), "--name", "my/server:1", check=True)
    root = next(own_kunren.state.glob("data/images/*/root"))
    if why := engine.refusal(root, PYTHON):
        pytest.skip(f"this machine lets Podman run nothing: {why}")
    return Shop(own_kunren, until)


class Shop:
    def __init__(self, kunren, until):
        self.kunren, self.until = kunren, until
        self.ecs, self.ec2, self.logs = (kunren.client(each) for each in ("ecs", "ec2", "logs"))
        self.ecs.create_cluster(clusterName="shop")
        self.subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.group = self.ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])
        self.logs.create_log_group(logGroupName="/shop")
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                                "Action": "sts:AssumeRole"}]}  # fmt: skip
        iam = kunren.client("iam")
        role = iam.create_role(RoleName="task", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        self.roles = {"executionRoleArn": role, "taskRoleArn": role}

    def run(self, family, *containers, volumes=()):
        self.ecs.register_task_definition(
            family=family, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=list(containers), volumes=list(volumes), **self.roles,
        )  # fmt: skip
        network = {"subnets": [self.subnet], "securityGroups": [self.group], "assignPublicIp": "ENABLED"}
        return self.ecs.run_task(
            cluster="shop", taskDefinition=family, launchType="FARGATE", enableExecuteCommand=True,
            networkConfiguration={"awsvpcConfiguration": network},
        )["tasks"][0]["taskArn"]  # fmt: skip

    def show(self, task):
        return self.ecs.describe_tasks(cluster="shop", tasks=[task])["tasks"][0]

    def wait(self, task, status):
        def there():
            shown = self.show(task)
            assert status == "STOPPED" or shown["lastStatus"] != "STOPPED", shown["stoppedReason"]
            return shown["lastStatus"] == status and shown

        return self.until(there, lambda: f"{status}: {self.show(task)}", 90)

    def address(self, task):
        details = {each["name"]: each["value"] for each in self.show(task)["attachments"][0]["details"]}
        found = self.ec2.describe_network_interfaces(NetworkInterfaceIds=[details["networkInterfaceId"]])
        return found["NetworkInterfaces"][0]["Association"]["PublicIp"]

    def printed(self, task, name):
        stream = f"p/{name}/{task.rpartition('/')[2]}"
        told = self.logs.get_log_events(logGroupName="/shop", logStreamName=stream, startFromHead=True)
        return [each["message"] for each in told["events"]]

    def types(self, task, name, command):
        """What a session shows that runs the command."""
        told = self.ecs.execute_command(
            cluster="shop", task=task, container=name, interactive=True, command=command
        )  # fmt: skip
        arguments = [json.dumps(told["session"]), "us-east-1", "StartSession"]
        done = subprocess.run(
            [sys.executable, PLUGIN, *arguments], input="", capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr


def logged(name):
    options = {"awslogs-group": "/shop", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p"}
    return {"name": name, "image": "my/server:1", "logConfiguration": {"logDriver": "awslogs", "options": options}}


def test_docker_can_not_run_them(own_kunren):
    refused = own_kunren.run("up", "--container-engine", "docker")
    assert refused.returncode == 1
    assert "Docker starts containers in no network but its own" in refused.stderr


@pytest.mark.skipif(podman.MISSING != "", reason=podman.MISSING)
def test_podman_runs_a_tasks_containers(shop, engine, until):
    kept = [{"sourceVolume": "kept", "containerPath": "/kept"}]
    check = [PYTHON, "-I", "-S", "-c", "import os, sys; sys.exit(not os.path.exists('/kept/said'))"]
    web = {
        **logged("web"), "environment": [{"name": "NAME", "value": "web"}], "mountPoints": kept,
        "healthCheck": {"command": ["CMD", *check], "interval": 5},
    }  # fmt: skip
    side = {
        **logged("side"), "essential": False, "command": ["/app/side.py"], "mountPoints": kept, "stopTimeout": 2,
        "readonlyRootFilesystem": True, "ulimits": [{"name": "nofile", "softLimit": 111, "hardLimit": 222}],
    }  # fmt: skip
    task = shop.run("web", web, side, volumes=[{"name": "kept"}])
    shop.wait(task, "RUNNING")
    address = shop.address(task)
    curl = ("curl", "-sS", "-m", "20", "--retry", "5", "--retry-connrefused", f"http://{address}/")
    until(
        lambda: shop.kunren.exec(*curl, check=False).stdout == "1 web by the other",
        "both containers, on one network and volume",
        60,
    )
    id = task.rpartition("/")[2]
    assert running(engine) == [f"kunren-{id}-side", f"kunren-{id}-web"]
    assert not os.path.ismount("/run/netns")
    until(lambda: shop.show(task)["healthStatus"] == "HEALTHY", "a health check that passes", 60)
    asked = "import os; print(os.ttyname(0), os.environ['TERM'], 6 * 7)"
    assert "/dev/pts/0 xterm-256color 42" in shop.types(task, "web", f'{PYTHON} -I -S -c "{asked}"')
    refused = shop.kunren.run("ssh", id, "true")
    assert refused.returncode and "podman exec -it" in refused.stderr

    shop.ecs.stop_task(cluster="shop", task=task)
    shown = {each["name"]: each for each in shop.wait(task, "STOPPED")["containers"]}
    assert {name: each["exitCode"] for name, each in shown.items()} == {"web": 7, "side": 137}
    until(lambda: shop.printed(task, "web") == ["hello from web /app", "bye"], lambda: shop.printed(task, "web"))
    told = ["Read-only file system", "['111', '222']"]
    until(lambda: shop.printed(task, "side") == told, lambda: shop.printed(task, "side"))
    assert running(engine) == []
    shown = shop.wait(shop.run("bad", {**logged("main"), "entryPoint": ["/none"]}), "STOPPED")
    assert 'exec: "/none": stat /none: no such file or directory' in shown["stoppedReason"]

    task = shop.run("left", logged("main"))
    shop.wait(task, "RUNNING")
    os.kill(shop.kunren.pid, signal.SIGKILL)
    assert len(running(engine)) == 1
    shop.kunren.up("--speed", "10", "--container-engine", "podman")
    until(lambda: shop.show(task)["lastStatus"] == "STOPPED", "the task that has ended with its Kunren")
    assert running(engine) == []


def running(engine):
    """The names of Podman's containers."""
    asked = EngineApi(engine.socket).ask("GET", "/containers/json", all="true")
    return sorted(each["Names"][0].lstrip("/") for each in asyncio.run(asked))
