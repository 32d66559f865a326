"""Health check sources by the API's rules; that they probe is seen end to end."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.model import Vpc
from kunren.services.route53 import sources
from kunren.services.route53.model import HealthCheckSource
from kunren.services.route53.store import GLOBAL
from kunren.world.spec import WorldSpec

ME = "000000000000"
SPEC = WorldSpec(places=(), regions=())


def config(*zones: str, vpc: str = "vpc-1") -> dict[str, Any]:
    subnets = [
        {"SubnetId": f"subnet-{zone}", "AvailabilityZoneId": zone, "SecurityGroupIdList": ["sg-1", "sg-1"]}
        for zone in zones or ("use1-az1", "use1-az2")
    ]
    return {"VpcId": vpc, "SubnetConfigurationList": subnets}


@pytest.fixture
def vpc(service: Any) -> Any:
    service.store.register(Vpc)
    with service.store.write() as tx:
        tx.put(Vpc(account=ME, region="us-east-1", id="vpc-1", cidr="10.0.0.0/16"))
    return service


def create(service: Any, reference: str = "1", *zones: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = service.call(
        "create_health_check_source", CallerReference=reference, HealthCheckSourceConfig=config(*zones), **more
    )
    return made


def become(service: Any, id: str, status: str) -> None:
    with service.store.write() as tx:
        found = tx.get(HealthCheckSource, ME, GLOBAL, id)
        tx.put(msgspec.structs.replace(found, status=status))


def refused(call: Any, *arguments: Any, **params: Any) -> str:
    with pytest.raises(AwsError) as caught:
        call(*arguments, **params)
    return caught.value.code


def check(service: Any, **settings: Any) -> Any:
    given = {"Type": "TCP", "Port": 80, "IPAddress": "10.0.0.9", "EndpointType": "PRIVATE", **settings}
    made = service.call("create_health_check", CallerReference=str(sorted(given.items())), HealthCheckConfig=given)
    return made["HealthCheck"]


def test_a_source_is_shown_as_it_was_made(vpc: Any) -> None:
    made = create(vpc, Tags=[{"Key": "team", "Value": "ops"}])
    id = made["HealthCheckSourceId"]
    assert made["HealthCheckSourceStatus"] == "CREATE_PENDING"
    assert made["Location"] == f"https://route53.amazonaws.com/2013-04-01/healthchecksource/{id}"
    shown = vpc.call("get_health_check_source", HealthCheckSourceId=id)["HealthCheckSource"]
    subnets = config()["SubnetConfigurationList"]
    for each in subnets:
        each["SecurityGroupIdList"] = ["sg-1"]
    assert shown["HealthCheckSourceConfig"] == {"VpcId": "vpc-1", "SubnetConfigurationList": subnets}
    assert vpc.call("list_health_check_sources")["HealthCheckSources"] == [shown]
    tags = vpc.call("list_tags_for_resource", ResourceType="healthchecksource", ResourceId=id)["ResourceTagSet"]
    assert tags == {"ResourceType": "healthchecksource", "ResourceId": id, "Tags": [{"Key": "team", "Value": "ops"}]}
    limit = vpc.call("get_account_limit", Type="MAX_HEALTH_CHECK_SOURCES_BY_OWNER")
    assert (limit["Limit"]["Value"], limit["Count"]) == (5, 1)


def test_a_caller_reference_gives_the_same_source_and_tries_one_that_failed_again(vpc: Any) -> None:
    id = create(vpc)["HealthCheckSourceId"]
    become(vpc, id, sources.FAILED)
    assert create(vpc) == {
        "HealthCheckSourceId": id, "HealthCheckSourceStatus": "CREATE_PENDING",
        "Location": f"https://route53.amazonaws.com/2013-04-01/healthchecksource/{id}",
    }  # fmt: skip
    assert refused(create, vpc, "1", "use1-az1", "use1-az3") == "HealthCheckSourceAlreadyExists"


def test_what_no_source_can_be(vpc: Any) -> None:
    assert refused(create, vpc, "1", "use1-az1", "use1-az1") == "InvalidInput"
    other = config(vpc="vpc-2")
    call = vpc.call
    assert refused(call, "create_health_check_source", CallerReference="1", HealthCheckSourceConfig=other) == (
        "InvalidVPCId"
    )
    for reference in range(5):
        create(vpc, str(reference))
    assert refused(create, vpc, "6") == "TooManyHealthCheckSources"
    assert refused(call, "get_health_check_source", HealthCheckSourceId="x") == "NoSuchHealthCheckSource"
    assert refused(call, "list_health_checks_by_source", HealthCheckSourceId="x") == "NoSuchHealthCheckSource"


def test_private_checks_have_a_source_that_is_ready_and_keep_it(vpc: Any) -> None:
    id = create(vpc)["HealthCheckSourceId"]
    assert refused(check, vpc, HealthCheckSourceId=id) == "InvalidInput"
    assert refused(vpc.call, "delete_health_check_source", HealthCheckSourceId=id) == "InvalidInput"
    become(vpc, id, sources.COMPLETED)
    made = check(vpc, HealthCheckSourceId=id)
    for wrong in (
        {"HealthCheckSourceId": None},
        {"HealthCheckSourceId": id, "EndpointType": "PUBLIC", "IPAddress": "198.19.0.16"},
        {"HealthCheckSourceId": id, "IPAddress": "203.0.114.1"},
        {"HealthCheckSourceId": id, "Regions": ["us-east-1", "us-west-1", "us-west-2"]},
        {"HealthCheckSourceId": id, "Type": "CALCULATED", "Port": None, "IPAddress": None, "HealthThreshold": 1},
    ):
        assert refused(check, vpc, **wrong) == "InvalidInput"
    public = {"Type": "TCP", "Port": 80, "IPAddress": "198.19.0.16"}
    public_id = vpc.call("create_health_check", CallerReference="p", HealthCheckConfig=public)["HealthCheck"]["Id"]
    other = create(vpc, "2")["HealthCheckSourceId"]
    change = {"HealthCheckSourceId": other}
    assert refused(vpc.call, "update_health_check", HealthCheckId=public_id, **change) == "InvalidInput"
    assert refused(vpc.call, "update_health_check", HealthCheckId=made["Id"], **change) == "InvalidInput"
    become(vpc, other, sources.COMPLETED)
    changed = vpc.call("update_health_check", HealthCheckId=made["Id"], **change)["HealthCheck"]
    assert changed["HealthCheckConfig"]["HealthCheckSourceId"] == other
    assert refused(vpc.call, "delete_health_check_source", HealthCheckSourceId=other) == "InvalidInput"
    listed = vpc.call("list_health_checks_by_source", HealthCheckSourceId=other)
    assert [each["Id"] for each in listed["HealthChecks"]] == [made["Id"]] and listed["IsTruncated"] is False
    told = vpc.call("delete_health_check_source", HealthCheckSourceId=id)
    assert told == {"HealthCheckSourceId": id, "HealthCheckSourceStatus": "DELETE_PENDING"}


@pytest.mark.parametrize("meanwhile", [sources.DELETE_PENDING, None])
def test_a_source_that_is_deleted_while_it_is_made_stays_deleted(vpc: Any, meanwhile: str | None) -> None:
    id = create(vpc)["HealthCheckSourceId"]
    with vpc.store.write() as tx:
        made = tx.get(HealthCheckSource, ME, GLOBAL, id)
        tx.put(msgspec.structs.replace(made, status=sources.IN_PROGRESS, interfaces=("eni-1",)))

    async def applied(interface: str) -> None:
        with vpc.store.write() as tx:
            found = tx.get(HealthCheckSource, ME, GLOBAL, id)
            tx.delete(found)
            if meanwhile is not None:
                tx.put(msgspec.structs.replace(found, status=meanwhile))

    controller = sources.HealthCheckSourceController(vpc.store, vpc.clock, Entropy(7), SPEC, applied)
    asyncio.run(controller._reconcile(f"{ME}/{GLOBAL}/{id}"))
    found = vpc.store.snapshot().get(HealthCheckSource, ME, GLOBAL, id)
    assert (found.status if found is not None else None) == meanwhile
