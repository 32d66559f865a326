"""What a task is told at 169.254.170.2; the sockets are left out, and STS is played."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.core.errors import WireError
from kunren.dataplane.guests.local_http import Asked
from kunren.services.ecs.metadata.service import TaskMetadata
from kunren.services.ecs.model import Cluster, TaskDefinition
from kunren.services.ecs.tasks.ask import ask_for_task

OF = {"account": "123456789012", "region": "us-east-1"}
ROLE = "arn:aws:iam::123456789012:role/task"
DOCUMENT = {
    "containerDefinitions": [{"name": "web", "image": "nginx", "essential": True, "dockerLabels": {"a": "b"}}],
    "networkMode": "awsvpc", "cpu": "256", "memory": "512", "taskRoleArn": ROLE,
}  # fmt: skip


class World:
    async def open_socket(self, namespace, *, bind=None, listen=None):
        assert bind == ("169.254.170.2", 80)
        raise OSError("no sockets here")


class Told:
    """A task of a service at 10.0.0.9 that may ask."""

    def __init__(self, ecs):
        self.ecs, self.assumed = ecs, []
        ecs.create_cluster(clusterName="shop")
        with ecs.store.write() as tx:
            definition = TaskDefinition(
                **OF, id="web:3", family="web", revision=3, document=DOCUMENT, registered_at=0.0, registered_by=""
            )
            tx.put(definition)
            asked = ask_for_task(
                tx, ecs.entropy, at=0.0, cluster=tx.get(Cluster, **OF, id="shop"), definition=definition,
                launch_type="FARGATE", group="service:web",
            )  # fmt: skip
            self.task = replace(asked, private_ip="10.0.0.9", last_status="RUNNING", availability_zone="us-east-1a")
            tx.put(self.task)
        self.metadata = TaskMetadata(ecs.store, ecs.clock, ecs.entropy, World(), self.call)
        with pytest.raises(OSError, match="no sockets"):
            asyncio.run(self.metadata.enter("vpc-1", self.task, "10.0.0.9"))
        self.metadata._servers["vpc-1"] = None
        asyncio.run(self.metadata.enter("vpc-1", self.task, "10.0.0.9"))
        self.variables = self.metadata.variables(self.task, "web")

    async def call(self, account, region, service, operation, params):
        if service == "sts":
            self.assumed.append(params)
            if "denied" in params["RoleArn"]:
                raise WireError("AccessDenied", "not you", 403)
            ends = datetime.fromtimestamp(self.ecs.clock.now() + params["DurationSeconds"], UTC)
            return {"Credentials": {"AccessKeyId": f"ASIA{len(self.assumed)}", "SecretAccessKey": "s",
                                    "SessionToken": "t", "Expiration": ends}}  # fmt: skip
        ctx = RequestContext(account, region, service, operation, "r")
        names = {"GetTaskProtection": "get_task_protection", "UpdateTaskProtection": "update_task_protection"}
        return getattr(self.ecs.api, names[operation])(ctx, params)

    def ask(self, url, method="GET", body=None, source="10.0.0.9"):
        path = url.removeprefix("http://169.254.170.2")
        text = json.dumps(body).encode() if body is not None else b""
        told = asyncio.run(self.metadata._answering("vpc-1")(Asked(source, method, path, {}, text)))
        return told.status, json.loads(told.body) if told.kind == "application/json" else told.body


@pytest.fixture
def told(ecs):
    return Told(ecs)


def test_a_task_is_told_what_it_is(told):
    uri = told.variables["ECS_CONTAINER_METADATA_URI_V4"]
    status, task = told.ask(f"{uri}/task")
    arn = f"arn:aws:ecs:us-east-1:123456789012:task/shop/{told.task.id}"
    assert (status, task["TaskARN"], task["Family"], task["Revision"]) == (200, arn, "web", "3")
    assert (task["Limits"], task["LaunchType"]) == ({"CPU": 0.25, "Memory": 512}, "FARGATE")
    _, container = told.ask(uri)
    assert container["Labels"]["com.amazonaws.ecs.task-arn"] == arn
    assert container["Labels"]["a"] == "b"
    assert container["Networks"][0]["IPv4Addresses"] == ["10.0.0.9"]
    assert told.ask(told.variables["ECS_CONTAINER_METADATA_URI"])[1] == container
    assert told.ask(f"{uri}/nothing")[0] == told.ask("/v4/another-token")[0] == 404
    assert told.ask(uri, source="10.0.0.8")[0] == 404


def test_credentials_are_renewed_before_they_end_and_are_for_who_knows_their_id(told):
    path = told.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
    status, document = told.ask(path)
    assert (status, document["RoleArn"], document["AccessKeyId"], document["Token"]) == (200, ROLE, "ASIA1", "t")
    assert told.ask(path)[1] == document
    assert told.assumed == [{"RoleArn": ROLE, "RoleSessionName": told.task.id, "DurationSeconds": 3600}]
    told.ecs.clock.advance(3600 - 890)
    assert told.ask(path)[1]["AccessKeyId"] == "ASIA2"
    status, refused = told.ask("/v2/credentials/another")
    assert (status, refused["code"]) == (400, "InvalidIdInRequest")


def test_a_role_that_can_not_be_assumed_says_so(told):
    with told.ecs.store.write() as tx:
        tx.put(replace(told.task, overrides={"taskRoleArn": "arn:aws:iam::123456789012:role/denied"}))
    status, refused = told.ask(told.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])
    assert (status, refused["message"]) == (400, "not you")


def test_a_task_protects_itself_for_a_while(told):
    url = f"{told.variables['ECS_AGENT_URI']}/task-protection/v1/state"
    arn = f"arn:aws:ecs:us-east-1:123456789012:task/shop/{told.task.id}"
    off = {"protection": {"TaskArn": arn, "ProtectionEnabled": False}}
    assert told.ask(url) == (200, off)
    status, on = told.ask(url, "PUT", {"ProtectionEnabled": True, "ExpiresInMinutes": 10})
    assert (status, on["protection"]["ProtectionEnabled"]) == (200, True)
    assert on["protection"]["ExpirationDate"].endswith("Z")
    assert told.ask(url) == (200, on)
    for wrong in (
        {"ProtectionEnabled": "yes"},
        {"ExpiresInMinutes": 5},
        {"ProtectionEnabled": True, "ExpiresInMinutes": 0},
    ):
        status, refused = told.ask(url, "PUT", wrong)
        assert (status, refused["error"]["Code"]) == (400, "InvalidParameterException")
    told.ecs.clock.advance(601)
    assert told.ask(url) == (200, off)


def test_a_task_that_has_gone_is_told_nothing(told):
    told.metadata._servers["vpc-1"] = type("Server", (), {"stop": lambda self: None})()
    told.metadata.forget(told.task)
    assert told.ask(told.variables["ECS_CONTAINER_METADATA_URI_V4"])[0] == 404
