"""What managed instances make of functions: defaults, states, what is invoked."""

import pytest

from kunren.control.store import Store
from kunren.services.lambda_.capacity.model import CAPACITY_RESOURCES, Capacity, FunctionScaling
from kunren.services.lambda_.capacity.rules import concurrency_of, managed_state, scaling_of
from kunren.services.lambda_.errors import NoPublishedVersionException, ResourceNotFoundException
from kunren.services.lambda_.lookup import find_invoked, versions_of
from kunren.services.lambda_.model import RESOURCES, Code, Function, PublishedVersion
from kunren.services.lambda_.names import FunctionName, parse_function_name

PLACE = {"account": "000000000000", "region": "us-east-1"}
PROVIDER = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:mine"


def settings(**told):
    return {
        **PLACE,
        "arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "role": "r",
        "runtime": "python3.13",
        "handler": "h",
        "code": Code(sha256="", size=0),
        "memory_size": 2048,
        "capacity": Capacity(provider=PROVIDER),
        "last_modified": 0,
        "revision_id": "",
        "update_id": "u",
        "deployed_update_id": "u",
        **told,
    }


def version(number, **told):
    return PublishedVersion(**settings(id=f"f:{number}", **told))


@pytest.mark.parametrize(
    ("told", "concurrency"),
    [
        ({}, 16),
        ({"memory_size": 8192}, 64),
        ({"memory_size": 8192, "capacity": Capacity(provider=PROVIDER, gib_per_vcpu=8.0)}, 16),
        ({"runtime": "nodejs22.x"}, 64),
        ({"runtime": "provided.al2023"}, 8),
        ({"capacity": Capacity(provider=PROVIDER, concurrency=5)}, 5),
        ({"capacity": None}, 0),
    ],
)
def test_how_many_invocations_an_environment_has(told, concurrency):
    assert concurrency_of(version(1, **told)) == concurrency


def test_scaling_and_states():
    store = Store(None)
    store.register(*RESOURCES, *CAPACITY_RESOURCES)
    published = version(1)

    def scaled(minimum, maximum):
        with store.write() as tx:
            tx.put(FunctionScaling(**PLACE, id="f:1", minimum=minimum, maximum=maximum))
        return scaling_of(store.snapshot(), published)

    assert scaling_of(store.snapshot(), published) == (3, None)
    assert scaled(None, 2) == (2, 2)
    assert scaled(None, None) == (3, None)
    assert scaled(5, 9) == (5, 9)
    assert managed_state(store.snapshot(), published, None) == "Active"
    assert scaled(0, 0) == (0, 0)
    assert managed_state(store.snapshot(), published, None) == "Deactivated"
    assert managed_state(store.snapshot(), Function(**settings(id="f")), None) == "ActiveNonInvocable"
    assert managed_state(store.snapshot(), version(2, deployed_update_id=""), None) == "Pending"


def test_an_unqualified_invocation_runs_what_was_published_last():
    store = Store(None)
    store.register(*RESOURCES)
    name = FunctionName("000000000000", "us-east-1", "f")
    function = Function(**settings(id="f"))
    with store.write() as tx:
        tx.put(function)
        for number in ("2", "10"):
            tx.put(version(number))
    with pytest.raises(NoPublishedVersionException):
        find_invoked(store.snapshot(), name)
    with store.write() as tx:
        tx.put(version("$LATEST.PUBLISHED"))
    assert find_invoked(store.snapshot(), name).version == "$LATEST.PUBLISHED"
    assert find_invoked(store.snapshot(), name._replace(qualifier="2")).version == "2"
    with pytest.raises(ResourceNotFoundException):
        find_invoked(store.snapshot(), name._replace(qualifier="3"))
    versions = [each.version for each in versions_of(store.snapshot(), function)]
    assert versions == ["2", "10", "$LATEST.PUBLISHED"]
    told = parse_function_name("f:$LATEST.PUBLISHED", "000000000000", "us-east-1")
    assert told.qualifier == "$LATEST.PUBLISHED"
