"""What clusters say of themselves, and when they can't be deleted."""

import asyncio

import pytest

from kunren.core.context import RequestContext
from kunren.services.ecs.errors import InvalidParameterException
from kunren.services.ecs.model import Cluster, Task, TaskDefinition
from kunren.services.ecs.tasks.ask import ask_for_task, ask_to_stop
from kunren.services.servicediscovery.errors import NamespaceAlreadyExists
from kunren.services.servicediscovery.model import Namespace

DOCUMENT = {
    "containerDefinitions": [{"name": "web", "image": "nginx", "cpu": 0, "essential": True}],
    "networkMode": "awsvpc",
    "cpu": "256",
    "memory": "512",
}
OF = {"account": "123456789012", "region": "us-east-1"}
CTX = RequestContext("123456789012", "us-east-1", "ecs", "CreateCluster", "request-1")


def asked(ecs):
    definition = TaskDefinition(
        **OF, id="web:1", family="web", revision=1, document=DOCUMENT, registered_at=0.0, registered_by=""
    )
    with ecs.store.write() as tx:
        cluster = tx.get(Cluster, **OF, id="shop")
        return ask_for_task(
            tx, ecs.entropy, at=1.0, cluster=cluster, definition=definition, launch_type="FARGATE", started_by="me"
        )


def test_a_cluster_has_its_arn_and_is_active(ecs):
    made = ecs.create_cluster(clusterName="shop", tags=[{"key": "team", "value": "a"}])["cluster"]
    assert made["clusterArn"] == "arn:aws:ecs:us-east-1:123456789012:cluster/shop"
    assert made["status"] == "ACTIVE"
    assert made["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    assert ecs.list_clusters()["clusterArns"] == [made["clusterArn"]]


def test_one_that_is_not_there_is_missing(ecs):
    answer = ecs.describe_clusters(clusters=["shop"])
    assert answer["failures"] == [{"arn": "arn:aws:ecs:us-east-1:123456789012:cluster/shop", "reason": "MISSING"}]
    assert ecs.refused("delete_cluster", cluster="shop") == ("ClusterNotFoundException", "Cluster not found.")


def test_a_cluster_with_tasks_stays(ecs):
    ecs.create_cluster(clusterName="shop")
    task = asked(ecs)
    shown = ecs.describe_clusters(clusters=["shop"], include=["STATISTICS"])["clusters"][0]
    assert shown["pendingTasksCount"] == 1
    assert [each["name"] for each in shown["statistics"] if each["value"] != "0"] == ["pendingFargateTasksCount"]
    assert len(shown["statistics"]) == 8
    assert ecs.refused("delete_cluster", cluster="shop") == (
        "ClusterContainsTasksException",
        "The Cluster cannot be deleted while Tasks are active.",
    )
    with ecs.store.write() as tx:
        tx.delete(task)
    assert ecs.delete_cluster(cluster="shop")["cluster"]["status"] == "INACTIVE"
    assert ecs.list_clusters()["clusterArns"] == []


def test_the_first_reason_to_stop_stays(ecs):
    ecs.create_cluster(clusterName="shop")
    task = asked(ecs)
    assert (task.group, task.last_status, task.cpu, task.platform_version) == (
        "family:web",
        "PROVISIONING",
        "256",
        "1.4.0",
    )
    with ecs.store.write() as tx:
        ask_to_stop(tx, task, "no more need")
    with ecs.store.write() as tx:
        ask_to_stop(tx, task, "another", "SpotInterruption")
    found = ecs.store.snapshot().get(Task, task.account, task.region, task.id)
    assert (found.desired_status, found.stopped_reason, found.stop_code) == ("STOPPED", "no more need", "UserInitiated")


def test_a_namespace_that_somebody_else_makes_meanwhile_is_the_clusters(ecs):
    async def make_twice(account, region, service, operation, params):
        namespace = Namespace(**OF, id="ns-1", name=params["Name"], type="HTTP", created_at=1.0)
        with ecs.store.write() as tx:
            tx.put(namespace)
        raise NamespaceAlreadyExists("Namespace already exists: shop")

    ecs.store.register(Namespace)
    ecs.api.call = make_twice
    asked = {"clusterName": "shop", "serviceConnectDefaults": {"namespace": "shop"}}
    made = asyncio.run(ecs.api.create_cluster(CTX, asked))["cluster"]
    assert made["serviceConnectDefaults"] == {
        "namespace": "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1"
    }


def test_a_cluster_that_is_refused_leaves_no_namespace(ecs):
    calls = []

    async def call(*asked):
        calls.append(asked)

    ecs.api.call = call
    wrong = {"settings": [{"name": "containerInsights", "value": "much"}]}
    for members in (wrong, {"capacityProviders": ["none"]}):
        asked = {"clusterName": "shop", "serviceConnectDefaults": {"namespace": "shop"}, **members}
        with pytest.raises(InvalidParameterException):
            asyncio.run(ecs.api.create_cluster(CTX, asked))
    assert calls == []
