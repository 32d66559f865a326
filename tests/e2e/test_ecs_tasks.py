"""Tasks of ECS as their users have them: run, reached, asked from inside, ordered, stopped, lost."""

import io
import json
import os
import re
import subprocess
import tarfile
from importlib.util import find_spec
from pathlib import Path

import boto3
import pytest
from oci import image, layer

LOGS = {
    "logDriver": "awslogs",
    "options": {
        "awslogs-group": "/ecs/shop", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p",
        "awslogs-create-group": "true",
    },
}  # fmt: skip
ASKING = """
import io, json, os, sys, tarfile, urllib.request
tarfile.open(fileobj=io.BytesIO(urllib.request.urlopen(os.environ["PACKAGES"]).read())).extractall("/opt")
sys.path.insert(0, "/opt")
import boto3
uri = os.environ["ECS_CONTAINER_METADATA_URI_V4"]
print(json.load(urllib.request.urlopen(uri + "/task"))["TaskARN"])
print(json.load(urllib.request.urlopen(uri))["Name"])
print(boto3.client("sts").get_caller_identity()["Arn"])
print(os.environ["SECRET"], os.environ["PARAMETER"], os.environ["FILED"], os.environ["GIVEN"])
"""
MEETING = """
import time, urllib.request
while True:
    try:
        print(urllib.request.urlopen("http://localhost/told").read().decode().strip(), flush=True)
        break
    except OSError:
        time.sleep(0.05)
time.sleep(600)
"""


def container(name, *command, **more):
    return {"name": name, "image": "public.ecr.aws/docker/library/python:3", "command": list(command), **more}


class Cluster:
    """One account's cluster, with a subnet and a group that lets port 80 in."""

    def __init__(self, kunren, account, until):
        self.kunren, self.account, self.until = kunren, account, until
        self.ecs, self.ec2, self.logs = (kunren.client(each, account) for each in ("ecs", "ec2", "logs"))
        self.ecs.create_cluster(clusterName="shop")
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        self.group = self.ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])
        self.roles = {}

    def give_role(self):
        """Tasks have a role from now on, which they log with, too."""
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                                "Action": "sts:AssumeRole"}]}  # fmt: skip
        iam = self.kunren.client("iam", self.account)
        arn = iam.create_role(RoleName="task", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        self.roles = {"executionRoleArn": arn, "taskRoleArn": arn}

    def register(self, family, *containers, **more):
        return self.ecs.register_task_definition(
            family=family, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=list(containers), **self.roles, **more,
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip

    def run(self, family, **more):
        network = {"subnets": [self.subnet], "securityGroups": [self.group], "assignPublicIp": "ENABLED"}
        answer = self.ecs.run_task(
            cluster="shop", taskDefinition=family, launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network}, **more,
        )  # fmt: skip
        assert answer["failures"] == []
        return answer["tasks"][0]["taskArn"]

    def show(self, arn):
        return self.ecs.describe_tasks(cluster="shop", tasks=[arn])["tasks"][0]

    def wait(self, arn, status):
        return self.until(lambda: (shown := self.show(arn))["lastStatus"] == status and shown, f"{arn} {status}", 60)

    def printed(self, arn, name):
        stream = f"p/{name}/{arn.rpartition('/')[2]}"
        told = self.logs.get_log_events(logGroupName="/ecs/shop", logStreamName=stream, startFromHead=True)
        return [each["message"] for each in told["events"]]

    def public_address(self, arn):
        details = {each["name"]: each["value"] for each in self.show(arn)["attachments"][0]["details"]}
        found = self.ec2.describe_network_interfaces(NetworkInterfaceIds=[details["networkInterfaceId"]])
        return found["NetworkInterfaces"][0]["Association"]["PublicIp"]


@pytest.fixture
def shop(kunren, account, until):
    made = Cluster(kunren, account, until)
    made.give_role()
    return made


def packages():
    """boto3 and what it needs, with the models of STS alone, as an archive."""

    def wanted(member):
        other = "/data/" in member.name and not re.search(
            r"/data/(endpoints|partitions|sdk-default|_retry|sts)", member.name
        )
        return None if other or "__pycache__" in member.name else member

    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz", compresslevel=1) as tar:
        for name in ("boto3", "botocore", "jmespath", "s3transfer", "dateutil", "urllib3", "six"):
            origin = Path(find_spec(name).origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            tar.add(source, source.name, filter=wanted)
    return written.getvalue()


def test_a_task_serves_the_internet_and_stops_when_it_is_asked(shop, kunren, until):
    server = "echo $GREETING > /srv/index.html; trap 'echo bye; exit 0' TERM; python3 -m http.server 80 & wait"
    shop.register("web", container("web", "sh", "-c", server, workingDirectory="/srv", logConfiguration=LOGS))
    override = {"containerOverrides": [{"name": "web", "environment": [{"name": "GREETING", "value": "hello"}]}]}
    task = shop.run("web", overrides=override, startedBy="me", tags=[{"key": "team", "value": "a"}])
    shop.ecs.get_waiter("tasks_running").wait(cluster="shop", tasks=[task], WaiterConfig={"Delay": 1})
    shown = shop.show(task)
    assert (shown["launchType"], shown["platformVersion"], shown["group"]) == ("FARGATE", "1.4.0", "family:web")
    assert shown["containers"][0]["lastStatus"] == "RUNNING"
    address = shop.public_address(task)

    def fetched():
        return kunren.exec("curl", "-sS", "--max-time", "2", f"http://{address}/", place="tokyo", check=False).stdout

    until(lambda: fetched() == "hello\n", "the task's page")
    assert shop.ecs.list_tasks(cluster="shop", startedBy="me")["taskArns"] == [task]
    cli = ("env", f"AWS_ACCESS_KEY_ID={shop.account}", "AWS_REGION=us-east-1", "aws")
    kunren.exec(*cli, "ecs", "wait", "tasks-running", "--cluster", "shop", "--tasks", task)
    assert f"web:1 (task {task.rpartition('/')[2][:8]})" in kunren.run("graph", "--account", shop.account).stdout

    shop.ecs.stop_task(cluster="shop", task=task, reason="enough")
    shown = shop.wait(task, "STOPPED")
    assert (shown["stopCode"], shown["stoppedReason"]) == ("UserInitiated", "enough")
    assert shown["containers"][0]["exitCode"] == 0
    told = shop.logs.filter_log_events(logGroupName="/ecs/shop")["events"]  # as `aws logs tail` asks
    assert told[-1]["message"] == "bye"
    assert shop.ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_a_task_has_its_roles_credentials_by_an_sdks_default_chain_and_its_secrets(shop, kunren):
    s3, account = kunren.client("s3", shop.account), shop.account
    s3.create_bucket(Bucket=f"files-{account}")
    s3.put_object(Bucket=f"files-{account}", Key="packages.tar.gz", Body=packages())
    s3.put_object(Bucket=f"files-{account}", Key="some.env", Body=b"# those that\nFILED=from a file\nGIVEN=not this\n")
    secret = kunren.client("secretsmanager", account).create_secret(Name="db", SecretString='{"word": "sesame"}')["ARN"]
    kunren.client("ssm", account).put_parameter(Name="/shop/level", Value="high", Type="SecureString")
    theirs = boto3.client("s3", "us-east-1", aws_access_key_id=account, aws_secret_access_key="test")
    url = theirs.generate_presigned_url("get_object", {"Bucket": f"files-{account}", "Key": "packages.tar.gz"})
    asking = container(
        "ask", "python3", "-c", ASKING, logConfiguration=LOGS,
        environment=[{"name": "GIVEN", "value": "as given"}, {"name": "PACKAGES", "value": url}],
        environmentFiles=[{"value": f"arn:aws:s3:::files-{account}/some.env", "type": "s3"}],
        secrets=[{"name": "SECRET", "valueFrom": f"{secret}:word::"}, {"name": "PARAMETER", "valueFrom": "/shop/level"}],
    )  # fmt: skip
    shop.register("ask", asking)
    task = shop.run("ask")
    shown = shop.wait(task, "STOPPED")
    printed = shop.printed(task, "ask")
    assert shown["containers"][0]["exitCode"] == 0, printed
    session = f"arn:aws:sts::{account}:assumed-role/task/{task.rpartition('/')[2]}"
    assert printed == [task, "ask", session, "sesame high from a file as given"]


def test_containers_of_a_task_wait_for_each_other_and_share_its_network_and_volumes(shop, until):
    seen = [{"sourceVolume": "shared", "containerPath": "/shared"}]
    id = "1234" if os.geteuid() == 0 else "0"  # an ordinary user's Kunren has no users to give
    user = {"user": id, "environment": [{"name": "USER_ID", "value": id}]}
    shop.register(
        "three",
        container("first", "sh", "-c", "echo told > /shared/told", essential=False, mountPoints=seen),
        container(
            "serve", "python3", "-m", "http.server", "80", "--directory", "/shared",
            mountPoints=[{**seen[0], "readOnly": True}],
            healthCheck={"command": ["CMD-SHELL", "test -f /shared/told && test $(id -u) = ${USER_ID}"], "interval": 5},
            dependsOn=[{"containerName": "first", "condition": "SUCCESS"}], **user,
        ),
        container(
            "meet", "python3", "-c", MEETING, logConfiguration=LOGS, stopTimeout=2,
            dependsOn=[{"containerName": "serve", "condition": "HEALTHY"}],
        ),
        volumes=[{"name": "shared"}],
    )  # fmt: skip
    task = shop.run("three")
    shown = shop.wait(task, "RUNNING")
    assert shown["healthStatus"] == "HEALTHY"
    assert [each.get("exitCode") for each in shown["containers"]] == [0, None, None]
    until(lambda: shop.printed(task, "meet") == ["told"], "what one container tells the other")
    shop.ecs.stop_task(cluster="shop", task=task)
    codes = [each["exitCode"] for each in shop.wait(task, "STOPPED")["containers"]]
    assert codes == [0, 137, 137]  # programs that hear no SIGTERM as process 1 are killed


BAD = {
    "exits": (("sh", "-c", "exit 3"), "EssentialContainerExited", "Essential container in task exited", 3, None),
    "fills memory": (
        ("python3", "-c", "x = bytearray(900 << 20); input()"), "EssentialContainerExited",
        "Essential container in task exited", 137, "OutOfMemoryError: Container killed due to memory usage",
    ),
    "no program": (("/no/such",), "TaskFailedToStart", "CannotStartContainerError: ", None, "CannotStartContainerError"),
}  # fmt: skip


def pushed(ecr, name, manifest, blobs):
    """Have the image in a repository of that name, called 1; its digest."""
    ecr.create_repository(repositoryName=name)
    for digest, content in blobs.items():
        upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
        part = {"partFirstByte": 0, "partLastByte": len(content) - 1, "layerPartBlob": content}
        ecr.upload_layer_part(repositoryName=name, uploadId=upload, **part)
        ecr.complete_layer_upload(repositoryName=name, uploadId=upload, layerDigests=[digest])
    return ecr.put_image(repositoryName=name, imageManifest=manifest.decode(), imageTag="1")["image"]["imageId"]


WHO = "while read -r name id rest; do [ $name = Uid: ] && uid=$id; done < /proc/self/status; read own < /own; echo $uid $HOME $own"


def test_a_task_runs_an_image_of_ecr_as_the_image_says(shop, kunren):
    shell = Path("/bin/sh").resolve()
    needed = re.findall(r"(/\S+) \(", subprocess.run(["ldd", shell], capture_output=True, text=True, check=True).stdout)
    files = {"bin/sh": shell.read_bytes(), **{each[1:]: Path(each).read_bytes() for each in needed}}
    programs = layer(files, modes=dict.fromkeys(files, 0o755))
    own = layer(
        {"own": "mine\n", "data/seed": "seed\n", "etc/passwd": "app:x:1000:1000::/home/app:/bin/sh\n"},
        modes={"own": 0o600}, owner=1000,
    )  # fmt: skip
    settings = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": [f"echo $WORD in $PWD; echo /*; {WHO}; echo /data/*"],
                "Env": ["WORD=built"], "WorkingDir": "/srv/app", "User": "app", "Volumes": {"/data": {}}}  # fmt: skip
    identity = pushed(kunren.client("ecr", shop.account), "team/web", *image(programs, own, **settings))
    named = f"{shop.account}.dkr.ecr.us-east-1.amazonaws.com/team/web:1"
    mounts = [{"sourceVolume": "data", "containerPath": "/data"}]
    web = {"name": "web", "image": named, "logConfiguration": LOGS, "mountPoints": mounts}
    shop.register("built", web, volumes=[{"name": "data"}])
    task = shop.run("built")
    shown = shop.wait(task, "STOPPED")["containers"][0]
    assert (shown["exitCode"], shown["imageDigest"]) == (0, identity["imageDigest"])
    place, root, user, data = shop.printed(task, "web")
    assert user == ("1000 /home/app mine" if os.geteuid() == 0 else "0 /root mine")
    assert (place, data) == ("built in /srv/app", "/data/seed")
    assert {"/bin", "/own", "/srv"} <= set(root.split()) and "/home" not in root.split()


FILLING = """
import os
with open("/shared/file", "wb") as one, open("/srv/file", "wb") as other:
    os.posix_fallocate(one.fileno(), 0, 19 << 30)
    try:
        os.posix_fallocate(other.fileno(), 0, 2 << 30)
    except OSError as error:
        print(error.strerror)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount file systems")
def test_a_tasks_ephemeral_storage_is_full_for_its_containers_and_volumes_together(shop):
    mounts = [{"sourceVolume": "shared", "containerPath": "/shared"}]
    filling = container("fill", "python3", "-c", FILLING, mountPoints=mounts, logConfiguration=LOGS)
    shop.register("fill", filling, volumes=[{"name": "shared"}])
    task = shop.run("fill")
    assert shop.wait(task, "STOPPED")["ephemeralStorage"] == {"sizeInGiB": 20}
    assert shop.printed(task, "fill") == ["No space left on device"]


HARDENED = "touch /tmp/x || touch /shared/x && grep CapBnd /proc/self/status && exec sleep 600"


def test_a_container_can_be_hardened_and_gone_into(shop, kunren, until):
    hardened = container(
        "web", "sh", "-c", HARDENED, readonlyRootFilesystem=True, logConfiguration=LOGS,
        linuxParameters={"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
        mountPoints=[{"sourceVolume": "shared", "containerPath": "/shared"}],
        ulimits=[{"name": "nofile", "softLimit": 100, "hardLimit": 200}],
    )  # fmt: skip
    shop.register("hard", hardened, volumes=[{"name": "shared"}])
    task = shop.run("hard")
    shop.wait(task, "RUNNING")
    until(lambda: len(shop.printed(task, "web")) == 2, "what it prints")
    refused, capabilities = shop.printed(task, "web")
    assert "Read-only file system" in refused and capabilities.split() == ["CapBnd:", "0" * 16]
    id = task.rpartition("/")[2]
    inside = kunren.run(
        "ssh", f"{id}/web", "--", "sh", "-c", "cat /proc/1/comm; ls /shared; echo $ECS_AGENT_URI; hostname"
    )
    address = shop.show(task)["containers"][0]["networkInterfaces"][0]["privateIpv4Address"].replace(".", "-")
    init, seen, uri, hostname = inside.stdout.split()
    assert (init, seen, hostname) == ("init", "x", f"ip-{address}.ec2.internal")
    assert uri.startswith(f"http://169.254.170.2/api/{id}")
    assert "does not run" in kunren.run("ssh", f"{id}/db", "--", "true").stderr
    shop.ecs.stop_task(cluster="shop", task=task)
    assert shop.wait(task, "STOPPED")["containers"][0]["exitCode"] == 143  # our init hands SIGTERM on to sleep


def test_a_task_that_comes_to_nothing_says_why(shop, kunren):
    told = json.loads(kunren.run("doctor", "--json").stdout)["checks"]
    bounded = next(each["ok"] for each in told if each["name"] == "cgroups")
    bad = [each for name, each in BAD.items() if bounded or name != "fills memory"]
    for number, (argv, _, _, _, _) in enumerate(bad):
        shop.register(f"bad-{number}", container("main", *argv))
    shop.register("bad-image", {**container("main", "true"), "image": "no-such-image:1"})
    tasks = [shop.run(f"bad-{number}") for number in range(len(bad))]
    for task, (_, code, reason, exit_code, why) in zip(tasks, bad, strict=True):
        shown = shop.wait(task, "STOPPED")
        main = shown["containers"][0]
        assert shown["stopCode"] == code
        assert shown["stoppedReason"].startswith(reason)
        assert main.get("exitCode") == exit_code
        assert main.get("reason", "").startswith(why or "")
    shown = shop.wait(shop.run("bad-image"), "STOPPED")
    assert shown["stopCode"] == "TaskFailedToStart"
    assert shown["stoppedReason"].startswith("CannotPullContainerError: pull image manifest has been retried")


def test_an_experiment_stops_a_share_of_a_clusters_tasks(shop, kunren, until):
    shop.register("idle", container("main", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"))
    tasks = [shop.run("idle", tags=[{"key": "drill", "value": "yes"}]) for _ in range(2)]
    spared = shop.run("idle")
    for each in (*tasks, spared):
        shop.wait(each, "RUNNING")
    fis = kunren.client("fis", shop.account)
    target = {"resourceType": "aws:ecs:task", "resourceTags": {"drill": "yes"}, "selectionMode": "PERCENT(50)",
              "parameters": {"cluster": "shop"}}  # fmt: skip
    template = fis.create_experiment_template(
        clientToken="t", description="d", stopConditions=[{"source": "none"}], targets={"some": target},
        actions={"stop": {"actionId": "aws:ecs:stop-task", "targets": {"Tasks": "some"}}},
        roleArn=shop.roles["taskRoleArn"],
    )["experimentTemplate"]["id"]  # fmt: skip
    experiment = fis.start_experiment(clientToken="e", experimentTemplateId=template)["experiment"]["id"]
    status = lambda: fis.get_experiment(id=experiment)["experiment"]["state"]  # noqa: E731
    until(lambda: status()["status"] == "completed", lambda: f"the experiment: {status()}")
    stopped = [each for each in tasks if shop.show(each)["desiredStatus"] == "STOPPED"]
    assert len(stopped) == 1
    assert shop.wait(stopped[0], "STOPPED")["stoppedReason"] == "Task stopped by AWS FIS"
    assert shop.show(spared)["lastStatus"] == "RUNNING"


def test_a_subnet_without_addresses_starts_no_more_tasks(shop):
    vpc = shop.ec2.create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"]
    small = shop.ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/28")["Subnet"]["SubnetId"]
    for number in range(11):  # of the 16 AWS keeps five
        shop.ec2.create_network_interface(SubnetId=small, Description=str(number))
    shop.register("idle", container("main", "sleep", "600"))
    network = {"awsvpcConfiguration": {"subnets": [small]}}
    task = shop.ecs.run_task(
        cluster="shop", taskDefinition="idle", launchType="FARGATE", networkConfiguration=network
    )["tasks"][0]["taskArn"]  # fmt: skip
    shown = shop.wait(task, "STOPPED")
    assert shown["stopCode"] == "TaskFailedToStart"
    assert shown["stoppedReason"] == (
        "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment disabled in subnet "
        f"'{small}': InsufficientFreeAddressesInSubnet"
    )


@pytest.fixture
def session_path(tmp_path):
    """A PATH on which there is a session-manager-plugin."""
    plugin = Path(__file__).parent / "programs/session_manager_plugin.py"
    (tmp_path / "session-manager-plugin").symlink_to(plugin)
    return f"{tmp_path}:{os.environ['PATH']}"


def running_tools(shop, *containers):
    shop.register("tools", *(containers or (container("web", "sleep", "600", logConfiguration=LOGS),)))
    task = shop.run("tools", enableExecuteCommand=True)
    shop.wait(task, "RUNNING")
    return task


def test_a_command_runs_on_a_terminal_in_the_container(shop, kunren, session_path, until):
    task = running_tools(shop)
    agent = shop.show(task)["containers"][0]["managedAgents"][0]
    assert (agent["name"], agent["lastStatus"]) == ("ExecuteCommandAgent", "RUNNING")
    env = {
        **os.environ, "PATH": session_path, "AWS_ACCESS_KEY_ID": shop.account, "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{kunren.port}", "SESSION_TEST": "drop",
    }  # fmt: skip
    command = ("aws", "ecs", "execute-command", "--cluster", "shop", "--task", task, "--interactive", "--command")
    typed = "stty size; cat /proc/1/comm; seq 5000 | tail -1; test -t 0 && ps -o tty= -p $$; echo $TERM; exit\n"
    done = subprocess.run(
        (*command, "sh"), input=typed, env=env, capture_output=True, text=True, timeout=60, check=True
    )
    session = next(each.split()[1] for each in done.stdout.splitlines() if each.startswith("Session ecs-"))
    lines = [each.strip() for each in done.stdout.splitlines()]
    for wanted in ("45 123", "sleep", "5000", "xterm-256color", f"Session {session} ended:"):
        assert wanted in lines, done.stdout

    def logged():
        told = shop.logs.get_log_events(logGroupName="/ecs/shop", logStreamName=session)["events"]
        return told and "45 123" in told[0]["message"]

    until(lambda: any(
        each["logStreamName"] == session for each in shop.logs.describe_log_streams(logGroupName="/ecs/shop")["logStreams"]
    ) and logged(), "the session's log")  # fmt: skip
    missing = subprocess.run(
        (*command, "nothing -x"), input="", env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert 'exec: "nothing": executable file not found in $PATH' in missing.stdout


def test_a_session_is_reached_inside_the_world_by_its_public_name(shop, kunren, session_path):
    task = running_tools(shop)
    cli = ("env", f"PATH={session_path}", f"AWS_ACCESS_KEY_ID={shop.account}", "AWS_REGION=us-east-1", "aws", "ecs")
    done = kunren.exec(
        *cli,
        "execute-command",
        "--cluster",
        "shop",
        "--task",
        task,
        "--interactive",
        "--command",
        "sh -c 'echo $0-$1' a b",
    )
    assert "a-b" in done.stdout, done.stderr


def test_what_cannot_be_entered_is_refused_in_aws_s_words(shop, kunren):
    ecs = shop.ecs

    def refused(code, text, **more):
        with pytest.raises(ecs.exceptions.ClientError) as found:
            ecs.execute_command(**{"cluster": "shop", "command": "sh", "interactive": True, **more})
        assert found.value.response["Error"]["Code"] == code and text in found.value.response["Error"]["Message"]

    two = (container("a", "sleep", "600"), container("b", "sh", "-c", "exit 0", essential=False))
    task = running_tools(shop, *two)
    shop.until(lambda: shop.show(task)["containers"][1]["lastStatus"] == "STOPPED", "b has ended")
    refused("InvalidParameterException", "container name is required", task=task)
    refused("InvalidParameterException", "was not found", task=task, container="c")
    refused("InvalidParameterException", "only mode supported", task=task, container="a", interactive=False)
    refused("TargetNotConnectedException", "internal error", task=task, container="b")
    refused("InvalidParameterException", "was not found", task="0" * 32)
    refused("ClusterNotFoundException", "Cluster not found", task=task, cluster="none")
    plain = shop.run("tools")
    refused("InvalidParameterException", "was not enabled when the task was run", task=plain, container="a")
    shop.roles = {}
    shop.register("bare", container("web", "sleep", "600"))
    with pytest.raises(ecs.exceptions.InvalidParameterException, match="valid taskRoleArn is not being used"):
        shop.run("bare", enableExecuteCommand=True)
    strange = kunren.run("exec", "--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                         "https://ssmmessages.us-east-1.amazonaws.com/v1/data-channel/none")  # fmt: skip
    assert strange.stdout == "404"
