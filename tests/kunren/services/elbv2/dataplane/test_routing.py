"""Rules as route configurations, by example."""

from __future__ import annotations

from kunren.services.elbv2.dataplane.routing import Behind, Forwarding, route_configuration
from kunren.services.elbv2.dataplane.stickiness import group_cookie


def made(kit, action, behind, **given):
    on = kit.listener(80, default=action)
    forwarding = Forwarding(on.id, "HTTP", 80, **given)
    config = route_configuration("r", [kit.default_rule(on)], behind, forwarding)
    (host,) = config["virtual_hosts"]
    return config, host["routes"]


def test_one_group_is_one_route_with_alb_s_headers(kit):
    behind = {kit.group_arn("a"): Behind("web/a")}
    config, routes = made(kit, kit.forward(("a", 1)), behind)
    assert config["ignore_port_in_host_matching"] is True
    assert routes[-1] == {
        "name": "0 forward",  # what access logs say of the rule
        "match": {"prefix": "/"},
        "route": {"cluster": "web/a", "timeout": "0s"},
    }
    assert config["request_headers_to_add"] == [
        {"header": {"key": "x-forwarded-port", "value": "80"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
        {
            "header": {"key": "x-forwarded-for", "value": " %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"},
            "append_action": "APPEND_IF_EXISTS_OR_ADD",
        },
    ]


def test_a_group_that_speaks_http2_gets_the_client_s_address_without_a_space(kit):
    behind = {kit.group_arn("a"): Behind("web/a", version="GRPC")}
    config, routes = made(kit, kit.forward(("a", 1)), behind, speaks_http2=True)
    assert [each["header"]["key"] for each in config["request_headers_to_add"]] == ["x-forwarded-port"]
    (added,) = routes[-1]["request_headers_to_add"]
    assert added["header"]["value"] == "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"


def test_weights_keep_their_proportions_and_zero_gets_nothing(kit):
    behind = {kit.group_arn(name): Behind(f"web/{name}") for name in "abc"}
    _, routes = made(kit, kit.forward(("a", 80), ("b", 20), ("c", 0)), behind)
    assert routes[-1]["route"]["weighted_clusters"] == {
        "clusters": [{"name": "web/a", "weight": 80}, {"name": "web/b", "weight": 20}]
    }


def test_sticky_groups_have_a_route_per_cookie_before_the_weighted_one(kit):
    behind = {kit.group_arn(name): Behind(f"web/{name}") for name in "ab"}
    _, routes = made(kit, kit.forward(("a", 1), ("b", 1), sticky=600), behind)
    cookie = group_cookie(kit.listener(80).id, kit.group_arn("a"))
    assert routes[-3]["match"]["headers"][0] == {"name": "cookie", "string_match": {"contains": "=" + cookie}}
    assert routes[-3]["route"]["cluster"] == "web/a"
    assert [each["name"] for each in routes[-1]["route"]["weighted_clusters"]["clusters"]] == ["web/a", "web/b"]
    settings = routes[-1]["route"]["weighted_clusters"]["clusters"][0]["typed_per_filter_config"]["kunren.stickiness"]
    assert settings["filter_context"]["group"] == cookie
    assert settings["filter_context"]["group_seconds"] == 600.0


def test_nothing_of_stickiness_is_there_where_no_group_is_sticky(kit):
    behind = {kit.group_arn(name): Behind(f"web/{name}") for name in "ab"}
    _, routes = made(kit, kit.forward(("a", 1), ("b", 1)), behind)
    assert "stickiness" not in repr(routes)
    balancer, on = kit.load_balancer(), kit.listener(80, default=kit.forward(("a", 1)))
    store = kit.new_store()
    kit.put(store, balancer, on, kit.default_rule(on), kit.target_group("a", kit.Target(id="127.0.0.1", port=1)))
    (fragment,) = kit.resources(store.snapshot(), balancer, kit.environment()).resources.listeners.values()
    assert "kunren.stickiness" not in repr(fragment)


def test_functions_are_named_to_the_bridge(kit):
    behind = {kit.group_arn("f"): Behind("web/functions", group_header=kit.group_arn("f"))}
    _, routes = made(kit, kit.forward(("f", 1)), behind, xff_mode="preserve")
    assert routes[-1]["request_headers_to_add"][-1] == {
        "header": {"key": "x-kunren-target-group", "value": kit.group_arn("f")},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
