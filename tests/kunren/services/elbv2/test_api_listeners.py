"""Listeners, their certificates and attributes, and the security policies they name."""

from __future__ import annotations

from typing import Any

import pytest

from kunren.control.store import Snapshot
from kunren.services.elbv2.associations import certificates_in_use
from kunren.services.elbv2.model import Listener, Rule

ACCOUNT, REGION = "123456789012", "us-east-1"
FIXED = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
TO_HTTPS = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}


def snapshot(elb: Any) -> Snapshot:
    return elb.store.snapshot()


def secure(elb: Any, balancer: dict[str, Any], number: int = 1, port: int = 443, **more: Any) -> dict[str, Any]:
    given = [{"CertificateArn": elb.certificate(number)}]
    return elb.listener(balancer, port, Protocol="HTTPS", Certificates=given, **more)


def test_an_http_listener_is_described_as_aws_does(elb: Any) -> None:
    balancer = elb.balancer()
    made = elb.listener(balancer, DefaultActions=[TO_HTTPS])
    assert made == {
        "ListenerArn": made["ListenerArn"],
        "LoadBalancerArn": balancer["LoadBalancerArn"],
        "Port": 80,
        "Protocol": "HTTP",
        "DefaultActions": [
            {
                "Type": "redirect",
                "RedirectConfig": {
                    "Protocol": "HTTPS",
                    "Port": "443",
                    "Host": "#{host}",
                    "Path": "/#{path}",
                    "Query": "#{query}",
                    "StatusCode": "HTTP_301",
                },
            }
        ],
    }
    identity = balancer["LoadBalancerArn"].split(":loadbalancer/")[1]
    assert f":listener/{identity}/" in made["ListenerArn"]
    assert elb.call("DescribeListeners", ListenerArns=[made["ListenerArn"]])["Listeners"] == [made]
    assert elb.call("DescribeListeners", LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"] == [made]


def test_an_https_listener_names_its_default_certificate_and_policy(elb: Any) -> None:
    made = secure(elb, elb.balancer())
    assert made["Certificates"] == [{"CertificateArn": elb.certificate(1)}]
    assert made["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    assert made["MutualAuthentication"] == {"Mode": "off"}


def test_the_default_action_is_a_rule_that_follows_the_listener(elb: Any) -> None:
    arn = elb.listener(elb.balancer())["ListenerArn"]
    elb.call("ModifyListener", ListenerArn=arn, DefaultActions=[TO_HTTPS])
    rules = elb.call("DescribeRules", ListenerArn=arn)["Rules"]
    assert [(rule["Priority"], rule["IsDefault"], rule["Conditions"]) for rule in rules] == [("default", True, [])]
    assert rules[0]["Actions"] == elb.call("DescribeListeners", ListenerArns=[arn])["Listeners"][0]["DefaultActions"]
    assert rules[0]["RuleArn"].startswith(arn.replace(":listener/", ":listener-rule/"))


def test_creating_again_with_the_same_settings_returns_the_same_listener(elb: Any) -> None:
    balancer = elb.balancer()
    assert elb.listener(balancer) == elb.listener(balancer)
    assert secure(elb, balancer) == secure(elb, balancer)
    assert len(snapshot(elb).list(Rule, ACCOUNT, REGION)) == 2


def test_a_port_is_taken_once(elb: Any) -> None:
    balancer = elb.balancer()
    elb.listener(balancer)
    arn = balancer["LoadBalancerArn"]
    duplicate = ("DuplicateListener", f"A listener already exists on this port for this load balancer '{arn}'")
    asked = {"LoadBalancerArn": arn, "Protocol": "HTTP", "Port": 80, "DefaultActions": [TO_HTTPS]}
    assert elb.refused("CreateListener", **asked) == duplicate
    other = elb.listener(balancer, 81)
    assert elb.refused("ModifyListener", ListenerArn=other["ListenerArn"], Port=80) == duplicate


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"Port": None}, "A listener port must be specified"),
        ({"Protocol": None}, "A listener protocol must be specified"),
        ({"Protocol": "TCP"}, "Listener protocol 'TCP' must be one of 'HTTP, HTTPS'"),
        ({"Protocol": "HTTPS"}, "A certificate must be specified for HTTPS listeners"),
        ({"Certificates": [{"CertificateArn": "x"}]}, "A certificate cannot be specified for HTTP listeners"),
        ({"SslPolicy": "ELBSecurityPolicy-2016-08"}, "An SSL policy cannot be specified for HTTP listeners"),
    ],
)
def test_what_a_listener_must_and_must_not_name(elb: Any, change: dict[str, Any], text: str) -> None:
    asked = {"Protocol": "HTTP", "Port": 80, "DefaultActions": [FIXED], **change}
    arn = elb.balancer()["LoadBalancerArn"]
    assert elb.refused("CreateListener", LoadBalancerArn=arn, **asked) == ("ValidationError", text)


def test_certificates_must_be_issued_in_the_region(elb: Any) -> None:
    asked = {"LoadBalancerArn": elb.balancer()["LoadBalancerArn"], "Protocol": "HTTPS", "Port": 443}
    asked["DefaultActions"] = [FIXED]
    unknown = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/unknown"
    assert elb.refused("CreateListener", Certificates=[{"CertificateArn": unknown}], **asked) == (
        "CertificateNotFound",
        f"Certificate '{unknown}' not found",
    )
    pending = elb.certificate(2, "PENDING_VALIDATION")
    assert elb.refused("CreateListener", Certificates=[{"CertificateArn": pending}], **asked) == (
        "UnsupportedCertificate",
        f"The certificate '{pending}' must have a fully-qualified domain name, a supported signature, and a"
        " supported key size.",
    )
    elsewhere = unknown.replace("us-east-1", "eu-west-1")
    elb.certificates[elsewhere] = "ISSUED"
    assert elb.refused("CreateListener", Certificates=[{"CertificateArn": elsewhere}], **asked)[0] == (
        "CertificateNotFound"
    )
    two = [{"CertificateArn": elb.certificate(3)}, {"CertificateArn": elb.certificate(4)}]
    assert elb.refused("CreateListener", Certificates=two, **asked)[0] == "ValidationError"


def test_security_policies_that_are_not_there_are_refused(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    asked = {"LoadBalancerArn": arn, "Protocol": "HTTPS", "Port": 443, "DefaultActions": [FIXED]}
    asked["Certificates"] = [{"CertificateArn": elb.certificate(1)}]
    assert elb.refused("CreateListener", SslPolicy="Mine", **asked) == (
        "SSLPolicyNotFound",
        "SSL policy 'Mine' not found",
    )
    fips = "ELBSecurityPolicy-TLS13-1-2-RFC9151-FIPS-2023-07"
    assert elb.refused("CreateListener", SslPolicy=fips, **asked)[0] == "NotImplemented"
    assert elb.refused("CreateListener", AlpnPolicy=["HTTP2Only"], **asked)[0] == "ALPNPolicyNotFound"


def test_leaving_https_drops_certificates_and_policy_and_coming_back_needs_them(elb: Any) -> None:
    arn = secure(elb, elb.balancer())["ListenerArn"]
    plain = elb.call("ModifyListener", ListenerArn=arn, Protocol="HTTP", Port=80)["Listeners"][0]
    assert "Certificates" not in plain
    assert "SslPolicy" not in plain
    assert elb.refused("ModifyListener", ListenerArn=arn, Protocol="HTTPS")[1] == (
        "A certificate must be specified for HTTPS listeners"
    )


def test_a_modified_listener_keeps_what_is_not_named(elb: Any) -> None:
    arn = secure(elb, elb.balancer(), SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")["ListenerArn"]
    elb.call("AddListenerCertificates", ListenerArn=arn, Certificates=[{"CertificateArn": elb.certificate(2)}])
    given = [{"CertificateArn": elb.certificate(3)}]
    changed = elb.call("ModifyListener", ListenerArn=arn, Certificates=given)["Listeners"][0]
    assert changed["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert changed["DefaultActions"] == [FIXED]
    assert elb.call("DescribeListenerCertificates", ListenerArn=arn)["Certificates"] == [
        {"CertificateArn": elb.certificate(3), "IsDefault": True},
        {"CertificateArn": elb.certificate(2), "IsDefault": False},
    ]


def test_the_certificate_list(elb: Any) -> None:
    balancer = elb.balancer()
    arn = secure(elb, balancer)["ListenerArn"]
    first, second = [{"CertificateArn": elb.certificate(1)}], [{"CertificateArn": elb.certificate(2)}]
    for _ in range(2):  # the second time changes nothing
        added = elb.call("AddListenerCertificates", ListenerArn=arn, Certificates=second)
        assert added["Certificates"] == [{"CertificateArn": elb.certificate(2), "IsDefault": False}]
    elb.call("AddListenerCertificates", ListenerArn=arn, Certificates=first)
    shown = elb.call("DescribeListenerCertificates", ListenerArn=arn)["Certificates"]
    assert [(each["CertificateArn"][-1], each["IsDefault"]) for each in shown] == [
        ("1", True),
        ("2", False),
        ("1", False),
    ]
    assert certificates_in_use(snapshot(elb), elb.certificate(2)) == [balancer["LoadBalancerArn"]]
    elb.call("RemoveListenerCertificates", ListenerArn=arn, Certificates=first)
    elb.call("RemoveListenerCertificates", ListenerArn=arn, Certificates=second)
    assert certificates_in_use(snapshot(elb), elb.certificate(2)) == []
    assert elb.refused("RemoveListenerCertificates", ListenerArn=arn, Certificates=first)[0] == (
        "OperationNotPermitted"
    )


def test_the_quotas_of_listeners_and_certificates(small_elb: Any) -> None:
    balancer = small_elb.balancer()
    arn = secure(small_elb, balancer)["ListenerArn"]
    small_elb.listener(balancer, 80)
    asked = {"LoadBalancerArn": balancer["LoadBalancerArn"], "Protocol": "HTTP", "DefaultActions": [FIXED]}
    assert small_elb.refused("CreateListener", Port=81, **asked)[0] == "TooManyListeners"
    for number in (2, 3):
        given = [{"CertificateArn": small_elb.certificate(number)}]
        small_elb.call("AddListenerCertificates", ListenerArn=arn, Certificates=given)
    last = [{"CertificateArn": small_elb.certificate(4)}]
    assert small_elb.refused("AddListenerCertificates", ListenerArn=arn, Certificates=last)[0] == (
        "TooManyCertificates"
    )


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            {"Protocol": "HTTPS", "Port": "443"},
            "The redirect configuration is not valid because it creates a loop.",
        ),
        ({"Query": "a=b"}, "The redirect configuration is not valid because it creates a loop."),
        (
            {"Protocol": "HTTP", "Host": "example.com"},
            "The redirect configuration is not valid because it redirects from HTTPS to HTTP.",
        ),
    ],
)
def test_redirects_that_go_nowhere_are_refused(elb: Any, config: dict[str, str], text: str) -> None:
    actions = [{"Type": "redirect", "RedirectConfig": {**config, "StatusCode": "HTTP_301"}}]
    arn = elb.balancer()["LoadBalancerArn"]
    refused = elb.refused(
        "CreateListener",
        LoadBalancerArn=arn,
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": elb.certificate(1)}],
        DefaultActions=actions,
    )
    assert refused == ("InvalidLoadBalancerAction", text)


def test_describing_needs_a_load_balancer_or_listeners(elb: Any) -> None:
    arn = elb.balancer()["LoadBalancerArn"]
    listener = elb.call("DescribeListeners", LoadBalancerArn=arn)
    assert listener["Listeners"] == []
    assert elb.refused("DescribeListeners") == (
        "ValidationError",
        "You must specify either listener ARNs or a load balancer ARN",
    )
    gone = arn.replace(":loadbalancer/", ":listener/") + "/0123456789abcdef"
    assert elb.refused("DescribeListeners", ListenerArns=[gone]) == (
        "ListenerNotFound",
        "One or more listeners not found",
    )
    assert elb.refused("DeleteListener", ListenerArn=gone) == ("ListenerNotFound", f"Listener '{gone}' not found")


def test_deleting_a_listener_takes_its_rules_along(elb: Any) -> None:
    arn = elb.listener(elb.balancer())["ListenerArn"]
    elb.call("DeleteListener", ListenerArn=arn)
    assert snapshot(elb).list(Listener, ACCOUNT, REGION) == []
    assert snapshot(elb).list(Rule, ACCOUNT, REGION) == []


def test_listener_attributes_depend_on_the_protocol(elb: Any) -> None:
    balancer = elb.balancer()
    plain, safe = elb.listener(balancer)["ListenerArn"], secure(elb, balancer)["ListenerArn"]
    http = {
        each["Key"]: each["Value"] for each in elb.call("DescribeListenerAttributes", ListenerArn=plain)["Attributes"]
    }
    https = {
        each["Key"]: each["Value"] for each in elb.call("DescribeListenerAttributes", ListenerArn=safe)["Attributes"]
    }
    assert http["routing.http.response.server.enabled"] == "true"
    assert http["routing.http.response.x_frame_options.header_value"] == ""
    name = "routing.http.request.x_amzn_tls_version.header_name"
    assert name not in http
    assert https[name] == "X-Amzn-Tls-Version"
    assert elb.refused("ModifyListenerAttributes", ListenerArn=safe, Attributes=[{"Key": name, "Value": "X Tls"}])[
        0
    ] == ("ValidationError")
    wanted = [{"Key": name, "Value": "X-Tls"}]
    assert wanted[0] in elb.call("ModifyListenerAttributes", ListenerArn=safe, Attributes=wanted)["Attributes"]
    assert elb.refused("ModifyListenerAttributes", ListenerArn=plain, Attributes=wanted)[0] == (
        "InvalidConfigurationRequest"
    )
    bad = [{"Key": "routing.http.response.x_frame_options.header_value", "Value": "ALLOW"}]
    assert elb.refused("ModifyListenerAttributes", ListenerArn=safe, Attributes=bad)[0] == "ValidationError"


def test_security_policies_are_awss(elb: Any) -> None:
    names = [each["Name"] for each in elb.call("DescribeSSLPolicies", LoadBalancerType="application")["SslPolicies"]]
    assert len(names) == 39
    found = elb.call("DescribeSSLPolicies", Names=["ELBSecurityPolicy-TLS13-1-2-2021-06"])["SslPolicies"][0]
    assert found["SslProtocols"] == ["TLSv1.2", "TLSv1.3"]
    # The example of `aws elbv2 describe-ssl-policies`.
    assert [cipher["Name"] for cipher in found["Ciphers"]] == [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-RSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES256-SHA384",
        "ECDHE-RSA-AES256-SHA384",
    ]
    assert [cipher["Priority"] for cipher in found["Ciphers"]] == list(range(1, 12))
    assert elb.refused("DescribeSSLPolicies", Names=["x"])[0] == "SSLPolicyNotFound"
    sizes = {each["Name"]: len(each["Ciphers"]) for each in elb.call("DescribeSSLPolicies")["SslPolicies"]}
    assert sizes["ELBSecurityPolicy-2016-08"] == 18
    assert sizes["ELBSecurityPolicy-TLS-1-0-2015-04"] == 19
    assert sizes["ELBSecurityPolicy-TLS-1-2-2017-01"] == 12
    assert sizes["ELBSecurityPolicy-FS-1-2-Res-2020-10"] == 4
    assert sizes["ELBSecurityPolicy-TLS13-1-3-2021-06"] == 3
    # "Ciphers by policy" of the FIPS policies in the guide; "ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04" and so on
    fips = {"1-3": 2, "1-2": 10, "1-2-Res": 6, "1-2-Ext2": 20, "1-2-Ext1": 14, "1-2-Ext0": 14, "1-1": 20, "1-0": 20}
    assert {key: sizes[f"ELBSecurityPolicy-TLS13-{key}-FIPS-2023-04"] for key in fips} == fips
    assert sizes["ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"] == 7
