"""Which instances are discovered, and which records they have, as the API reference tells it."""

from __future__ import annotations

import pytest

from kunren.services.servicediscovery.api.base import passes
from kunren.services.servicediscovery.discovery import chosen
from kunren.services.servicediscovery.errors import InvalidInput
from kunren.services.servicediscovery.model import (
    DNS_PRIVATE,
    HEALTHY,
    PENDING,
    SUCCESS,
    UNHEALTHY,
    UNKNOWN,
    Instance,
    Namespace,
    Operation,
    Service,
    outlived,
)
from kunren.services.servicediscovery.records import changes, wanted

OF = {"account": "1", "region": "r"}
SPACE = Namespace(**OF, id="ns-1", name="internal", type=DNS_PRIVATE, created_at=0)


def instance(name: str, health: str = HEALTHY, **attributes: str) -> Instance:
    return Instance(
        **OF,
        id=f"srv-1/{name}",
        service="srv-1",
        name=name,
        attributes=attributes,
        custom_health=health,
        registered_at=0,
    )


def service(*records: tuple[str, int], routing: str = "MULTIVALUE", custom: bool = False) -> Service:
    return Service(
        **OF, id="srv-1", name="web", namespace="ns-1", records=records, routing=routing, custom_health=custom,
        created_at=0,
    )  # fmt: skip


ONE, TWO, THREE = instance("1", a="x", b="y"), instance("2", a="x"), instance("3", a="z")
HEALTH = {ONE.id: UNHEALTHY, TWO.id: HEALTHY, THREE.id: UNKNOWN}


@pytest.mark.parametrize(
    ("status", "query", "optional", "names"),
    [
        (None, None, None, "23"),
        ("HEALTHY", None, None, "23"),
        ("UNHEALTHY", None, None, "1"),
        ("ALL", None, None, "123"),
        (None, {"a": "x"}, None, "2"),
        (None, {"b": "y"}, None, "1"),
        ("HEALTHY", {"b": "y"}, None, ""),
        ("ALL", {"a": "x"}, {"b": "y"}, "1"),
        ("ALL", {"a": "x"}, {"b": "none"}, "12"),
        ("ALL", {"c": "x"}, None, ""),
    ],
)
def test_health_and_attributes_filter(status, query, optional, names):
    found = chosen([ONE, TWO, THREE], HEALTH, status, query, optional)
    assert "".join(each.name for each in found) == names


def test_addresses_are_multivalue_answers_and_the_unhealthy_have_none():
    well, ill = instance("a", AWS_INSTANCE_IPV4="10.0.0.1"), instance("b", UNHEALTHY, AWS_INSTANCE_IPV4="10.0.0.2")
    found = wanted(SPACE, [service(("A", 10), custom=True)], {"srv-1": [well, ill]}, {})
    record = {
        "Name": "web.internal", "Type": "A", "TTL": 10, "SetIdentifier": "a", "MultiValueAnswer": True,
        "ResourceRecords": [{"Value": "10.0.0.1"}],
    }  # fmt: skip
    assert found == {("web.internal", "A", "a"): record}
    assert len(wanted(SPACE, [service(("A", 10))], {"srv-1": [well, ill]}, {})) == 2
    assert changes({}, found) == [{"Action": "UPSERT", "ResourceRecordSet": record}]
    assert changes({("web.internal", "A", "a"): {**record, "Name": "WEB.internal."}}, found) == []
    assert changes(found, {}) == [{"Action": "DELETE", "ResourceRecordSet": record}]


def test_a_service_record_points_to_a_name_of_the_instances_own():
    it = instance("a", AWS_INSTANCE_IPV4="10.0.0.1", AWS_INSTANCE_PORT="8080")
    found = wanted(SPACE, [service(("SRV", 60), routing="WEIGHTED")], {"srv-1": [it]}, {})
    assert found["web.internal", "SRV", "a"]["ResourceRecords"] == [{"Value": "1 1 8080 a.web.internal"}]
    assert found["web.internal", "SRV", "a"]["Weight"] == 1
    assert found["a.web.internal", "A", ""]["ResourceRecords"] == [{"Value": "10.0.0.1"}]


def test_a_load_balancer_is_an_alias():
    it = instance("a", AWS_ALIAS_DNS_NAME="lb.us-east-1.elb.amazonaws.com")
    zones = {"lb.us-east-1.elb.amazonaws.com": "Z35SXDOTRQ7X7K"}
    found = wanted(SPACE, [service(("A", 60))], {"srv-1": [it]}, zones)
    alias = {
        "HostedZoneId": "Z35SXDOTRQ7X7K",
        "DNSName": "lb.us-east-1.elb.amazonaws.com",
        "EvaluateTargetHealth": True,
    }
    assert found["web.internal", "A", "a"]["AliasTarget"] == alias


def operation(number: int, type: str = "REGISTER_INSTANCE", status: str = SUCCESS) -> Operation:
    return Operation(
        **OF, id=f"{number:05}", type=type, namespace="ns-1", targets={}, status=status, created_at=0,
        updated_at=number,
    )  # fmt: skip


def test_the_latest_thousand_operations_that_ended_are_kept():
    ended = [operation(number) for number in range(1, 1004)]
    made, running = operation(0, "CREATE_NAMESPACE"), operation(0, status=PENDING)
    assert outlived([made, running, *ended], {"ns-1"}) == ended[:3]
    assert outlived([made, running, *ended], set()) == [made, *ended[:3]]
    assert outlived(ended[:1000], set()) == []


def test_operations_are_chosen_by_filters():
    name, when = {"Name": "TYPE", "Values": ["A"]}, {"Name": "UPDATE_DATE", "Condition": "BETWEEN"}
    assert passes([name], {"TYPE": "A"}) and not passes([name], {"TYPE": "B"})
    assert passes([{**when, "Values": ["1", "3"]}], {"UPDATE_DATE": 2.0})
    for values in ([], ["1"], ["yesterday", "3"]):
        with pytest.raises(InvalidInput):
            passes([{**when, "Values": values}], {"UPDATE_DATE": 2.0})
