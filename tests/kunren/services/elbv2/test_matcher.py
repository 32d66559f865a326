"""The rule that takes a request, in AWS's own examples, and always the one that Envoy is told to take."""

import ipaddress
import re

from hypothesis import given
from hypothesis import strategies as st

from kunren.services.elbv2.dataplane.matching import conditions, matches, virtual_hosts
from kunren.services.elbv2.matcher import Asked, choose, judge
from kunren.services.elbv2.model import Rule


def host(*values, regex=()):
    config = {"Values": list(values)} if values else {"RegexValues": list(regex)}
    return {"Field": "host-header", "HostHeaderConfig": config}


def path(*values, regex=()):
    config = {"Values": list(values)} if values else {"RegexValues": list(regex)}
    return {"Field": "path-pattern", "PathPatternConfig": config}


def header(name, *values):
    return {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": list(values)}}


def method(*values):
    return {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": list(values)}}


def query(*pairs):
    values = [{"Key": key, "Value": value} if key else {"Value": value} for key, value in pairs]
    return {"Field": "query-string", "QueryStringConfig": {"Values": values}}


def source(*values):
    return {"Field": "source-ip", "SourceIpConfig": {"Values": list(values)}}


def rule(priority, *conditions):
    return Rule(account="", region="", id=str(priority), listener_arn="", priority=priority, conditions=conditions)


def asked(**given):
    return Asked(**{"method": "GET", "host": "a.test", "path": "/", **given})


def test_the_first_rule_that_holds_takes_the_request_and_later_ones_are_not_tried():
    rules = [rule(1, path("/x")), rule(2, host("a.test")), rule(3), rule(0)]
    assert [each.rule.priority for each in choose(rules, asked())] == [1, 2]


def test_a_rule_holds_when_all_of_its_conditions_do_and_each_verdict_says_why():
    (tried, default) = choose([rule(1, host("a.test"), path("/img/*"), method("GET", "HEAD")), rule(0)], asked())
    assert [str(each) for each in tried.verdicts] == [
        "host is a.test: holds", "path is /img/*: fails, path is /", "method is GET or HEAD: holds",
    ]  # fmt: skip
    assert default.rule.priority == 0 and default.matches


def test_hosts_are_compared_without_case_and_port_paths_with_case():
    assert judge(host("A.test"), asked(host="a.TEST:8080")).holds
    assert judge(host("*.test"), asked(host="x.y.test")).holds
    assert not judge(host("*.test"), asked(host="test")).holds
    assert judge(path("/img/*"), asked(path="/img/picture.jpg")).holds
    assert not judge(path("/img/*"), asked(path="/IMG/picture.jpg")).holds


def test_headers_compare_values_without_case_and_all_values_of_one_name_are_one():
    yes = asked(headers=(("User-agent", "Chrome 1"),))
    assert judge(header("user-Agent", "*chrome*"), yes).holds
    assert judge(header("x", "a,b"), asked(headers=(("x", "a"), ("X", "b")))).holds
    missing = judge(header("x", "*"), asked())
    assert (missing.holds, missing.has) == (False, "no header x was sent")


def test_query_parameters_match_in_any_place_without_case_and_undecoded():
    given_query = asked(query="x=1&Version=V1&flag")
    assert judge(query(("version", "v1")), given_query).holds
    assert judge(query((None, "1")), given_query).holds
    assert judge(query(("flag", "*")), given_query).holds
    assert not judge(query(("version", "v")), given_query).holds
    assert judge(query(("version", "v1")), asked()).has == "no query was sent"


def test_source_addresses_are_those_of_the_connection_never_of_a_header():
    forged = asked(source="198.18.64.10", headers=(("x-forwarded-for", "10.0.0.1"),))
    assert judge(source("198.18.64.0/24"), forged).holds
    assert not judge(source("10.0.0.0/8"), forged).holds


# -- what Envoy is told ----------------------------------------------------------------------------------------------

LETTERS = st.text("ab", min_size=1, max_size=3)
PATTERN = st.text("ab*?", min_size=1, max_size=4)
HOSTS = st.builds(lambda each: f"{each}.test", PATTERN)
PATHS = st.builds(lambda each: f"/{each}", st.text("abA/*?", max_size=4))
CONDITION = st.one_of(
    st.builds(host, HOSTS, HOSTS),
    st.builds(host, HOSTS),
    st.builds(lambda each: host(regex=(f"^{each}[.]test$",)), LETTERS),
    st.builds(path, PATHS, PATHS),
    st.builds(path, PATHS),
    st.builds(lambda each: path(regex=(each,)), LETTERS),
    st.builds(header, st.sampled_from(["x-a", "X-B"]), PATTERN, PATTERN),
    st.builds(header, st.sampled_from(["x-a", "X-B"]), PATTERN),
    st.builds(method, st.sampled_from(["GET", "PUT"]), st.sampled_from(["HEAD", "PUT"])),
    st.builds(lambda *pairs: query(*pairs), st.tuples(st.none() | PATTERN, PATTERN)),
    st.builds(source, st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "192.0.2.1/32"])),
)


def once(fields):
    """At most one condition of each field, as ALB has it for most of them."""
    return list({each["Field"]: each for each in fields}.values())


RULES = st.lists(st.lists(CONDITION, min_size=1, max_size=3).map(once), max_size=6)
REQUESTS = st.builds(
    Asked,
    method=st.sampled_from(["GET", "PUT", "get"]),
    host=st.builds(
        lambda each, port: f"{each}.Test{port}", st.text("abA.", max_size=3), st.sampled_from(["", ":8080"])
    ),
    path=st.text("abA/", max_size=4).map("/".__add__),
    query=st.none() | st.text("abA=&", max_size=6),
    headers=st.lists(st.tuples(st.sampled_from(["X-A", "x-b"]), LETTERS), max_size=3).map(tuple),
    source=st.sampled_from(["10.0.0.1", "10.1.0.1", "192.0.2.1"]),
)


@given(RULES, REQUESTS)
def test_the_rule_is_the_one_that_envoys_routes_lead_to(wire, request):
    rules = [rule(number + 1, *each) for number, each in enumerate(wire)] + [rule(0)]
    chosen = choose(rules, request)[-1].rule
    assert rules.index(chosen) == envoys_choice([conditions(each.conditions) for each in rules], request)


def envoys_choice(given_rules, request):
    """Read the routes as Envoy does: the exact domain's virtual host else `*`, then the first route that matches."""
    hosts = virtual_hosts(*given_rules)
    chosen = next((each for each in hosts if request.domain in each.domains), hosts[-1])
    for index, authority in chosen.rules:
        if any(route_matches(each, request) for each in matches(given_rules[index], authority)):
            return index
    raise AssertionError("no route")


def route_matches(match, request):
    if "path" in match and request.path != match["path"]:
        return False
    if not request.path.startswith(match.get("prefix", "")):
        return False
    if "safe_regex" in match and not re.fullmatch(match["safe_regex"]["regex"], request.path):
        return False
    for each in match.get("headers", ()):
        value = header_value(each["name"], request)
        if value is None or not string_matches(each["string_match"], value):
            return False
    client = ipaddress.ip_address(request.source)
    for state in match.get("filter_state", ()):
        ranges = state["address_match"]["ranges"]
        if not any(client in ipaddress.ip_network(f"{r['address_prefix']}/{r['prefix_len']}") for r in ranges):
            return False
    return True


def header_value(name, request):
    match name:
        case ":authority":
            return request.host
        case ":method":
            return request.method
        case ":path":
            return request.path + ("" if request.query is None else f"?{request.query}")
    return request.header(name)


def string_matches(match, value):
    if "safe_regex" in match:
        return re.fullmatch(match["safe_regex"]["regex"], value, re.DOTALL) is not None
    ((kind, text),) = [(key, each) for key, each in match.items() if key != "ignore_case"]
    if match.get("ignore_case"):
        text, value = text.lower(), value.lower()
    return {
        "exact": value == text, "prefix": value.startswith(text), "suffix": value.endswith(text),
        "contains": text in value,
    }[kind]  # fmt: skip
