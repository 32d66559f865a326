"""Rules and the target groups they reach."""

from __future__ import annotations

from typing import Any

import pytest

from kunren.services.elbv2.model import Rule

FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain"}}
PATH = {"Field": "path-pattern", "Values": ["/img/*"]}


@pytest.fixture
def listener(elb: Any) -> str:
    return elb.listener(elb.balancer())["ListenerArn"]


def create(elb: Any, listener: str, priority: int, **more: Any) -> dict[str, Any]:
    asked = {"Conditions": [PATH], "Actions": [FIXED], **more}
    return elb.call("CreateRule", ListenerArn=listener, Priority=priority, **asked)["Rules"][0]


def forward(*groups: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": group["TargetGroupArn"]} for group in groups]},
    }


def test_a_rule_is_echoed_in_both_forms(elb: Any, listener: str) -> None:
    group = elb.group()["TargetGroupArn"]
    made = create(elb, listener, 5, Actions=[{"Type": "forward", "TargetGroupArn": group}])
    assert made == {
        "RuleArn": made["RuleArn"],
        "Priority": "5",
        "Conditions": [
            {"Field": "path-pattern", "Values": ["/img/*"], "PathPatternConfig": {"Values": ["/img/*"]}},
        ],
        "Actions": [
            {
                "Type": "forward",
                "TargetGroupArn": group,
                "ForwardConfig": {
                    "TargetGroups": [{"TargetGroupArn": group, "Weight": 1}],
                    "TargetGroupStickinessConfig": {"Enabled": False},
                },
            }
        ],
        "IsDefault": False,
    }
    assert made["RuleArn"].startswith(listener.replace(":listener/", ":listener-rule/") + "/")


def test_rules_are_described_in_the_order_they_are_tried(elb: Any, listener: str) -> None:
    for priority in (100, 9, 50):
        create(elb, listener, priority)
    found = elb.call("DescribeRules", ListenerArn=listener)["Rules"]
    assert [rule["Priority"] for rule in found] == ["9", "50", "100", "default"]
    first = elb.call("DescribeRules", ListenerArn=listener, PageSize=3)
    rest = elb.call("DescribeRules", ListenerArn=listener, PageSize=3, Marker=first["NextMarker"])
    assert first["Rules"] + rest["Rules"] == found


def test_a_priority_is_taken_once(elb: Any, listener: str) -> None:
    create(elb, listener, 26)
    assert elb.refused("CreateRule", ListenerArn=listener, Priority=26, Conditions=[PATH], Actions=[FIXED]) == (
        "PriorityInUse",
        "Priority '26' is currently in use",
    )
    assert elb.refused("CreateRule", ListenerArn=listener, Priority=0, Conditions=[PATH], Actions=[FIXED])[0] == (
        "ValidationError"
    )


def test_modify_replaces_what_is_named(elb: Any, listener: str) -> None:
    made = create(elb, listener, 1)
    host = [{"Field": "host-header", "HostHeaderConfig": {"Values": ["www.example.com", "example.com"]}}]
    changed = elb.call("ModifyRule", RuleArn=made["RuleArn"], Conditions=host)["Rules"][0]
    assert changed["Actions"] == made["Actions"]
    assert changed["Conditions"] == [{**host[0], "Values": ["www.example.com", "example.com"]}]
    assert elb.refused("ModifyRule", RuleArn=made["RuleArn"]) == (
        "ValidationError",
        "Either conditions or actions must be specified",
    )


def test_the_default_rule_is_the_listeners(elb: Any, listener: str) -> None:
    default = elb.call("DescribeRules", ListenerArn=listener)["Rules"][0]["RuleArn"]
    assert elb.refused("DeleteRule", RuleArn=default) == (
        "OperationNotPermitted",
        f"Default rule '{default}' cannot be deleted",
    )
    assert elb.refused("ModifyRule", RuleArn=default, Actions=[FIXED])[0] == "OperationNotPermitted"
    pair = {"RuleArn": default, "Priority": 3}
    assert elb.refused("SetRulePriorities", RulePriorities=[pair])[0] == "OperationNotPermitted"


def test_set_rule_priorities_is_all_or_nothing(elb: Any, listener: str) -> None:
    one, two, three = (create(elb, listener, number)["RuleArn"] for number in (1, 2, 3))
    swapped = elb.call(
        "SetRulePriorities", RulePriorities=[{"RuleArn": one, "Priority": 2}, {"RuleArn": two, "Priority": 1}]
    )["Rules"]
    assert [rule["Priority"] for rule in swapped] == ["2", "1"]
    pairs = [{"RuleArn": one, "Priority": 7}, {"RuleArn": two, "Priority": 3}]
    assert elb.refused("SetRulePriorities", RulePriorities=pairs) == (
        "PriorityInUse",
        "Priority '3' is currently in use",
    )
    pairs = [{"RuleArn": one, "Priority": 7}, {"RuleArn": three, "Priority": 7}]
    assert elb.refused("SetRulePriorities", RulePriorities=pairs) == (
        "ValidationError",
        "Priority '7' was provided multiple times",
    )
    found = elb.call("DescribeRules", ListenerArn=listener)["Rules"]
    assert [(rule["RuleArn"], rule["Priority"]) for rule in found[:3]] == [(two, "1"), (one, "2"), (three, "3")]


def test_rules_that_are_not_there(elb: Any, listener: str) -> None:
    gone = create(elb, listener, 1)["RuleArn"]
    elb.call("DeleteRule", RuleArn=gone)
    assert elb.refused("DeleteRule", RuleArn=gone) == ("RuleNotFound", f"Rule '{gone}' not found")
    assert elb.refused("DescribeRules", RuleArns=[gone]) == ("RuleNotFound", "One or more rules not found")
    assert elb.refused("DescribeRules") == (
        "ValidationError",
        "You must specify either listener rule ARNs or a listener ARN",
    )


def test_a_target_group_serves_one_load_balancer(elb: Any, listener: str) -> None:
    group = elb.group()
    create(elb, listener, 1, Actions=[forward(group)])
    other = elb.listener(elb.balancer("other"))["ListenerArn"]
    asked = {"ListenerArn": other, "Priority": 1, "Conditions": [PATH]}
    assert elb.refused("CreateRule", Actions=[forward(group)], **asked) == (
        "TargetGroupAssociationLimit",
        "The following target groups cannot be associated with more than one load balancer: " + group["TargetGroupArn"],
    )
    gone = group["TargetGroupArn"][:-4] + "0000"
    assert elb.refused("CreateRule", Actions=[{"Type": "forward", "TargetGroupArn": gone}], **asked) == (
        "TargetGroupNotFound",
        f"Target groups '{gone}' not found",
    )


def test_a_grpc_group_needs_an_https_listener(elb: Any, listener: str) -> None:
    group = elb.group(ProtocolVersion="GRPC")
    assert elb.refused("CreateRule", ListenerArn=listener, Priority=1, Conditions=[PATH], Actions=[forward(group)]) == (
        "InvalidConfigurationRequest",
        "Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'GRPC'",
    )


def test_several_groups_with_sticky_targets_need_a_sticky_rule(elb: Any, listener: str) -> None:
    groups = [elb.group("one"), elb.group("two")]
    on = [{"Key": "stickiness.enabled", "Value": "true"}]
    elb.call("ModifyTargetGroupAttributes", TargetGroupArn=groups[0]["TargetGroupArn"], Attributes=on)
    action = forward(*groups)
    asked = {"ListenerArn": listener, "Priority": 1, "Conditions": [PATH]}
    assert elb.refused("CreateRule", Actions=[action], **asked)[0] == "InvalidLoadBalancerAction"
    action["ForwardConfig"]["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": 60}
    made = elb.call("CreateRule", Actions=[action], **asked)["Rules"][0]
    assert "TargetGroupArn" not in made["Actions"][0]
    assert [group["Weight"] for group in made["Actions"][0]["ForwardConfig"]["TargetGroups"]] == [1, 1]


def test_the_quotas_of_rules_and_groups(small_elb: Any) -> None:
    listener = small_elb.listener(small_elb.balancer())["ListenerArn"]
    one, two = small_elb.group("one"), small_elb.group("two")
    made = create(small_elb, listener, 1, Actions=[forward(one)])
    asked = {"ListenerArn": listener, "Conditions": [PATH]}
    assert small_elb.refused("CreateRule", Priority=2, Actions=[forward(two)], **asked)[0] == (
        "TooManyUniqueTargetGroupsPerLoadBalancer"
    )
    small_elb.call("ModifyRule", RuleArn=made["RuleArn"], Actions=[forward(two)])
    create(small_elb, listener, 2)
    assert small_elb.refused("CreateRule", Priority=3, Actions=[FIXED], **asked)[0] == "TooManyRules"


def rewrite(kind: str, member: str, regex: str, replace: str) -> dict[str, Any]:
    return {"Type": kind, member: {"Rewrites": [{"Regex": regex, "Replace": replace}]}}


def test_transforms_are_echoed_replaced_and_reset(elb: Any, listener: str) -> None:
    url = rewrite("url-rewrite", "UrlRewriteConfig", "^/old/(.*)", "/new/$1")
    host = rewrite("host-header-rewrite", "HostHeaderRewriteConfig", "^a", "b")
    made = create(elb, listener, 1, Transforms=[url, host])
    assert made["Transforms"] == [url, host]
    assert "Transforms" not in create(elb, listener, 2)
    changed = elb.call("ModifyRule", RuleArn=made["RuleArn"], Actions=[FIXED])["Rules"][0]
    assert changed["Transforms"] == [url, host]
    changed = elb.call("ModifyRule", RuleArn=made["RuleArn"], Transforms=[host])["Rules"][0]
    assert (changed["Transforms"], changed["Conditions"]) == ([host], made["Conditions"])
    assert elb.call("DescribeRules", RuleArns=[made["RuleArn"]])["Rules"][0]["Transforms"] == [host]
    both = {"Transforms": [host], "ResetTransforms": True}
    assert elb.refused("ModifyRule", RuleArn=made["RuleArn"], **both)[0] == "ValidationError"
    assert "Transforms" not in elb.call("ModifyRule", RuleArn=made["RuleArn"], ResetTransforms=True)["Rules"][0]


def test_transforms_that_cannot_be(elb: Any, listener: str) -> None:
    def refused(*transforms: dict[str, Any]) -> str:
        asked = {"ListenerArn": listener, "Priority": 1, "Conditions": [PATH], "Actions": [FIXED]}
        return elb.refused("CreateRule", Transforms=list(transforms), **asked)[0]

    def url(regex: str, replace: str) -> dict[str, Any]:
        return rewrite("url-rewrite", "UrlRewriteConfig", regex, replace)

    assert refused(url("a", "b"), url("a", "b")) == "ValidationError"
    for regex, replace in (("(", "b"), ("(?=a)", "b"), (r"(a)\\1", "b"), ("a", "$1"), ("a" * 1025, ""), ("", "a")):
        assert refused(url(regex, replace)) == "ValidationError"
    assert refused({"Type": "url-rewrite"}) == "ValidationError"
    assert refused(rewrite("url-rewrite", "HostHeaderRewriteConfig", "a", "b")) == "ValidationError"
    assert elb.call("DescribeRules", ListenerArn=listener)["Rules"][0]["IsDefault"]


def test_what_is_not_built_is_named_in_a_501(elb: Any, listener: str) -> None:
    asked = {"ListenerArn": listener, "Priority": 1, "Conditions": [PATH]}
    pool = {"UserPoolArn": "a", "UserPoolClientId": "b", "UserPoolDomain": "c"}
    cognito = {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": pool}
    code, text = elb.refused("CreateRule", Actions=[cognito, {**FIXED, "Order": 2}], **asked)
    assert (code, "authenticate-cognito" in text) == ("NotImplemented", True)


def oidc(**given: Any) -> dict[str, Any]:
    config = {
        "Issuer": "https://login.test", "AuthorizationEndpoint": "https://login.test/authorize",
        "TokenEndpoint": "https://login.test/token", "UserInfoEndpoint": "https://login.test/me", "ClientId": "client",
        "ClientSecret": "hidden", **given,
    }  # fmt: skip
    config = {name: value for name, value in config.items() if value is not None}
    return {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": config}


def test_a_login_is_echoed_with_its_defaults_and_without_the_secret(elb: Any) -> None:
    certificates = [{"CertificateArn": elb.certificate()}]
    secure = elb.listener(elb.balancer(), 443, Protocol="HTTPS", Certificates=certificates)["ListenerArn"]
    last = {**FIXED, "Order": 2}
    made = create(elb, secure, 1, Actions=[last, oidc()])
    asked, answers = made["Actions"]
    assert asked["AuthenticateOidcConfig"] == {
        "Issuer": "https://login.test",
        "AuthorizationEndpoint": "https://login.test/authorize",
        "TokenEndpoint": "https://login.test/token",
        "UserInfoEndpoint": "https://login.test/me",
        "ClientId": "client",
        "SessionCookieName": "AWSELBAuthSessionCookie",
        "Scope": "openid",
        "SessionTimeout": 604800,
        "OnUnauthenticatedRequest": "authenticate",
    }
    assert (asked["Order"], answers) == (1, last)
    arn = made["RuleArn"]
    kept = oidc(ClientSecret=None, UseExistingClientSecret=True, Scope="openid email")
    changed = elb.call("ModifyRule", RuleArn=arn, Actions=[kept, last])["Rules"][0]["Actions"][0]
    assert changed["AuthenticateOidcConfig"]["Scope"] == "openid email"
    assert "hidden" not in str(changed) + str(elb.call("DescribeRules", ListenerArn=secure))
    (row,) = (each for each in elb.store.snapshot().every(Rule) if each.id == arn)
    assert "hidden" in str(row.actions)
    default = elb.call("ModifyListener", ListenerArn=secure, DefaultActions=[oidc(), last])["Listeners"][0]
    assert "hidden" not in str(default) + str(elb.call("DescribeListeners", ListenerArns=[secure]))


def test_logins_that_cannot_be(elb: Any, listener: str) -> None:
    certificates = [{"CertificateArn": elb.certificate()}]
    secure = elb.listener(elb.balancer("other"), 443, Protocol="HTTPS", Certificates=certificates)["ListenerArn"]
    last = {**FIXED, "Order": 2}

    def refused(on: str, *actions: dict[str, Any]) -> str:
        return elb.refused("CreateRule", ListenerArn=on, Priority=1, Conditions=[PATH], Actions=list(actions))[0]

    assert refused(listener, oidc(), last) == "InvalidLoadBalancerAction"  # HTTPS only
    assert refused(secure, oidc()) == "InvalidLoadBalancerAction"
    assert refused(secure, oidc(), FIXED) == "InvalidLoadBalancerAction"
    assert refused(secure, {**oidc(), "Order": 3}, last) == "InvalidLoadBalancerAction"
    assert refused(secure, oidc(), {**oidc(), "Order": 2}, {**last, "Order": 3}) == "TooManyActions"
    for wrong in (
        {"ClientSecret": None}, {"ClientSecret": None, "UseExistingClientSecret": True}, {"SessionTimeout": 604801},
        {"UseExistingClientSecret": True}, {"TokenEndpoint": "http://login.test/token"},
        {"AuthenticationRequestExtraParams": {f"p{number}": "v" for number in range(11)}},
    ):  # fmt: skip
        assert refused(secure, oidc(**wrong), last) == "InvalidLoadBalancerAction"


def jwt(**given: Any) -> dict[str, Any]:
    config = {"JwksEndpoint": "https://login.test/keys", "Issuer": "https://login.test", **given}
    return {"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": config}


def additional(form: str = "single-string", *values: str, name: str = "scope") -> dict[str, Any]:
    return {"AdditionalClaims": [{"Format": form, "Name": name, "Values": list(values or ("read",))}]}


def test_the_validation_of_tokens_is_echoed(elb: Any) -> None:
    certificates = [{"CertificateArn": elb.certificate()}]
    secure = elb.listener(elb.balancer(), 443, Protocol="HTTPS", Certificates=certificates)["ListenerArn"]
    last = {**FIXED, "Order": 2}
    assert create(elb, secure, 1, Actions=[last, jwt()])["Actions"] == [jwt(), last]
    claims = additional("space-separated-values", "read", "write")
    assert create(elb, secure, 2, Actions=[jwt(**claims), last])["Actions"][0] == jwt(**claims)


def test_validations_of_tokens_that_cannot_be(elb: Any, listener: str) -> None:
    certificates = [{"CertificateArn": elb.certificate()}]
    secure = elb.listener(elb.balancer("other"), 443, Protocol="HTTPS", Certificates=certificates)["ListenerArn"]
    last = {**FIXED, "Order": 2}

    def refused(on: str, *actions: dict[str, Any]) -> str:
        return elb.refused("CreateRule", ListenerArn=on, Priority=1, Conditions=[PATH], Actions=list(actions))[0]

    assert refused(listener, jwt(), last) == "InvalidLoadBalancerAction"  # HTTPS only
    assert refused(secure, jwt()) == "InvalidLoadBalancerAction"
    assert refused(secure, jwt(), {**oidc(), "Order": 2}, {**last, "Order": 3}) == "TooManyActions"
    assert refused(secure, {"Type": "jwt-validation", "Order": 1}, last) == "InvalidLoadBalancerAction"
    for wrong in (
        {"JwksEndpoint": "http://login.test/keys"}, {"JwksEndpoint": "https://login.test/" + "x" * 240},
        {"Issuer": "x" * 257}, {"Issuer": ""}, {"AdditionalClaims": additional()["AdditionalClaims"] * 11},
        additional(name="exp"), additional("list"), additional("single-string", "a", "b"),
        additional("string-array", *map(str, range(11))), additional("string-array", "x" * 257),
        additional("space-separated-values", "a b"),
    ):  # fmt: skip
        assert refused(secure, jwt(**wrong), last) == "InvalidLoadBalancerAction", wrong


def test_tags_of_every_kind_of_resource(elb: Any, listener: str) -> None:
    rule, group = create(elb, listener, 1)["RuleArn"], elb.group()["TargetGroupArn"]
    balancer = elb.call("DescribeLoadBalancers")["LoadBalancers"][0]["LoadBalancerArn"]
    every = [rule, group, listener, balancer]
    elb.call("AddTags", ResourceArns=every, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a"}])
    elb.call("AddTags", ResourceArns=every, Tags=[{"Key": "b", "Value": "3"}])
    shown = elb.call("DescribeTags", ResourceArns=every)["TagDescriptions"]
    tags = [{"Key": "a", "Value": ""}, {"Key": "b", "Value": "3"}]
    assert shown == [{"ResourceArn": arn, "Tags": tags} for arn in every]
    elb.call("RemoveTags", ResourceArns=every, TagKeys=["a", "never"])
    assert elb.call("DescribeTags", ResourceArns=[rule])["TagDescriptions"][0]["Tags"] == tags[1:]


def test_tags_are_limited(elb: Any, listener: str) -> None:
    many = [{"Key": f"k{number}", "Value": "v"} for number in range(51)]
    assert elb.refused("AddTags", ResourceArns=[listener], Tags=many)[0] == "TooManyTags"
    assert elb.refused("AddTags", ResourceArns=[listener], Tags=[many[0], many[0]])[0] == "DuplicateTagKeys"
    assert elb.refused("AddTags", ResourceArns=[listener], Tags=[{"Key": "aws:x"}])[0] == "ValidationError"
    gone = listener[:-4] + "0000"
    assert elb.refused("AddTags", ResourceArns=[listener, gone], Tags=many[:1])[0] == "ListenerNotFound"
    assert elb.refused("DescribeTags", ResourceArns=["arn:aws:s3:::bucket"])[0] == "ValidationError"
