"""Patch operations on shapes ("Patch Operations", API Gateway REST API Reference)."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.apigateway import tables
from kunren.services.apigateway.api.deployments import patched_stage
from kunren.services.apigateway.api.usage import patched_plan
from kunren.services.apigateway.errors import BadRequestException, NotFoundException
from kunren.services.apigateway.patching import patched


def changed(shape, table, op, path, value=None, **more):
    return patched(shape, [{"op": op, "path": path, **({"value": value} if value is not None else {}), **more}], table)


def test_texts_numbers_and_flags_have_their_types():
    api = {"name": "a", "endpointConfiguration": {"types": ["EDGE"]}}
    assert changed(api, tables.REST_API, "replace", "/name", "b")["name"] == "b"
    assert changed(api, tables.REST_API, "replace", "/minimumCompressionSize", "5")["minimumCompressionSize"] == 5
    assert (
        changed(api, tables.REST_API, "replace", "/disableExecuteApiEndpoint", "true")["disableExecuteApiEndpoint"]
        is True
    )
    moved = changed(api, tables.REST_API, "replace", "/endpointConfiguration/types/EDGE", "REGIONAL")
    assert moved["endpointConfiguration"] == {"types": ["REGIONAL"]}
    assert api["endpointConfiguration"] == {"types": ["EDGE"]}


@pytest.mark.parametrize("value", [None, "", "nan", "inf", "many"])
def test_numbers_are_numbers(value):
    stage = {"methodSettings": {}, "canarySettings": {}}
    for path in ("/*/*/throttling/rateLimit", "/*/*/throttling/burstLimit", "/canarySettings/percentTraffic"):
        told = {"op": "replace", "path": path, **({"value": value} if value is not None else {})}
        with pytest.raises(BadRequestException):
            patched_stage(stage, told)
    with pytest.raises(BadRequestException):
        changed({}, tables.INTEGRATION, "replace", "/timeoutInMillis", value)
    assert changed({}, tables.REST_API, "replace", "/minimumCompressionSize")["minimumCompressionSize"] is None


def test_members_of_lists_and_maps_come_and_go():
    api = changed({}, tables.REST_API, "add", "/binaryMediaTypes/image~1png")
    assert api == {"binaryMediaTypes": ["image/png"]}
    assert changed(api, tables.REST_API, "remove", "/binaryMediaTypes/image~1png") == {}
    method = changed({}, tables.METHOD, "add", "/requestParameters/method.request.querystring.a", "false")
    assert method == {"requestParameters": {"method.request.querystring.a": False}}
    assert changed(method, tables.METHOD, "remove", "/requestParameters/method.request.querystring.a") == {}
    integration = changed({}, tables.INTEGRATION, "add", "/requestTemplates/application~1json", "{}")
    assert integration == {"requestTemplates": {"application/json": "{}"}}


@pytest.mark.parametrize(
    ("op", "path", "value"),
    [
        ("replace", "/id", "x"),
        ("add", "/name", "x"),
        ("move", "/name", "x"),
        ("replace", "", "x"),
        ("replace", "/minimumCompressionSize", "many"),
        ("replace", "/disableExecuteApiEndpoint", "perhaps"),
        ("replace", "/disableExecuteApiEndpoint", None),
        ("replace", "/apiKeySource", "COOKIE"),
        ("replace", "/endpointConfiguration/types/NONE", "EDGE"),
        (None, "/name", "x"),
    ],
)
def test_what_the_table_does_not_have_is_refused(op, path, value):
    shape = {"name": "a", "endpointConfiguration": {"types": ["EDGE"]}}
    before = copy.deepcopy(shape)
    with pytest.raises(BadRequestException):
        changed(shape, tables.REST_API, op, path, value)
    assert shape == before


def test_a_stage_has_settings_of_methods_and_promotes_its_canary():
    stage = {"methodSettings": {}, "deploymentId": "a", "canarySettings": {"deploymentId": "b"}}
    for path, key in (("/*/*", "*/*"), ("/~1pets~1{id}/GET", "pets/{id}/GET"), ("/pets/{id}/GET", "pets/{id}/GET")):
        told = patched_stage(stage, {"op": "replace", "path": f"{path}/logging/loglevel", "value": "INFO"})
        assert told["methodSettings"][key]["loggingLevel"] == "INFO"
        assert told["methodSettings"][key]["cacheTtlInSeconds"] == 300
        assert patched_stage(told, {"op": "remove", "path": path})["methodSettings"] == {}
    told = patched_stage(stage, {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"})
    assert told["deploymentId"] == "b"
    assert "canarySettings" not in patched_stage(stage, {"op": "remove", "path": "/canarySettings"})
    told = patched_stage(stage, {"op": "add", "path": "/variables/a", "value": "1"})
    assert told["variables"] == {"a": "1"}
    for path in ("/pets/GET/logging/level", "/pets/FETCH/logging/loglevel", "/wrong"):
        with pytest.raises(BadRequestException, match="Invalid method setting path"):
            patched_stage(stage, {"op": "replace", "path": path, "value": "INFO"})


def test_a_plan_has_stages_and_their_throttles():
    plan = {"apiStages": []}
    plan = patched_plan(plan, {"op": "add", "path": "/apiStages", "value": "api:dev"})
    assert plan["apiStages"] == [{"apiId": "api", "stage": "dev"}]
    path = "/apiStages/api:dev/throttle/~1pets~1GET"
    plan = patched_plan(plan, {"op": "replace", "path": f"{path}/rateLimit", "value": "5"})
    assert plan["apiStages"][0]["throttle"] == {"/pets/GET": {"rateLimit": 5.0, "burstLimit": 0}}
    plan = patched_plan(plan, {"op": "remove", "path": path})
    assert "throttle" not in plan["apiStages"][0]
    with pytest.raises(NotFoundException):
        patched_plan(plan, {"op": "remove", "path": "/apiStages", "value": "api:other"})
    assert patched_plan(plan, {"op": "remove", "path": "/apiStages", "value": "api:dev"})["apiStages"] == []


@given(
    st.sampled_from([tables.REST_API, tables.METHOD, tables.INTEGRATION, tables.STAGE, tables.USAGE_PLAN]),
    st.sampled_from(["add", "replace", "remove", "copy", "test"]),
    st.text(alphabet="/~10abnameti", max_size=20),
    st.none() | st.text(max_size=5),
)
def test_any_operation_is_applied_or_refused(table, op, path, value):
    try:
        changed({"name": "a"}, table, op, path, value)
    except BadRequestException:
        pass
