"""What clusters say of themselves, and when they can't be deleted."""

from kunren.services.ecs.model import Cluster, Task, TaskDefinition
from kunren.services.ecs.tasks.ask import ask_for_task, ask_to_stop

DOCUMENT = {
    "containerDefinitions": [{"name": "web", "image": "nginx", "cpu": 0, "essential": True}],
    "networkMode": "awsvpc",
    "cpu": "256",
    "memory": "512",
}
OF = {"account": "123456789012", "region": "us-east-1"}


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
