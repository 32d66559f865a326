"""What an app consists of, from the services' state: buckets with versions and replicas, and what does not exist."""

import pytest

from kunren.control.store import Store
from kunren.services.ec2.model import Subnet
from kunren.services.elbv2.model import (
    HealthCheck,
    LoadBalancer,
    Matcher,
    Target,
    TargetGroup,
    TargetHealth,
    target_health_id,
)
from kunren.services.globalaccelerator.model import EndpointGroup
from kunren.services.lambda_.model import Alias, Function
from kunren.services.resiliencehub.estimate import recoveries
from kunren.services.resiliencehub.facts import BALANCER, BUCKET, FUNCTION, TABLE, _behind, facts_of
from kunren.services.resiliencehub.model import NEVER_S, AppResource
from kunren.services.route53.model import OwnerName
from kunren.services.s3.model import Bucket

ENABLED = {"versioning": {"Status": "Enabled"}}


def resource(type, identifier):
    return AppResource(
        logical="it", type=type, identifier=identifier, account="1", region="us-east-1", source="tests"
    )  # fmt: skip


def facts(resources, *buckets):
    store = Store(None)
    store.register(LoadBalancer, TargetGroup, EndpointGroup, Alias, Function, OwnerName, Bucket)
    with store.write() as tx:
        for id, home, settings in buckets:
            tx.put(Bucket(id=id, owner="1", home=home, created=0.0, settings=settings))
    return facts_of(store.snapshot(), resources)


def test_a_buckets_recovery_is_by_its_versions_and_replicas():
    rule = {"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::there"}}
    held = [
        ("plain", "us-east-1", {}),
        ("kept", "eu-west-1", {**ENABLED, "replication": {"Rules": [{**rule, "Status": "Disabled"}]}}),
        ("here", "us-east-1", {**ENABLED, "replication": {"Rules": [rule]}}),
        ("there", "eu-west-1", ENABLED),
    ]
    found = facts([resource(BUCKET, f"arn:aws:s3:::{id}") for id in ("plain", "kept", "here")], *held)
    assert found.gone == ()
    told = {each.name: recoveries(each, found) for each in found.components}
    assert {name: (each["Software"].rto_s, each["Region"].rto_s) for name, each in told.items()} == {
        "plain-us-east-1": (NEVER_S, NEVER_S),
        "kept-eu-west-1": (7200, NEVER_S),
        "here-us-east-1": (7200, 7200),
    }
    assert told["here-us-east-1"]["Region"].rto_words.startswith("The replica in eu-west-1 is put into service.")


def test_what_does_not_exist_is_named():
    balancer = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/web/1"
    function, bucket = "arn:aws:lambda:us-east-1:1:function:f:live", "arn:aws:s3:::none"
    table = "arn:aws:dynamodb:us-east-1:1:table/orders"
    wanted = ((BALANCER, balancer), (FUNCTION, function), (BUCKET, bucket), (TABLE, table))
    found = facts([resource(*each) for each in wanted])
    assert found.gone == (balancer, function, bucket)
    assert [each.name for each in found.components] == ["orders-us-east-1"]


@pytest.mark.parametrize(("checked", "serving"), [(True, 1), (False, 4)])
def test_targets_that_are_healthy_count_or_all_where_nobody_checks(checked, serving):
    store = Store(None)
    store.register(TargetGroup, TargetHealth, Subnet)
    check = HealthCheck(enabled=checked, protocol="HTTP", port="80", path="/", interval=5, timeout=2,
                        healthy_threshold=2, unhealthy_threshold=2, matcher=Matcher(http_code="200"))  # fmt: skip
    held = tuple(Target(id=f"10.0.0.{n}", port=80, availability_zone="us-east-1a") for n in range(4))
    group = TargetGroup(account="1", region="us-east-1", id="arn", name="g", target_type="ip", health_check=check,
                        targets=held)  # fmt: skip
    with store.write() as tx:
        tx.put(group)
        for target, state in zip(held, ("healthy", "initial", "unhealthy"), strict=False):
            tx.put(TargetHealth(account="1", region="us-east-1", id=target_health_id("arn", target), state=state))
    behind = _behind(store.snapshot(), group)
    assert (behind.targets, behind.zones, behind.detection_s) == (serving, 1, 12 if checked else None)
