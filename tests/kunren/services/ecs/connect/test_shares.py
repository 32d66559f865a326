"""Who serves an offer, with which share, while nothing changes and while a deployment shifts traffic."""

import pytest
from msgspec.structs import replace

from kunren.control.store import Store
from kunren.dataplane.envoy.resources import Endpoint
from kunren.services.ecs.connect.model import Offer, Proxy
from kunren.services.ecs.connect.shares import Share, serving, shares_of
from kunren.services.ecs.model import KINDS, ContainerState, Deployment, Service, Task, TaskDefinition
from kunren.services.ecs.services import model as services
from kunren.services.ecs.services.model import ServiceDeployment

WEB = Offer(
    port_name="web", discovery_name="orders", registry="srv-1", dns_name="orders", port=80, protocol="http",
    container_port=8000, ingress_port=8000, idle_s=300.0, request_s=15.0,
)  # fmt: skip
COURSE = ServiceDeployment(
    account="1", region="r", id="shop/orders/x", service="shop/orders", source="old", target="new",
    target_revision="n", status="IN_PROGRESS", created_at=0.0, updated_at=0.0,
    configuration={"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 10.0}},
)  # fmt: skip


@pytest.fixture
def store():
    made = Store(None)
    made.register(*KINDS, *services.KINDS)
    return made


def task(id, address, by="old", **more):
    return Task(
        account="1", region="r", id=id, cluster="shop", definition="orders:1", launch_type="FARGATE", started_by=by,
        group="service:orders", cpu="256", memory="512", created_at=0.0, private_ip=address,
        containers=(ContainerState(name="app", id="c", image="i"),), last_status="RUNNING",
        proxy=Proxy(id="a", name="ecs-service-connect-abcde", offers=(WEB,)), **more,
    )  # fmt: skip


def deployment(id):
    return Deployment(
        id=id, status="PRIMARY", revision="n", definition="orders:1", desired_count=1, created_at=0.0, updated_at=0.0
    )


def test_tasks_that_run_and_are_meant_to_serve_what_they_offer(store):
    checked = {"name": "app", "healthCheck": {"command": ["CMD", "true"]}}
    with store.write() as tx:
        tx.put(task("a", "10.0.0.1"))
        tx.put(task("b", "10.0.0.2", desired_status="STOPPED"))
        tx.put(replace(task("c", "10.0.0.3"), last_status="ACTIVATING"))
        tx.put(replace(task("d", "10.0.0.4"), proxy=None))
        tx.put(replace(task("e", "10.0.0.5"), definition="ill:1"))
        tx.put(
            TaskDefinition(
                account="1", region="r", id="ill:1", family="ill", revision=1, registered_at=0.0, registered_by="",
                document={"containerDefinitions": [checked]},
            )
        )  # fmt: skip
        behind = Proxy(id="a", name="n", offers=(replace(WEB, ingress_port=0),), address="10.0.0.9", ports=(32768,))
        tx.put(replace(task("f", None), proxy=behind))
    found = serving(store.snapshot(), "1", "r")
    both = (Endpoint("10.0.0.1", 8000), Endpoint("10.0.0.9", 32768))
    assert found.production == found.test == {"srv-1": both}
    assert serving(store.snapshot(), "1", "elsewhere").production == {}


def test_a_stage_says_who_has_production_and_test_traffic(store):
    with store.write() as tx:
        tx.put(
            Service(
                account="1", region="r", id="shop/orders", cluster="shop", name="orders", desired_count=2,
                current=COURSE.id, deployments=(deployment("new"), deployment("old")), created_at=0.0,
            )
        )  # fmt: skip
        tx.put(replace(COURSE, stage="PRODUCTION_TRAFFIC_SHIFT"))
        for number, by in enumerate(("new", "new", "old")):
            tx.put(task(f"{number}", f"10.0.0.{number}", by))
    new, more, old = (Endpoint(f"10.0.0.{number}", 8000, weight=weight) for number, weight in
                      ((0, 500_000), (1, 500_000), (2, 9_000_000)))  # fmt: skip
    found = serving(store.snapshot(), "1", "r")
    assert found.production == {"srv-1": (new, more, old)}
    assert found.test == {"srv-1": (new._replace(weight=1), more._replace(weight=1))}


@pytest.mark.parametrize(
    ("changes", "new", "tested", "old"),
    [
        ({}, 0.0, False, 100.0),
        ({"stage": "SCALE_UP"}, 0.0, False, 100.0),
        ({"stage": "TEST_TRAFFIC_SHIFT"}, 0.0, True, 100.0),
        ({"stage": "PRODUCTION_TRAFFIC_SHIFT", "step": 1}, 100.0, True, 0.0),
        ({"stage": "BAKE_TIME"}, 100.0, True, 0.0),
        ({"stage": "BAKE_TIME", "status": "ROLLBACK_IN_PROGRESS"}, 0.0, False, 100.0),
        ({"stage": "CLEAN_UP", "status": "SUCCESSFUL"}, 100.0, False, 0.0),
        ({"stage": "TEST_TRAFFIC_SHIFT", "status": "STOPPED"}, 0.0, True, 100.0),
        ({"stage": "BAKE_TIME", "source": None}, 100.0, True, 0.0),
        ({"stage": "SCALE_UP", "source": None}, 0.0, False, 100.0),
    ],
)
def test_shares_of_the_stages(changes, new, tested, old):
    found = shares_of(["new", "old"], replace(COURSE, **changes))
    assert found == {"new": Share(new, tested), "old": Share(old)}
    assert shares_of(["older"], replace(COURSE, stage="BAKE_TIME")) == {"older": Share(0.0)}
