"""Application Load Balancers as their users see them: boto3 on one side, real requests from the world on the other."""

import json
from collections import Counter

import pytest


def path_is(*patterns):
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(patterns)}}


def seen(answer):
    """What the target saw of the request."""
    return json.loads(answer["body"])


def test_modified_listeners_and_rules_take_effect_on_traffic(site, until):
    listener = site.listen(site.fixed("first"))
    rule = site.rule(listener, 10, [path_is("/ruled/*")], site.fixed("rule one"))
    site.wait_active()
    client = site.client("tokyo")
    assert client.get(f"{site.url}/")["body"] == "first"
    assert client.get(f"{site.url}/ruled/x")["body"] == "rule one"

    site.elb.modify_listener(ListenerArn=listener, DefaultActions=[site.fixed("second", 503)])
    until(lambda: client.get(f"{site.url}/")["body"] == "second", "the modified default action")
    assert client.get(f"{site.url}/")["status"] == 503

    site.elb.modify_rule(RuleArn=rule, Actions=[site.fixed("rule two")])
    until(lambda: client.get(f"{site.url}/ruled/x")["body"] == "rule two", "the modified rule's action")
    site.elb.modify_rule(RuleArn=rule, Conditions=[path_is("/elsewhere")])
    until(lambda: client.get(f"{site.url}/elsewhere")["body"] == "rule two", "the modified condition")
    assert client.get(f"{site.url}/ruled/x")["body"] == "second"

    earlier = site.rule(listener, 20, [path_is("/*")], site.fixed("later rule"))
    site.elb.set_rule_priorities(RulePriorities=[{"RuleArn": earlier, "Priority": 5}])
    until(lambda: client.get(f"{site.url}/elsewhere")["body"] == "later rule", "the rule that is now first")
    site.elb.delete_rule(RuleArn=earlier)
    until(lambda: client.get(f"{site.url}/elsewhere")["body"] == "rule two", "the rule behind the deleted one")

    # a security group lets 80 and 443 in: the listener moves there and is gone from where it was
    site.elb.modify_listener(ListenerArn=listener, Port=443)
    until(lambda: client.status(f"{site.url}:443/") == 503, "the listener on its new port")
    until(lambda: "error" in client.get(f"{site.url}/"), "nothing on the old port")


def test_weights_hold_at_creation_and_when_changed(site, until):
    one, two = site.target("one", 80), site.target("two", 80, zone=1)
    first, second = site.group((one, 80)), site.group((two, 80))
    listener = site.listen(site.forward((first, 3), (second, 1)))
    site.wait_active()
    site.wait_healthy(first, second)
    client = site.client()
    count = Counter(client.names(f"{site.url}/", 200))
    # 150 expected of 200, standard deviation 6.1: five of them either way
    assert sum(count.values()) == count["one"] + count["two"] == 200
    assert 119 <= count["one"] <= 181

    site.elb.modify_listener(ListenerArn=listener, DefaultActions=[site.forward((first, 0), (second, 1))])
    until(lambda: set(client.names(f"{site.url}/", 10)) == {"two"}, "the new weights")
    assert set(client.names(f"{site.url}/", 40)) == {"two"}
    site.elb.modify_listener(ListenerArn=listener, DefaultActions=[site.forward((first, 1), (second, 1))])
    until(lambda: "one" in client.names(f"{site.url}/", 10), "the first group again")
    count = Counter(client.names(f"{site.url}/", 200))
    # 100 expected, standard deviation 7.1
    assert 64 <= count["one"] <= 136


def test_a_target_deregistered_with_requests_in_flight_loses_none(site, until):
    leaving, staying = site.target("leaving", 80), site.target("staying", 80)
    group = site.group((leaving, 80), (staying, 80), delay=60)  # three seconds of ours
    site.listen(site.forward(group))
    site.wait_active()
    site.wait_healthy(group)
    # one client holds slow requests, a dozen so that either target has some, another one a steady stream of quick ones
    slow, steady, client = site.client(), site.client("london"), site.client("tokyo")
    steady.tell({"stream": f"{site.url}/", "threads": 4})
    until(lambda: {target(each) for each in steady.tell({"seen": True})} >= {"leaving", "staying"}, "both targets seen")
    slow.tell({"stream": f"{site.url}/slow/2", "threads": 12, "once": True})
    leaving.hear_until("entered")

    site.deregister(group, (leaving, 80))
    assert site.states(group)[leaving.address, 80] == "draining"
    shown = site.health(group)[leaving.address, 80]
    assert shown["Reason"] == "Target.DeregistrationInProgress"
    assert shown["Description"] == "Target deregistration is in progress"
    until(lambda: set(client.names(f"{site.url}/", 10)) == {"staying"}, "new requests elsewhere")
    assert site.states(group)[leaving.address, 80] == "draining"
    finished = Counter(map(target, slow.tell({"stop": True})))
    assert finished["leaving"] > 0
    assert sum(finished.values()) == finished["leaving"] + finished["staying"] == 12
    until(lambda: (leaving.address, 80) not in site.states(group), "the target gone", 10)
    answers = steady.tell({"stop": True})
    assert len(answers) > 100
    assert Counter(map(target, answers)).keys() == {"leaving", "staying"}


def target(answer):
    return seen(answer)["name"] if answer.get("status") == 200 else answer.get("status") or answer["error"]


def test_dead_targets_turn_unhealthy_by_aws_reasons_and_recover(site, until):
    """Three ways to die: the port is closed, the answer is wrong, the machine is gone."""
    closed, wrong, living = site.target("closed", 80), site.target("wrong", 80), site.target("living", 80)
    gone = site.target("gone", 80)
    group = site.group((closed, 80), (wrong, 80), (living, 80), (gone, 80), HealthCheckPath="/health")
    site.listen(site.forward(group))
    assert {each["State"] for each in site.health(group).values()} <= {"initial", "unused", "healthy"}
    site.wait_active()
    site.wait_healthy(group)
    client = site.client()
    assert set(client.names(f"{site.url}/", 40)) == {"closed", "wrong", "living", "gone"}

    closed.do("close 80")
    wrong.do("health 503")
    gone.end()
    ill = {each.address for each in (closed, wrong, gone)}
    until(lambda: unhealthy(site.health(group)) == ill, lambda: f"ill ones: {site.health(group)}")
    health = {key[0]: each for key, each in site.health(group).items()}
    assert health[closed.address] == {
        "State": "unhealthy", "Reason": "Target.FailedHealthChecks", "Description": "Health checks failed",
    }  # fmt: skip
    assert health[wrong.address] == {
        "State": "unhealthy",
        "Reason": "Target.ResponseCodeMismatch",
        "Description": "Health checks failed with these codes: [503]",
    }
    assert health[gone.address] == {
        "State": "unhealthy", "Reason": "Target.Timeout", "Description": "Request timed out",
    }  # fmt: skip
    assert health[living.address] == {"State": "healthy"}
    until(lambda: set(client.names(f"{site.url}/", 10)) == {"living"}, "traffic to the living one only")

    closed.do("open 80")
    wrong.do("health 200")
    until(lambda: Counter(site.states(group).values()) == {"healthy": 3, "unhealthy": 1}, "two recovered")
    until(lambda: set(client.names(f"{site.url}/", 30)) == {"closed", "wrong", "living"}, "their traffic")


def unhealthy(health):
    return {key[0] for key, each in health.items() if each["State"] == "unhealthy"}


def test_two_targets_on_one_address_with_different_ports(site, until):
    both = site.target("both", 8080, 8081)
    group = site.group((both, 8080), (both, 8081))
    site.listen(site.forward(group))
    site.wait_active()
    site.wait_healthy(group)
    client = site.client()

    def ports():
        return Counter(seen(each)["port"] for each in client.tell({"url": f"{site.url}/", "times": 20}))

    counted = ports()  # round robin, at each node for itself
    assert counted.keys() == {8080, 8081}
    assert abs(counted[8080] - counted[8081]) <= 6
    both.do("close 8081")
    until(lambda: site.states(group) == {(both.address, 8080): "healthy", (both.address, 8081): "unhealthy"}, "one ill")
    until(lambda: ports() == {8080: 20}, "traffic to the other port only")
    site.deregister(group, (both, 8081))
    assert site.states(group)[both.address, 8080] == "healthy"


def test_a_listener_chooses_among_three_certificates_by_sni(site, kunren, account, until):
    acm, route53 = kunren.client("acm", account), kunren.client("route53", account)
    label = f"t{account}"
    zone = route53.create_hosted_zone(Name=f"{label}.test", CallerReference=label)["HostedZone"]["Id"]
    first = requested(acm, route53, zone, f"{label}.test")
    second = requested(acm, route53, zone, f"*.wild.{label}.test")
    certificate, key = self_signed("imported.example")
    third = acm.import_certificate(Certificate=certificate, PrivateKey=key)["CertificateArn"]
    listener = site.listen(site.fixed("secure"), port=443, Protocol="HTTPS", Certificates=[{"CertificateArn": first}])
    site.elb.add_listener_certificates(
        ListenerArn=listener, Certificates=[{"CertificateArn": second}, {"CertificateArn": third}]
    )
    site.wait_active()
    client, url = site.client("frankfurt"), f"https://{site.name}/"

    def chosen(name):
        answer = client.get(url, name=name, verify=False)
        return names_of(answer["certificate"]) if "certificate" in answer else answer["error"]

    until(lambda: chosen("imported.example") == ["imported.example"], "the third certificate")
    assert chosen(f"{label}.test") == [f"{label}.test"]
    assert chosen(f"a.wild.{label}.test") == [f"*.wild.{label}.test"]
    assert chosen(f"a.b.wild.{label}.test") == [f"{label}.test"]  # a wildcard stands for one label: the default one
    assert chosen("unknown.example") == [f"{label}.test"]
    # those that ACM issued verify against the world's trust store, the self-signed one does not
    assert client.get(url, name=f"{label}.test")["body"] == "secure"
    assert client.get(url, name=f"a.wild.{label}.test")["body"] == "secure"
    assert "CERTIFICATE_VERIFY_FAILED" in client.get(url, name="imported.example")["error"]

    in_use = [
        acm.describe_certificate(CertificateArn=each)["Certificate"]["InUseBy"] for each in (first, second, third)
    ]
    assert in_use == [[site.arn]] * 3
    with pytest.raises(acm.exceptions.ResourceInUseException):
        acm.delete_certificate(CertificateArn=third)
    site.elb.remove_listener_certificates(ListenerArn=listener, Certificates=[{"CertificateArn": third}])
    until(lambda: chosen("imported.example") == [f"{label}.test"], "the default certificate again")
    acm.delete_certificate(CertificateArn=third)


def requested(acm, route53, zone, name):
    """The ARN of a certificate that ACM issued after DNS validation."""
    arn = acm.request_certificate(DomainName=name, ValidationMethod="DNS", KeyAlgorithm="EC_prime256v1")
    arn = arn["CertificateArn"]
    record = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"][0]["ResourceRecord"]
    change = {
        "Action": "UPSERT",
        "ResourceRecordSet": {
            "Name": record["Name"], "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": record["Value"]}],
        },
    }  # fmt: skip
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return arn


def self_signed(name):
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=300))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    return certificate.public_bytes(pem), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)


def names_of(pem):
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


def test_every_kind_of_condition_over_real_traffic(site, until):
    listener = site.listen(site.fixed("unknown", 404))
    tokyo, london = site.client("tokyo"), site.client("london")
    london_address = london.get_address()
    conditions = {
        "host": {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.shop.test", "exact.test"]}},
        "path": path_is("/img/*.png", "/on?"),
        "header": {
            "Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Version", "Values": ["v2*", "beta"]},
        },
        "method": {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["DELETE", "PUT"]}},
        "query": {
            "Field": "query-string",
            "QueryStringConfig": {"Values": [{"Key": "lang", "Value": "j?"}, {"Value": "debug*"}]},
        },
        "source-ip": {"Field": "source-ip", "SourceIpConfig": {"Values": [f"{london_address}/32"]}},
    }  # fmt: skip
    for priority, (name, condition) in enumerate(conditions.items(), 1):
        if name == "source-ip":
            priority = 50
        site.rule(listener, priority, [condition], site.fixed(name))
    site.rule(listener, 20, [path_is("/both"), conditions["source-ip"]], site.fixed("both"))
    site.wait_active()
    url = site.url

    def answer(client=tokyo, path="/", **options):
        got = client.get(url + path, **options)
        return got.get("body", got.get("error"))

    until(lambda: answer(london, "/both") == "both", "the last rule")
    assert answer(headers={"Host": "a.shop.test"}) == "host"
    assert answer(headers={"Host": "A.B.SHOP.TEST"}) == "host"
    assert answer(headers={"Host": "exact.test:80"}) == "host"
    assert answer(headers={"Host": "shop.test"}) == "unknown"
    assert answer(headers={"Host": "not-exact.test"}) == "unknown"
    assert answer(path="/img/a/b.png") == "path"
    assert answer(path="/one") == "path"
    assert answer(path="/img/a.PNG") == "unknown"  # paths are case-sensitive
    assert answer(path="/ones") == "unknown"
    assert answer(headers={"X-Version": "v2.7"}) == "header"
    assert answer(headers={"x-version": "BETA"}) == "header"
    assert answer(headers={"X-Version": "v1"}) == "unknown"
    assert answer(method="DELETE") == "method"
    assert answer(method="PUT", body="x") == "method"
    assert answer(method="POST", body="x") == "unknown"
    assert answer(path="/?a=b&lang=ja") == "query"
    assert answer(path="/?x=debugging") == "query"
    assert answer(path="/?lang=jap") == "unknown"
    assert answer(london) == "source-ip"
    assert answer(tokyo, "/both") == "unknown"
    assert tokyo.status(f"{url}/", headers={"Host": "nobody.test"}) == 404


def test_a_security_group_closes_a_port_and_opens_it_again(site, until):
    target = site.target("behind", 80)
    group = site.group((target, 80))
    site.listen(site.forward(group))
    site.wait_active()
    site.wait_healthy(group)
    client = site.client()
    assert client.names(f"{site.url}/", 1) == ["behind"]

    rule = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    site.ec2.revoke_security_group_ingress(GroupId=site.front, IpPermissions=rule)
    # dropped, as AWS drops: no refusal but silence
    until(lambda: "TimeoutError" in client.get(f"{site.url}/", timeout=0.3).get("error", ""), "the closed port")
    site.ec2.authorize_security_group_ingress(GroupId=site.front, IpPermissions=rule)
    until(lambda: client.names(f"{site.url}/", 1, timeout=1) == ["behind"], "the opened port")

    # behind the load balancer: its probes do not get through, so the target turns unhealthy
    inner = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 65535, "UserIdGroupPairs": [{"GroupId": site.front}]}]
    site.ec2.revoke_security_group_ingress(GroupId=site.back, IpPermissions=inner)
    until(lambda: site.states(group) == {(target.address, 80): "unhealthy"}, "an unhealthy target")
    assert site.health(group)[target.address, 80]["Reason"] == "Target.Timeout"
    site.ec2.authorize_security_group_ingress(GroupId=site.back, IpPermissions=inner)
    site.wait_healthy(group)
    until(lambda: client.names(f"{site.url}/", 1) == ["behind"], "traffic again")


def test_a_target_sees_who_asked_and_how(site):
    target = site.target("mirror", 80)
    group = site.group((target, 80))
    site.listen(site.forward(group))
    site.wait_active()
    site.wait_healthy(group)
    client = site.client("sydney")
    address = client.get_address()
    told = {"Host": "who.test", "X-Custom": "kept", "X-Forwarded-For": "203.0.113.7"}
    got = seen(client.get(f"{site.url}/a/b?c=d&c=e", headers=told, method="POST", body="hello"))
    headers = dict(got["headers"])
    assert (got["method"], got["path"]) == ("POST", "/a/b?c=d&c=e")
    assert headers["host"] == "who.test"
    assert headers["x-custom"] == "kept"
    assert headers["x-forwarded-for"] == f"203.0.113.7, {address}"  # appended to what was there
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == "80"
    assert headers["x-amzn-trace-id"].startswith("Root=1-")
    assert not [name for name in headers if name.startswith(("x-kunren", "x-envoy", "x-request-id"))]
    # it sees the load balancer's node as its peer, which is an interface on its VPC
    peers = [
        each["PrivateIpAddress"]
        for each in site.ec2.describe_network_interfaces(
            Filters=[{"Name": "description", "Values": ["ELB app/web/*"]}]
        )["NetworkInterfaces"]
    ]
    assert got["peer"] in peers
    plain = dict(seen(client.get(f"{site.url}/"))["headers"])
    assert plain["x-forwarded-for"] == address


def test_502_from_a_target_that_refuses_and_503_without_targets(site, until):
    empty = site.group()
    listener = site.listen(site.forward(empty))
    site.wait_active()
    client = site.client()
    got = client.get(f"{site.url}/")
    assert got["status"] == 503
    assert got["headers"]["server"] == "awselb/2.0"
    assert "<center><h1>503 Service Temporarily Unavailable</h1></center>" in got["body"]

    # every target unhealthy: the group fails open, so the request is tried and refused
    target = site.target("shut", 80)
    target.do("close 80")
    refusing = site.group((target, 80))
    site.elb.modify_listener(ListenerArn=listener, DefaultActions=[site.forward(refusing)])
    until(lambda: site.states(refusing) == {(target.address, 80): "unhealthy"}, "an unhealthy target")
    got = client.get(f"{site.url}/")
    assert got["status"] == 502
    assert got["headers"]["server"] == "awselb/2.0"
    assert "<center><h1>502 Bad Gateway</h1></center>" in got["body"]
    target.do("open 80")
    until(lambda: client.names(f"{site.url}/", 1) == ["shut"], "the target's answer")


def test_the_name_resolves_to_one_node_in_each_zone_and_each_answers(site, kunren):
    site.listen(site.fixed("node"))
    site.wait_active()
    addresses = kunren.exec("dig", "+short", site.name, place="tokyo").stdout.split()
    assert len(set(addresses)) == 2
    client = site.client()
    for address in addresses:
        assert client.get(f"http://{address}/")["body"] == "node"
