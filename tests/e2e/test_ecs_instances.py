"""Container instances as their users have them: an image, a role, user data with a cluster's name, and tasks on them."""

import json
import platform

import pytest

SERVE = "cd /tmp && echo hello > index.html && exec python3 -m http.server {port}"
USER_DATA = """#!/bin/bash
cat >> /etc/ecs/ecs.config <<'END'
ECS_CLUSTER=fleet
ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
ECS_CONTAINER_STOP_TIMEOUT=2s
ECS_INSTANCE_ATTRIBUTES={"tier": "front"}
END
"""


class Fleet:
    """A cluster with the role of its instances, and who may launch some."""

    def __init__(self, kunren, account, until):
        self.kunren, self.until = kunren, until
        self.ec2, self.ecs, self.iam = (kunren.client(each, account) for each in ("ec2", "ecs", "iam"))
        self.ssm = kunren.client("ssm", account)
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
                                "Action": "sts:AssumeRole"}]}  # fmt: skip
        self.iam.create_role(RoleName="ecsInstanceRole", AssumeRolePolicyDocument=json.dumps(trust))
        self.iam.create_instance_profile(InstanceProfileName="ecsInstanceRole")
        self.iam.add_role_to_instance_profile(InstanceProfileName="ecsInstanceRole", RoleName="ecsInstanceRole")
        self.ecs.create_cluster(clusterName="fleet")
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = sorted(self.ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])
        self.subnets = [each["SubnetId"] for each in subnets[:2]]
        self.group = self.ec2.create_security_group(GroupName="fleet", Description="fleet", VpcId=vpc)["GroupId"]
        self.rule = rule = {
            "IpProtocol": "tcp", "FromPort": 80, "ToPort": 65535, "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        }  # fmt: skip
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])
        machine = "" if platform.machine() == "x86_64" else "/arm64"
        path = f"/aws/service/ecs/optimized-ami/amazon-linux-2023{machine}/recommended"
        self.image = json.loads(self.ssm.get_parameter(Name=path)["Parameter"]["Value"])["image_id"]
        self.type = "t4g.small" if machine else "t3.small"

    def launch(self, subnet=0, **more):
        asked = {
            "ImageId": self.image, "InstanceType": self.type, "MinCount": 1, "MaxCount": 1, "UserData": USER_DATA,
            "SubnetId": self.subnets[subnet], "SecurityGroupIds": [self.group],
            "IamInstanceProfile": {"Name": "ecsInstanceRole"}, **more,
        }  # fmt: skip
        return self.ec2.run_instances(**asked)["Instances"][0]["InstanceId"]

    def instances(self, **asked):
        arns = self.ecs.list_container_instances(cluster="fleet", **asked)["containerInstanceArns"]
        if not arns:
            return []
        shown = self.ecs.describe_container_instances(cluster="fleet", containerInstances=arns)
        return shown["containerInstances"]

    def connected(self, count):
        found = [each for each in self.instances(status="ACTIVE") if each["agentConnected"]]
        return found if len(found) == count else None

    def register(self, family, mode, port, **more):
        container = {"name": "web", "image": "public.ecr.aws/docker/library/python:3.11", "memory": 128,
                     "command": ["sh", "-c", SERVE.format(port=port)],
                     "portMappings": [{"containerPort": port}]}  # fmt: skip
        self.ecs.register_task_definition(
            family=family, networkMode=mode, requiresCompatibilities=["EC2"], cpu="256", memory="256",
            containerDefinitions=[container], **more,
        )  # fmt: skip

    def task(self, arn):
        return self.ecs.describe_tasks(cluster="fleet", tasks=[arn])["tasks"][0]

    def reached(self, arn, status="RUNNING"):
        as_wanted = lambda: (shown := self.task(arn))["lastStatus"] == status and shown  # noqa: E731
        return self.until(as_wanted, lambda: f"{status} of {self.task(arn)}", 60)

    def served(self, name):
        """A task of that service, once it runs."""
        arns = self.ecs.list_tasks(cluster="fleet", serviceName=name)["taskArns"]
        return next((each for each in map(self.task, arns) if each["lastStatus"] == "RUNNING"), None)

    def fetched(self, address, port, within_s=3):
        url = f"http://{address}:{port}/"
        return self.kunren.exec(
            "curl", "-sS", "--max-time", str(within_s), url, place="tokyo", check=False
        ).stdout.strip()


@pytest.fixture
def fleet(kunren, account, until):
    return Fleet(kunren, account, until)


def test_instances_register_run_tasks_and_take_them_along(fleet, until):
    first = fleet.launch()
    shown = until(lambda: fleet.connected(1), "the agent is connected", 60)[0]
    assert shown["ec2InstanceId"] == first
    values = {each["name"]: each.get("value") for each in shown["attributes"]}
    assert (values["tier"], values["ecs.instance-type"], values["ecs.ami-id"]) == ("front", fleet.type, fleet.image)
    registered = {each["name"]: each for each in shown["registeredResources"]}
    assert (registered["CPU"]["integerValue"], registered["MEMORY"]["integerValue"]) == (2048, 1920)
    assert registered["PORTS"]["stringSetValue"] == ["22", "2375", "2376", "51678", "51679"]
    told = fleet.kunren.run("ssh", first, "--", "curl", "-s", "http://localhost:51678/v1/metadata").stdout
    assert json.loads(told)["ContainerInstanceArn"] == shown["containerInstanceArn"]

    second = fleet.launch(subnet=1)
    until(lambda: fleet.connected(2), "both are connected", 60)
    fleet.register("host", "host", 8080)
    run = fleet.ecs.run_task(cluster="fleet", taskDefinition="host", count=3)
    assert (len(run["tasks"]), {each["reason"] for each in run["failures"]}) == (2, {"RESOURCE:PORTS"})
    tasks = [fleet.reached(each["taskArn"]) for each in run["tasks"]]
    assert len({each["containerInstanceArn"] for each in tasks}) == 2
    addresses = fleet.ec2.describe_instances(InstanceIds=[first])["Reservations"][0]["Instances"][0]
    until(lambda: fleet.fetched(addresses["PublicIpAddress"], 8080) == "hello", "the page of a task on the host")
    left = {each["name"]: each for each in fleet.instances()[0]["remainingResources"]}
    assert (left["CPU"]["integerValue"], "8080" in left["PORTS"]["stringSetValue"]) == (1792, True)

    # which takes a while to be noticed
    fleet.kunren.run("ssh", first, "--", "sh", "-c", "kill -9 $(pgrep -f ecs/agent.py)")
    fleet.register("own", "awsvpc", 80, placementConstraints=[
        {"type": "memberOf", "expression": f"attribute:ecs.subnet-id == {fleet.subnets[1]}"}
    ])  # fmt: skip
    network = {"awsvpcConfiguration": {"subnets": fleet.subnets, "securityGroups": [fleet.group]}}
    run = fleet.ecs.run_task(cluster="fleet", taskDefinition="own", networkConfiguration=network)
    own = fleet.reached(run["tasks"][0]["taskArn"])
    assert own["availabilityZone"] == values["ecs.availability-zone"][:-1] + "b"
    address = next(each["value"] for each in own["attachments"][0]["details"] if each["name"] == "privateIPv4Address")
    look = fleet.kunren.run("ssh", first, "--", "curl", "-s", f"http://{address}/")
    assert look.stdout == "hello\n"
    curl = ("curl", "-s", "http://169.254.169.254/latest/meta-data/instance-id")
    assert fleet.kunren.run("ssh", own["taskArn"].rpartition("/")[2], "--", *curl).stdout == second

    fleet.ec2.terminate_instances(InstanceIds=[second])
    ended = fleet.reached(own["taskArn"], "STOPPED")
    assert (ended["stopCode"], ended["stoppedReason"]) == (
        "TerminationNotice", f"Host EC2 (instance {second}) terminated."
    )  # fmt: skip
    until(lambda: len(fleet.instances()) == 1, "deregistered with its machine")

    with pytest.raises(fleet.ecs.exceptions.InvalidParameterException, match="Found running tasks on the instance"):
        fleet.ecs.deregister_container_instance(cluster="fleet", containerInstance=shown["containerInstanceArn"])
    until(lambda: not fleet.instances()[0]["agentConnected"], "an agent that is gone is not connected", 30)
    fleet.register("more", "host", 8081)
    run = fleet.ecs.run_task(cluster="fleet", taskDefinition="more")
    assert [each["reason"] for each in run["failures"]] == ["AGENT"]
    fleet.ec2.terminate_instances(InstanceIds=[first])
    until(lambda: fleet.instances() == [], "no instance is left", 60)


ASKS = """
import http.server, json, os, socket, urllib.request
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = json.load(urllib.request.urlopen(os.environ["ECS_CONTAINER_METADATA_URI_V4"] + "/task", timeout=3))
        body = json.dumps({"client": self.client_address[0], "family": told["Family"],
                           "found": socket.gethostbyname("ecs.us-east-1.amazonaws.com")}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("", 80), Answers).serve_forever()
"""


def test_containers_behind_a_bridge_have_ports_of_their_instance(fleet, until):
    id = fleet.launch()
    until(lambda: fleet.connected(1), "the agent is connected", 60)
    container = {"name": "web", "image": "public.ecr.aws/docker/library/python:3.11", "memory": 128,
                 "command": ["python3", "-c", ASKS], "portMappings": [{"containerPort": 80}]}  # fmt: skip
    fleet.ecs.register_task_definition(family="behind", networkMode="bridge", containerDefinitions=[container])
    run = fleet.ecs.run_task(cluster="fleet", taskDefinition="behind", launchType="EC2", count=2)
    shown = [fleet.reached(each["taskArn"]) for each in run["tasks"]]
    ports = [each["containers"][0]["networkBindings"][0]["hostPort"] for each in shown]
    assert sorted(ports) == [32768, 32769]
    address = fleet.ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["PublicIpAddress"]
    told = [json.loads(until(lambda: fleet.fetched(address, port), f"port {port}")) for port in ports]  # noqa: B023
    assert {each["family"] for each in told} == {"behind"}
    assert all(each["client"].startswith("198.18.") and each["found"] for each in told)  # who really asked

    fleet.ec2.revoke_security_group_ingress(GroupId=fleet.group, IpPermissions=[fleet.rule])
    fleet.ec2.authorize_security_group_ingress(
        GroupId=fleet.group, IpPermissions=[{**fleet.rule, "FromPort": 32769, "ToPort": 32769}]
    )
    until(lambda: fleet.fetched(address, 32768, within_s=1) == "", "the group judges the instance's port")
    assert fleet.fetched(address, 32769) != ""
    local = fleet.kunren.run("ssh", id, "--", "sh", "-c", "curl -s http://$(hostname -I | cut -d' ' -f1):32768/")
    assert json.loads(local.stdout)["family"] == "behind"

    # services behind bridges find each other by Service Connect, here on one instance
    container["portMappings"][0] |= {"name": "web", "appProtocol": "http"}
    fleet.ecs.register_task_definition(family="served", networkMode="bridge", containerDefinitions=[container])
    fleet.ecs.update_cluster(cluster="fleet", serviceConnectDefaults={"namespace": "fleet"})
    offer = {
        "portName": "web", "clientAliases": [{"port": 8080, "dnsName": "served"}],
        "timeout": {"perRequestTimeoutSeconds": 1200},
    }  # fmt: skip
    for name, offers in (("server", [offer]), ("asker", [])):
        fleet.ecs.create_service(
            cluster="fleet", serviceName=name, taskDefinition="served", desiredCount=1, launchType="EC2",
            serviceConnectConfiguration={"enabled": True, "services": offers},
        )  # fmt: skip
    server, asker = (until(lambda: fleet.served(name), f"{name} runs", 60) for name in ("server", "asker"))  # noqa: B023
    known = {each["name"]: each["value"] for each in server["attachments"][0]["details"]}
    assert (known["discoveryName"], "ingressPortOverride" in known) == ("web", False)
    asked = ("ssh", asker["taskArn"].rpartition("/")[2], "--", "curl", "-sm", "9", "served:8080")
    found = json.loads(until(lambda: fleet.kunren.run(*asked).stdout, "an answer"))
    assert (found["family"], found["client"]) == ("served", "127.0.0.1")
    for name in ("server", "asker"):
        fleet.ecs.delete_service(cluster="fleet", service=name, force=True)

    gone = run["tasks"][ports.index(32768)]["taskArn"]
    fleet.ecs.stop_task(cluster="fleet", task=gone)
    fleet.reached(gone, "STOPPED")
    assert fleet.fetched(address, 32769) != ""
    fleet.ec2.terminate_instances(InstanceIds=[id])
    until(lambda: fleet.instances() == [], "no instance is left", 60)
