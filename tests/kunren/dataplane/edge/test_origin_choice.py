"""What a function may choose as origin, and what it may not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.edge.js_event import InvalidResult
from kunren.dataplane.edge.origin_choice import GROUP, chosen
from kunren.dataplane.edge.scripts import Scripts
from kunren.dataplane.edge.site import Behaviour, CacheRules, Origin, OriginAccess, OriginGroup, Script, Site

ACCESS = OriginAccess("s3", "us-east-1", "arn:aws:cloudfront::1:distribution/E1", "1")
WEB = Origin("web", "web.test", "", (("X-A", "1"),), "match-viewer", 80, 443, 10.0, 3, 30.0, 5.0)
S3 = Origin("s3", "b.s3.us-east-1.amazonaws.com", "", (), "match-viewer", 80, 443, 10.0, 3, 30.0, 5.0, True, ACCESS)
BEHAVIOUR = Behaviour("*", "web", "allow-all", frozenset(), frozenset(), CacheRules(0, 0, 0))
SITE = Site("E1", "1", "d.test", (), (BEHAVIOUR,), {"web": WEB, "s3": S3}, {"both": OriginGroup("both", ("s3", "web"), frozenset({500}))})  # fmt: skip


def choose(**choice):
    site, behaviour = chosen(SITE, BEHAVIOUR, choice)
    return site.origins.get(behaviour.origin) or site.groups[behaviour.origin]


def test_what_is_not_said_stays():
    changed = choose(update={"domainName": "other.test", "originPath": "/x", "customHeaders": {"X-B": "2"}})
    assert (changed.domain, changed.path, changed.headers) == ("other.test", "/x", (("X-B", "2"),))
    assert (changed.protocol, changed.attempts, changed.read_timeout_s) == ("match-viewer", 3, 30.0)
    assert choose(update={"connectionAttempts": 1}).headers == WEB.headers
    assert choose(update={"hostHeader": "h.test"}).headers == (*WEB.headers, ("Host", "h.test"))
    custom = choose(update={"customOriginConfig": {"protocol": "http", "port": 8080}, "timeouts": {"readTimeout": 5}})
    assert (custom.protocol, custom.http_port, custom.https_port, custom.read_timeout_s) == (
        "http-only",
        8080,
        443,
        5.0,
    )


def test_another_origin_is_chosen_by_its_id_with_changes_or_without():
    assert choose(select="s3") is S3
    assert choose(select="both").members == ("s3", "web")
    assert choose(select="s3", update={"originPath": "/x"}).access is ACCESS
    assert choose(select="s3", update={"domainName": "c.s3.eu-west-1.amazonaws.com"}).access is None


def test_signing_is_chosen_for_the_distribution():
    told = {"enabled": True, "signingBehavior": "always", "signingProtocol": "sigv4", "originType": "s3"}
    made = choose(update={"domainName": "c.s3.eu-west-1.amazonaws.com", "originAccessControlConfig": told})
    assert made.access == OriginAccess("s3", "eu-west-1", "arn:aws:cloudfront::1:distribution/E1", "1")
    assert choose(select="s3", update={"originAccessControlConfig": {"enabled": False}}).access is None


def test_a_group_is_made_of_two_origins():
    members = [{"originId": "s3", "originOverrides": {"originPath": "/x"}}, {"originId": "web"}]
    site, behaviour = chosen(
        SITE, BEHAVIOUR, {"group": {"originIds": members, "failoverCriteria": {"statusCodes": [500, 403]}}}
    )
    assert site.groups[behaviour.origin] == OriginGroup(GROUP, ("s3", "web"), frozenset({500, 403}))
    assert site.origins["s3"].path == "/x"


@pytest.mark.parametrize(
    "choice",
    [
        {"select": "none"}, {"select": {}}, {"update": {"domainName": 1}}, {"update": {"connectionAttempts": 9}},
        {"update": {"originShield": {"enabled": True}}}, {"update": {"customHeaders": {"X": 1}}}, {"group": {}},
        {"update": {"customOriginConfig": {"protocol": "ftp"}}}, {"group": {"originIds": [{"originId": "web"}]}},
        {"update": {"originAccessControlConfig": {"enabled": True, "originType": "mediastore"}}}, {"update": 1},
    ],
)  # fmt: skip
def test_what_makes_no_origin_is_refused(choice):
    with pytest.raises(InvalidResult):
        chosen(SITE, BEHAVIOUR, choice)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3),
    max_leaves=4,
)
names = st.sampled_from(["domainName", "originPath", "customHeaders", "timeouts", "customOriginConfig", "hostHeader"])


@given(st.dictionaries(names, json_values))
def test_nothing_that_a_function_says_breaks_the_edge(update):
    try:
        chosen(SITE, BEHAVIOUR, {"update": update})
    except InvalidResult:
        pass


def test_functions_tell_their_choice_once():
    code = """import cf from 'cloudfront';
      function handler(event) {
        if (event.to) cf.selectRequestOriginById(event.to, {originOverrides: {originPath: '/x'}});
        if (event.path) cf.updateRequestOrigin({originPath: event.path});
        return event;
      }"""
    scripts, script = Scripts(), Script("f", "cloudfront-js-2.0", code, "1")

    def choice(**event):
        return scripts.run(script, json.dumps(event)).choice

    assert choice(to="web") == {"select": "web", "update": {"originPath": "/x"}}
    assert choice() is None
    assert choice(path="/y") == {"update": {"originPath": "/y"}}
