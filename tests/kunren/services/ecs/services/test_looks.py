"""Looks at a service whose tasks are played by hand: what it starts and stops, says and tells, and how it goes back."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace

from kunren.core.context import RequestContext
from kunren.services.ec2.model import Subnet
from kunren.services.ecs.model import ContainerInstance, Service, Task
from kunren.services.ecs.services import course, staffing
from kunren.services.ecs.services.alarms import Alarms
from kunren.services.ecs.services.desk import Desk
from kunren.services.ecs.services.hook_runner import HookRunner
from kunren.services.ecs.services.model import ServiceDeployment, ServiceNotice

GREEN = "arn:aws:lambda:us-east-1:123456789012:function:green"


class Play:
    """A cluster's one service, `web`, and the tasks of it."""

    def __init__(self, ecs):
        self.ecs, self.store, self.clock = ecs, ecs.store, ecs.clock
        ecs.ec2.describe_subnets(RequestContext("123456789012", "us-east-1", "ec2", "DescribeSubnets", "r"), {})
        self.subnets = sorted(each.id for each in self.store.snapshot().every(Subnet))
        ecs.create_cluster(clusterName="shop")
        self.register()

    def register(self, **more):
        container = {"name": "web", "image": "web", "portMappings": [{"containerPort": 80}], **more}
        return self.ecs.register_task_definition(
            family="web", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
            containerDefinitions=[container],
        )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip

    def create(self, count=2, **more):
        given = {
            "taskDefinition": "web", "desiredCount": count, "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": self.subnets}}, **more,
        }  # fmt: skip
        return self.ecs.create_service(cluster="shop", serviceName="web", **given)["service"]

    def update(self, **changes):
        return self.ecs.update_service(cluster="shop", service="web", **changes)["service"]

    def show(self):
        return self.ecs.describe_services(cluster="shop", services=["web"])["services"][0]

    def deployment(self):
        arn = self.ecs.list_service_deployments(cluster="shop", service="web")["serviceDeployments"][0]
        shown = self.ecs.describe_service_deployments(serviceDeploymentArns=[arn["serviceDeploymentArn"]])
        return shown["serviceDeployments"][0]

    def look(self, times=3):
        for _ in range(times):
            snapshot = self.store.snapshot()
            service = next(snapshot.every(Service))
            with self.store.write() as tx:
                desk = Desk.opened(snapshot, tx, self.ecs.entropy, self.clock.now(), service)
                staffing.recount(desk)
                course.count(desk)
                course.advance(desk)
                staffing.staff(desk)
                desk.close(service)

    def tasks(self, desired="RUNNING"):
        found = [each for each in self.store.snapshot().every(Task) if each.desired_status == desired]
        return sorted(found, key=lambda each: each.created_at)

    def run(self, **members):
        """All that are to run, run; all that are to stop, stop."""
        now = self.clock.now()
        with self.store.write() as tx:
            for each in list(tx.every(Task)):
                if each.desired_status == "RUNNING" and each.last_status != "RUNNING":
                    tx.put(replace(each, last_status="RUNNING", started_at=now, private_ip="172.31.0.9", **members))
                elif each.desired_status == "STOPPED" and each.last_status != "STOPPED":
                    tx.put(replace(each, last_status="STOPPED", stopped_at=now))

    def crash(self, definition):
        with self.store.write() as tx:
            for each in list(tx.every(Task)):
                if each.desired_status == "RUNNING" and each.definition == definition:
                    ended = {"desired_status": "STOPPED", "last_status": "STOPPED", "stopped_at": self.clock.now()}
                    tx.put(replace(each, stop_code="EssentialContainerExited", **ended))

    def steady(self):
        self.look()
        self.run()
        self.clock.advance(60)
        self.look()
        self.run()
        self.look()

    def messages(self):
        return [each["message"] for each in self.show()["events"]]

    def told(self):
        notices = self.store.snapshot().every(ServiceNotice)
        return [(each.detail_type, each.detail["eventName"]) for each in notices]


@pytest.fixture
def play(ecs):
    return Play(ecs)


def test_a_service_starts_its_tasks_in_all_zones_and_says_that_it_is_steady(play):
    created = play.create(3)
    assert created["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    play.look()
    ids = [each.id for each in play.tasks()]
    assert len(ids) == 3
    assert len({each.network.subnets for each in play.tasks()}) == 3
    assert play.show()["pendingCount"] == 3
    play.run()
    play.look()
    shown = play.show()
    assert (shown["runningCount"], shown["deployments"][0]["rolloutState"]) == (3, "COMPLETED")
    first = shown["deployments"][0]["id"]
    assert shown["deployments"][0]["rolloutStateReason"] == f"ECS deployment {first} completed."
    assert play.messages()[:2] == [
        "(service web) has reached a steady state.",
        f"(service web) (deployment {first}) deployment completed.",
    ]
    assert play.messages()[2].startswith("(service web) has started 3 tasks: (task ")
    assert sorted(play.told()) == [
        ("ECS Deployment State Change", "SERVICE_DEPLOYMENT_COMPLETED"),
        ("ECS Deployment State Change", "SERVICE_DEPLOYMENT_IN_PROGRESS"),
        ("ECS Service Action", "SERVICE_STEADY_STATE"),
    ]


def test_old_tasks_stop_when_the_new_have_run_for_forty_seconds(play):
    play.create()
    play.steady()
    play.update(taskDefinition=play.register(cpu=1))
    play.look()
    assert len(play.tasks()) == 4
    play.run()
    play.clock.advance(39)
    play.look()
    assert len(play.tasks()) == 4
    play.clock.advance(2)
    play.look()
    assert {each.definition for each in play.tasks()} == {"web:2"}
    assert play.deployment()["status"] == "IN_PROGRESS"
    play.run()
    play.look()
    assert (play.deployment()["status"], len(play.show()["deployments"])) == ("SUCCESSFUL", 1)


def test_what_changes_nothing_deploys_nothing(play):
    play.create()
    play.steady()
    play.update(desiredCount=3, healthCheckGracePeriodSeconds=5)
    play.look()
    assert (len(play.tasks()), len(play.show()["deployments"])) == (3, 1)
    play.steady()
    assert len(play.update(forceNewDeployment=True)["deployments"]) == 2


def test_three_tasks_that_fail_open_the_breaker_and_the_last_complete_deployment_comes_back(play):
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    play.create(1, deploymentConfiguration=breaker)
    play.steady()
    first = play.show()["deployments"][0]["id"]
    bad = play.update(taskDefinition=play.register(cpu=1))["deployments"][0]["id"]
    for _ in range(3):
        play.look(1)
        play.crash("web:2")
    play.look(1)
    assert play.deployment()["status"] == "ROLLBACK_IN_PROGRESS"
    new, old = (play.show()["deployments"][index] for index in (0, 1))
    assert (new["id"], new["status"], old["id"], old["rolloutState"]) == (first, "PRIMARY", bad, "FAILED")
    assert new["rolloutStateReason"] == f"ECS deployment circuit breaker: rolling back to deploymentId {first}."
    play.look()
    assert play.deployment()["status"] == "ROLLBACK_SUCCESSFUL"
    assert [each.definition for each in play.tasks()] == ["web:1"]


def test_without_rollback_a_failed_deployment_starts_nothing_more(play):
    play.create(1, deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}})
    for _ in range(4):
        play.look(1)
        play.crash("web:1")
    play.look()
    assert (play.tasks(), play.deployment()["status"]) == ([], "STOPPED")
    assert play.show()["deployments"][0]["rolloutState"] == "FAILED"


def test_tasks_that_never_run_are_started_ever_more_slowly(play):
    play.create(1)
    for _ in range(3):
        play.look(1)
        play.crash("web:1")
    play.look()
    assert play.tasks() == []
    assert "(service web) is unable to consistently start tasks successfully." in play.messages()
    play.clock.advance(11)
    play.look()
    assert len(play.tasks()) == 1


def test_a_deleted_service_drains_and_is_inactive_when_its_tasks_have_stopped(play):
    play.create()
    play.steady()
    assert play.ecs.refused("delete_service", cluster="shop", service="web") == (
        "InvalidParameterException", "The service cannot be stopped while it is scaled above 0.",
    )  # fmt: skip
    assert play.ecs.delete_service(cluster="shop", service="web", force=True)["service"]["status"] == "DRAINING"
    assert play.ecs.refused("update_service", cluster="shop", service="web")[0] == "ServiceNotActiveException"
    assert play.tasks() == []


def test_a_deployment_of_a_service_that_is_deleted_is_stopped(play):
    play.create()
    play.look()
    assert play.deployment()["status"] == "IN_PROGRESS"
    play.ecs.delete_service(cluster="shop", service="web", force=True)
    assert (play.deployment()["status"], play.deployment()["statusReason"]) == ("STOPPED", "The service was deleted.")


def test_a_service_that_is_made_again_has_its_own_deployments_alone(play):
    play.create(0)
    play.look()
    before = play.deployment()["serviceDeploymentArn"]
    play.ecs.delete_service(cluster="shop", service="web")
    with play.store.write() as tx:  # as the controller does once its tasks are gone
        tx.put(replace(next(play.store.snapshot().every(Service)), status="INACTIVE", deployments=()))
    play.clock.advance(1)
    play.create()
    listed = play.ecs.list_service_deployments(cluster="shop", service="web")["serviceDeployments"]
    assert len(listed) == 1 and listed[0]["serviceDeploymentArn"] != before
    shown = play.ecs.describe_service_deployments(serviceDeploymentArns=[before])["serviceDeployments"]
    assert [each["serviceDeploymentArn"] for each in shown] == [before]


@pytest.mark.parametrize(
    ("controller", "said"),
    [
        ("CODE_DEPLOY", "a CODE_DEPLOY deployment controller. Use AWS CodeDeploy to trigger a new deployment."),
        ("EXTERNAL", "an EXTERNAL deployment controller. Create a new task set to trigger a new deployment."),
    ],
)
def test_a_service_that_others_deploy_says_who_does(play, controller, said):
    if controller == "EXTERNAL":
        play.ecs.create_service(cluster="shop", serviceName="web", deploymentController={"type": controller})
    else:
        play.create(1, deploymentController={"type": controller})
    for change, words in (
        ({"taskDefinition": "web"}, "Unable to update task definition on services with "),
        ({"platformVersion": "1.4.0"}, "Unable to update platform version on services with "),
        ({"forceNewDeployment": True}, "Cannot force a new deployment on services with "),
    ):
        refused = play.ecs.refused("update_service", cluster="shop", service="web", **change)
        assert refused == ("InvalidParameterException", words + said)


def test_an_alarm_fails_a_deployment_unless_it_rang_before(play):
    ringing = {"MetricAlarms": [{"AlarmName": "errors", "StateValue": "ALARM", "Period": 60, "EvaluationPeriods": 2}]}

    async def call(account, region, service, operation, params):
        assert (service, operation, params["AlarmNames"]) == ("cloudwatch", "DescribeAlarms", ["errors"])
        return ringing

    def ask(alarms):
        found = next(each for each in play.store.snapshot().every(ServiceDeployment) if each.open)
        asyncio.run(alarms.look(found))
        return alarms.bake_s(found)

    told = {"alarms": {"alarmNames": ["errors"], "enable": True, "rollback": True}}
    play.create(1)
    play.steady()
    play.update(taskDefinition=play.register(cpu=1), deploymentConfiguration=told)
    assert ask(Alarms(play.store, play.clock, call)) == 120
    assert play.deployment()["alarms"]["status"] == "DISABLED"
    play.update(taskDefinition=play.register(cpu=2))
    play.look(1)
    ask(Alarms(play.store, play.clock, call))
    play.look(1)
    shown = play.deployment()
    assert (shown["status"], shown["alarms"]["triggeredAlarmNames"]) == ("ROLLBACK_IN_PROGRESS", ["errors"])
    assert any(each.endswith("deployment failed: alarm detected.") for each in play.messages())


@pytest.mark.parametrize(
    ("answers", "ends"),
    [
        ([{"hookStatus": "IN_PROGRESS", "callBackDelay": 5}, {"hookStatus": "SUCCEEDED"}], "BAKE_TIME"),
        ([{"hookStatus": "FAILED"}], "ROLLBACK_IN_PROGRESS"),
        ([{}], "ROLLBACK_IN_PROGRESS"),
    ],
)
def test_hooks_hold_a_stage_until_their_function_is_content(play, answers, ends):
    asked = []

    async def call(account, region, service, operation, params):
        assert (service, operation, params["FunctionName"]) == ("lambda", "Invoke", GREEN)
        asked.append(json.loads(params["Payload"]))
        return {"Payload": json.dumps(answers[min(len(asked), len(answers)) - 1]).encode()}

    play.create(1, deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5})
    for _ in range(6):
        play.steady()
    assert play.deployment()["status"] == "SUCCESSFUL"
    hook = {"hookTargetArn": GREEN, "roleArn": GREEN, "lifecycleStages": ["POST_SCALE_UP"], "hookDetails": {"a": "b"}}
    play.update(taskDefinition=play.register(cpu=1), deploymentConfiguration={"lifecycleHooks": [hook]})
    runner = HookRunner(play.store, play.clock, call)
    work = f"123456789012|us-east-1|{play.deployment()['serviceDeploymentArn'].partition('service-deployment/')[2]}"
    play.steady()
    play.steady()
    assert play.deployment()["lifecycleStage"] == "POST_SCALE_UP"
    for _ in answers:
        asyncio.run(runner._reconcile(work))
        play.clock.advance(6)
    for _ in range(8):
        play.look(1)
    shown = play.deployment()
    assert ends in (shown["status"], shown.get("lifecycleStage"))
    assert len(asked) == len(answers)
    assert asked[0]["lifecycleStage"] == "POST_SCALE_UP"
    assert asked[0]["hookDetails"] == {"a": "b"}
    assert asked[0]["executionDetails"]["targetServiceRevisionArn"] == shown["targetServiceRevision"]["arn"]
    assert asked[0]["executionDetails"]["productionTrafficWeights"] == {}


def test_task_sets_have_their_share_of_the_service(play):
    assert play.create(4, deploymentController={"type": "CODE_DEPLOY"})["taskSets"][0]["status"] == "PRIMARY"
    play.look()
    assert len(play.tasks()) == 4
    named = {"cluster": "shop", "service": "web"}
    made = play.ecs.create_task_set(
        **named, taskDefinition=play.register(cpu=1), launchType="FARGATE", externalId="d-1",
        networkConfiguration={"awsvpcConfiguration": {"subnets": play.subnets}}, scale={"value": 50, "unit": "PERCENT"},
    )["taskSet"]  # fmt: skip
    assert (made["status"], made["computedDesiredCount"], made["startedBy"]) == ("ACTIVE", 2, "CODE_DEPLOY")
    assert made["stabilityStatus"] == "STABILIZING"
    play.look()
    play.run()
    assert sum(each.definition == "web:2" for each in play.tasks()) == 2
    shown = play.ecs.describe_task_sets(**named)["taskSets"]
    assert [(each["status"], each["stabilityStatus"]) for each in shown] == [("PRIMARY", "STEADY_STATE"), ("ACTIVE", "STEADY_STATE")]  # fmt: skip
    play.ecs.update_service_primary_task_set(**named, primaryTaskSet=made["id"])
    old = play.show()["taskSets"][0]
    assert old["status"] == "ACTIVE"
    assert play.ecs.refused("delete_task_set", **named, taskSet=old["id"])[0] == "InvalidParameterException"
    play.ecs.delete_task_set(**named, taskSet=old["taskSetArn"], force=True)
    scaled = play.ecs.refused("update_task_set", **named, taskSet=old["id"], scale={"value": 50, "unit": "PERCENT"})
    assert scaled[0] == "InvalidParameterException"
    play.look()
    play.run()
    play.look()
    assert {each.definition for each in play.tasks()} == {"web:2"}
    assert [each["id"] for each in play.show()["taskSets"]] == [made["id"]]


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"taskDefinition": "gone"}, "ClientException", "Unable to describe task definition."),
        ({"desiredCount": -1}, "InvalidParameterException", "desired count"),
        ({"networkConfiguration": None}, "InvalidParameterException", "Network Configuration must be provided when networkMode 'awsvpc' is specified."),
        ({"loadBalancers": [{"targetGroupArn": "a", "containerName": "x", "containerPort": 80}]}, "InvalidParameterException", "The container x does not exist in the task definition."),
        ({"loadBalancers": [{"targetGroupArn": "a", "containerName": "web", "containerPort": 81}]}, "InvalidParameterException", "The container web did not have a container port 81 defined."),
        ({"schedulingStrategy": "DAEMON"}, "InvalidParameterException", "does not support a desired count"),
        ({"placementStrategy": [{"type": "random"}]}, "InvalidParameterException", "Placement strategies are not supported with FARGATE"),
        ({"launchType": "EXTERNAL"}, "NotImplemented", "Kunren's ecs has no launch type EXTERNAL yet."),
        ({"deploymentConfiguration": {"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 1.0}}}, "InvalidParameterException", "stepPercent"),
        ({"deploymentConfiguration": {"strategy": "CANARY", "canaryConfiguration": {"canaryBakeTimeInMinutes": -1}}}, "InvalidParameterException", "canaryBakeTimeInMinutes"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_makes_no_service(play, changes, code, said):
    given = {
        "taskDefinition": "web", "desiredCount": 1, "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": play.subnets}}, **changes,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    found = play.ecs.refused("create_service", cluster="shop", serviceName="web", **given)
    assert (found[0], said in found[1]) == (code, True), found
    assert play.ecs.list_services(cluster="shop")["serviceArns"] == []


def on_instances(play, *names, status="ACTIVE"):
    with play.store.write() as tx:
        for number, name in enumerate(names):
            zone = f"us-east-1{'ab'[number % 2]}"
            tx.put(
                ContainerInstance(
                    account="123456789012", region="us-east-1", id=name, cluster="shop", instance_id=f"i-{name}",
                    status=status, resources={"CPU": 1024, "MEMORY": 1024, "PORTS": ["22"]}, registered_at=0.0,
                    attributes={"ecs.availability-zone": zone},
                )
            )  # fmt: skip


def on_host(play):
    container = {"name": "web", "image": "web", "portMappings": [{"containerPort": 80}]}
    play.ecs.register_task_definition(
        family="host", networkMode="host", requiresCompatibilities=["EC2"], cpu="128", memory="256",
        containerDefinitions=[container],
    )  # fmt: skip
    return "host"


def test_each_active_instance_has_its_daemon(play):
    on_instances(play, "a", "b")
    named = {"cluster": "shop", "serviceName": "web", "taskDefinition": on_host(play)}
    play.ecs.create_service(**named, schedulingStrategy="DAEMON")
    play.look()
    assert sorted(each.instance for each in play.tasks()) == ["a", "b"]
    assert play.show()["desiredCount"] == 2
    play.run()
    play.look()
    assert play.show()["deployments"][0]["rolloutState"] == "COMPLETED"
    assert play.messages().count("(service web) has reached a steady state.") == 1
    on_instances(play, "c")
    on_instances(play, "a", status="DRAINING")
    play.look()
    assert sorted(each.instance for each in play.tasks()) == ["b", "c"]


def test_tasks_go_where_there_is_room_and_leave_instances_that_drain_once_others_run(play):
    on_instances(play, "a", "b")
    play.create(3, taskDefinition=on_host(play), launchType="EC2", networkConfiguration={})
    play.look()
    assert sorted(each.instance for each in play.tasks()) == ["a", "b"]
    assert "was unable to place a task because no container instance met all of its requirements" in play.messages()[1]
    on_instances(play, "c", "d")
    play.clock.advance(16)
    play.look()
    assert len({each.instance for each in play.tasks()}) == 3
    play.steady()
    on_instances(play, "a", status="DRAINING")
    play.look()
    assert sorted(each.instance for each in play.tasks()) == ["a", "b", "c", "d"]
    play.run()
    play.clock.advance(41)
    play.look()
    assert sorted(each.instance for each in play.tasks()) == ["b", "c", "d"]


def test_there_is_no_way_back_once_the_old_tasks_are_going(play):
    play.create(1, deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1})
    for _ in range(6):
        play.steady()
    play.update(taskDefinition=play.register(cpu=1))
    for _ in range(20):
        play.look(1)
        if play.deployment()["lifecycleStage"] == "CLEAN_UP":
            break
        play.run()
        play.clock.advance(30)
    arn = play.deployment()["serviceDeploymentArn"]
    assert play.ecs.refused("stop_service_deployment", serviceDeploymentArn=arn)[0] == "ConflictException"
    play.steady()
    assert play.deployment()["status"] == "SUCCESSFUL"
    assert [each.definition for each in play.tasks()] == ["web:2"]


def test_a_stopped_deployment_goes_back_or_stays_as_it_is(play):
    play.create(1)
    arn = play.deployment()["serviceDeploymentArn"]
    assert play.ecs.refused("stop_service_deployment", serviceDeploymentArn=arn)[0] == "ConflictException"
    play.steady()
    play.update(taskDefinition=play.register(cpu=1))
    play.look()
    play.ecs.stop_service_deployment(serviceDeploymentArn=play.deployment()["serviceDeploymentArn"])
    play.look()
    play.run()
    play.look()
    assert play.deployment()["status"] == "ROLLBACK_SUCCESSFUL"
    assert [each.definition for each in play.tasks()] == ["web:1"]
    play.update(taskDefinition=play.register(cpu=2))
    play.look()
    play.ecs.stop_service_deployment(serviceDeploymentArn=play.deployment()["serviceDeploymentArn"], stopType="ABORT")
    play.look()
    assert play.deployment()["status"] == "STOPPED"


def test_deployments_are_listed_for_a_quarter_of_a_year(play):
    play.create(1)
    play.steady()
    play.clock.advance(91 * 24 * 3600)
    play.update(forceNewDeployment=True)
    assert len(play.ecs.list_service_deployments(cluster="shop", service="web")["serviceDeployments"]) == 1
    revisions = [each["arn"] for each in play.show()["currentServiceRevisions"]]
    shown = play.ecs.describe_service_revisions(serviceRevisionArns=revisions)
    assert [each["serviceRevisionArn"] for each in shown["serviceRevisions"]] == revisions
    assert shown["failures"] == []
