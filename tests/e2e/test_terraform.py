"""Configurations as users write them (`terraform/*.tf`), with Terraform unmodified: apply, traffic, empty plan, change,
traffic, empty plan, destroy, and again on the same Terraform state and the same Kunren.

Terraform's AWS provider reads the endpoint from the environment, as the AWS CLI does. Runs where `terraform` is found
with a local mirror of that provider (`terraforming.provider_mirror` says where it looks): it is too large to be
downloaded by a test. KUNREN_TERRAFORM_CASES="site names" runs these alone.
"""

import json
from pathlib import Path

import pytest
from changing import deploys, fleet, services
from fronts import accelerator, distribution, http_api
from hosts import machines, tasks
from serverless import functions, rest_api, stacks
from terraforming import Case, nothing_left, packed, provider_mirror


def site(case: Case) -> None:
    """A site behind an Application Load Balancer, with its names and its certificate."""
    domain, configuration = case.domain, case.configuration("application", domain=case.domain)

    def asked(path: str = "/", *options: str) -> str:
        show = ("-o", "-", "-w", " %{http_code} %{redirect_url} %{ssl_verify_result}")
        return case.curl(*show, *options, f"https://{domain}{path}", place="london")

    name = configuration.apply()["balancer"]
    assert asked() == "first 200  0"
    assert asked("/color").endswith("503  0")  # no targets yet
    assert '{"maintenance": true} 503' in asked("/?maintenance=yes", "-H", "X-Team: ops-1")
    plain = case.curl("-I", f"http://{domain}/page?a=b").lower()
    assert plain.startswith("http/1.1 301")
    assert f"location: https://{domain}:443/page?a=b" in plain
    old = case.curl("-I", f"https://old.{domain}/page?a=b").lower()
    assert old.startswith(("http/1.1 302", "http/2 302"))
    assert "location: https://new.test:443/page?a=b" in old

    assert configuration.apply(body="second", blue_weight="50")["balancer"] == name
    case.until(lambda: asked() == "second 200  0", "the changed answer", 20)
    configuration.adopt("aws_lb.main", "aws_lb_listener.https", 'aws_lb_target_group.color["blue"]', "aws_security_group.front",
                        "aws_route53_zone.main", 'aws_route53_record.site["old."]', "aws_lb_listener_rule.old")  # fmt: skip
    configuration.destroy()
    assert nothing_left(case)

    configuration.apply(planned=False, body="third")
    case.until(lambda: asked() == "third 200  0", "the site once more", 20)
    configuration.destroy()
    assert nothing_left(case)


def names(case: Case) -> None:
    """Public and private zones with every common record, weights, a delegation."""
    domain, configuration = case.domain, case.configuration("names", domain=case.domain)
    for address, changes in (("198.19.0.10", True), ("198.19.0.30", False)):
        server = configuration.apply(planned=changes, address=address)["name_servers"][0]

        def asked(name: str, kind: str, server: str = server) -> list[str]:
            return case.dig(f"@{server}", "+norecurse", name, kind, place="london")

        assert asked(f"www.{domain}", "A") == sorted([address, "198.19.0.11"])
        assert asked(f"mail.{domain}", "MX") == [f"10 mx1.{domain}.", f"20 mx2.{domain}."]
        assert asked(f"caa.{domain}", "CAA") == ['0 issue "ca.test"']
        assert case.dig(f"www.below.{domain}") == [address]  # through the delegation
        assert case.dig("db.internal.test") == []  # private zones are unseen here
        if changes:
            configuration.apply(address="198.19.0.20")
            case.until(lambda: "198.19.0.20" in asked(f"www.{domain}", "A"), "the changed record", 20)
        configuration.destroy()
        assert nothing_left(case)


def network(case: Case) -> None:
    """A VPC with subnets, a NAT gateway, a network ACL, endpoints, a peer."""
    configuration = case.configuration("network")
    made = configuration.apply()
    assert made["account"] == case.account
    _carries_traffic(case, made)
    configuration.apply(open_port="9090")
    _carries_traffic(case, made, port=9090)
    configuration.adopt(
        "aws_vpc.main", "aws_subnet.public[0]", "aws_internet_gateway.main", "aws_nat_gateway.main", "aws_eip.nat",
        "aws_route_table.private", "aws_route.internet", "aws_security_group.web", "aws_network_acl.private",
        "aws_vpc_security_group_ingress_rule.web", "aws_vpc_endpoint.sqs", "aws_vpc_peering_connection.peer", "aws_ec2_managed_prefix_list.offices",
        aws_route="{route_table_id}_{destination_cidr_block}",
    )  # fmt: skip
    configuration.destroy()
    assert nothing_left(case)
    _carries_traffic(case, configuration.apply(planned=False), port=9090)
    configuration.destroy()
    assert nothing_left(case)


def dualstack(case: Case) -> None:
    """A VPC with IPv6: in by a dual-stack load balancer, out by an egress-only internet gateway. (Once alone: what is
    applied a second time is what the others apply.)"""
    configuration = case.configuration("dualstack", domain=case.domain)
    made = configuration.apply()

    def asked(version: str) -> str:
        return case.curl(version, f"http://{case.domain}/", check=False)

    case.until(lambda: (asked("-4"), asked("-6")) == ("first", "first"), "the site over both", 30)
    assert all(each.startswith(made["block"].removesuffix("00::/56")) for each in case.dig(case.domain, "AAAA"))
    private = ("exec", "--subnet", made["private_subnet"], "--security-group", made["group"], "--")
    code = ("curl", "-6", "-s", "--max-time", "10", f"http://{case.domain}/")
    assert case.kunren.run(*private, *code).stdout == "first"
    configuration.apply(body="second")
    case.until(lambda: asked("-6") == "second", "the changed answer", 20)
    configuration.adopt(
        "aws_vpc.main", "aws_subnet.public[0]", "aws_egress_only_internet_gateway.main", "aws_route.out", "aws_lb.main",
        "aws_lb_target_group.six", "aws_network_acl.private", 'aws_route53_record.site["AAAA"]',
        "aws_vpc_security_group_ingress_rule.again", "aws_network_interface.spare",
        aws_route="{route_table_id}_{destination_ipv6_cidr_block}",
    )  # fmt: skip
    configuration.destroy()
    assert nothing_left(case)


def _carries_traffic(case: Case, made: dict, port: int = 8080) -> None:
    """In through the internet gateway at that port alone, out through the NAT gateway, to SQS by its endpoint."""
    web = case.running.target(case.kunren, "web", (8080, 9090), made["public_subnet"], made["security_group"])
    outside = case.running.target(case.kunren, "outside", (80,), made["open_subnet"], made["open_group"])

    def code(port: int) -> str:
        curl = ("--max-time", "2", "-o", "/dev/null", "-w", "%{http_code}")
        return case.curl(*curl, f"http://{web.public_address}:{port}/", check=False)

    case.until(lambda: code(port) == "200", "the open port", 30)
    assert code(8080 + 9090 - port) == "000"
    command = ("exec", "--subnet", made["private_subnet"], "--security-group", made["security_group"], "--")
    curl = ("curl", "-s", "--max-time", "10", f"http://{outside.public_address}/")
    assert json.loads(case.kunren.run(*command, *curl).stdout)["peer"] == made["nat_address"]
    names = case.kunren.run(*command, "dig", "+short", "sqs.us-east-1.amazonaws.com").stdout.split()
    assert sorted(name.rpartition(".")[0] for name in names) == ["10.30.10", "10.30.11"]  # the endpoint's own addresses
    for each in (web, outside):
        assert each.end() is not None


def streams(case: Case) -> None:
    """A Network Load Balancer with TCP, UDP and TLS, one address per zone."""
    configuration = case.configuration("streams")
    _balances(case, configuration.apply(), 7000)
    made = configuration.apply(listener_port="7002", preserve="true")
    _balances(case, made, 7002, closed=7000, preserved=True)
    configuration.destroy()
    assert nothing_left(case)
    _balances(case, configuration.apply(planned=False, listener_port="7000", preserve="false"), 7000)
    configuration.destroy()
    assert nothing_left(case)


def _balances(case: Case, made: dict, port: int, closed: int | None = None, preserved: bool = False) -> None:
    where = ("--subnet", made["subnet"], "--security-group", made["security_group"], "--address", "10.50.0.100")
    one = case.running.program(case.kunren, "flow_target.py", "one", "9000", "9001", "9002", where=where)
    one.hear_until("ready")
    client = case.running.program(case.kunren, "flow_client.py", where=("--from", "tokyo"))

    def told(**wanted: object) -> dict:
        client.say(json.dumps(wanted))
        return json.loads(client.hear())

    elb = case.client("elbv2")
    groups = {each["TargetGroupName"]: each for each in elb.describe_target_groups()["TargetGroups"]}

    def healthy(group: str) -> bool:
        shown = elb.describe_target_health(TargetGroupArn=groups[group]["TargetGroupArn"])["TargetHealthDescriptions"]
        return [each["TargetHealth"]["State"] for each in shown] == ["healthy"]

    case.until(lambda: healthy("streams-tcp") and healthy("streams-udp"), "healthy targets", 60)
    assert case.dig(made["balancer"]) == sorted(made["addresses"])
    own = told(address=True)["said"]
    case.until(lambda: told(open=[made["balancer"], port]).get("said", [""])[0] == "one", "the listener", 20)
    if preserved:
        case.until(lambda: told(open=[made["balancer"], port]).get("said") == ["one", own], "the client's address", 20)
    for address in made["addresses"]:  # both zones, one target
        assert told(open=[address, port])["said"][0] == "one"
    assert told(datagrams=[made["balancer"], 7001])["said"] == [["one", own]]
    if closed:
        assert told(open=[made["balancer"], closed], timeout=0.3) == {"error": "TimeoutError"}
    for each in (one, client):
        assert each.end() is not None


def failover(case: Case) -> None:
    """Health checks of every kind; a primary whose health two of three make, and a secondary for when it takes three."""
    app, configuration = f"app.{case.domain}", case.configuration("failover", domain=case.domain)
    route53 = case.client("route53")
    configuration.apply(threshold="2")
    case.until(lambda: case.dig(app) == ["198.19.0.10"], "the primary", 30)
    configuration.apply(threshold="3")
    case.until(lambda: case.dig(app) == ["198.19.0.20"], "the secondary", 60)
    checks = ("dead", "primary", "alarm")
    configuration.adopt(*(f"aws_route53_health_check.{each}" for each in checks))
    configuration.destroy()
    assert route53.list_health_checks()["HealthChecks"] == []
    assert nothing_left(case)

    configuration.apply(planned=False)
    case.until(lambda: case.dig(app) == ["198.19.0.20"], "the secondary once more", 60)
    configuration.destroy()
    assert nothing_left(case)


def policies(case: Case) -> None:
    """Every routing policy, a CIDR collection, a traffic policy with an instance, and query logs."""
    configuration, domain = case.configuration("policies", domain=case.domain), case.domain

    def asked(name: str, place: str) -> list[str]:
        return [each.rpartition(".")[2] for each in case.dig(f"{name}.{domain}", place=place)]

    configuration.apply()
    for name, tokyo, london in (
        ("latency", "13", "12"), ("geo", "13", "11"), ("near", "13", "12"), ("office", "13", "11"), ("flow", "12", "12"),
    ):  # fmt: skip
        assert (asked(name, "tokyo"), asked(name, "london")) == ([tokyo], [london]), name
    assert asked("several", "london") == ["20", "21", "22"]
    events = case.client("logs").filter_log_events(logGroupName=f"/aws/route53/{domain}")["events"]
    assert any(f" geo.{domain} A NOERROR UDP LHR1 198.18.0.2 198.18.67.0/24" in each["message"] for each in events)
    configuration.apply(europe="198.19.0.14")
    for name in ("latency", "near"):
        case.until(lambda name=name: asked(name, "london") == ["14"], "the changed address", 30)
    configuration.adopt(
        'aws_route53_record.latency["eu-west-2"]', "aws_route53_traffic_policy_instance.flow", "aws_route53_query_log.main",
        "aws_route53_cidr_collection.offices",
    )  # fmt: skip
    configuration.destroy()
    assert case.client("route53").list_cidr_collections()["CidrCollections"] == []
    assert nothing_left(case)


def pieces(case: Case) -> None:
    """Single pieces of networks, and a service that another account reaches by PrivateLink."""
    consumer = str(int(case.account) + 1)
    configuration = case.configuration("pieces", domain=case.domain, consumer=consumer)
    made = configuration.apply()
    assert made["seen"] == {
        "vpcs": 3, "subnets": 2, "tables": 2, "acls": 2, "groups": 2, "rules": 2, "nats": 2, "addresses": 3,
        "peerings": 1, "entries": 2, "pools": 0, "route": True, "s3": True, "pair": ["10.80.1.20", "10.80.1.21"],
        "owner": case.account,
    }  # fmt: skip
    assert made["nat_addresses"] == 1
    assert case.dig("-x", made["mail_address"]) == [f"mail.{case.domain}."]
    _serves(case, made)
    assert configuration.apply(secondary="false")["nat_addresses"] == 0
    configuration.destroy()
    _serves(case, configuration.apply(planned=False, secondary="true"))
    configuration.destroy()
    assert nothing_left(case)
    assert case.client("ec2").describe_vpc_endpoint_service_configurations()["ServiceConfigurations"] == []
    assert len(case.kunren.client("ec2", consumer).describe_vpcs()["Vpcs"]) == 1


def _serves(case: Case, made: dict) -> None:
    """The consumer's subnet reaches the provider's target by the service's private name."""
    where = ("--subnet", made["provider_subnet"], "--security-group", made["provider_group"], "--address", "10.80.1.50")
    target = case.running.program(case.kunren, "target.py", "served", "8080", where=where)
    target.hear_until("ready")
    elb = case.client("elbv2")
    group = elb.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]

    def health() -> list[str]:
        shown = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [each["TargetHealth"]["State"] for each in shown]

    case.until(lambda: health() == ["healthy"], "a healthy target", 60)
    command = ("exec", "--subnet", made["consumer_subnet"], "--security-group", made["consumer_group"], "--")
    curl = ("curl", "-s", "--max-time", "10", f"http://api.{case.domain}/")
    assert json.loads(case.kunren.run(*command, *curl).stdout)["name"] == "served"
    assert target.end() is not None


SAYS = """
import os
def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": os.environ["GREETING"]}
"""


def estate(case: Case) -> None:
    """What teams build from modules: three zones with a NAT gateway each, sites, balancers, a function."""
    domains = [f"{name}.{case.domain}" for name in ("alpha", "beta")]
    configuration = case.configuration("estate", domains=json.dumps(domains))
    packed(configuration, "app.zip", "app.py", SAYS)
    made = configuration.apply()
    configuration.run("apply", "-refresh-only", "-auto-approve")  # what only then is known: rules of groups, say
    assert "No changes." in configuration.run("plan", "-refresh-only")
    for domain in domains:
        for name in (domain, f"www.{domain}"):  # each with a certificate of its own, by SNI
            assert case.curl("-L", f"http://{name}/") == "hello"
        assert (
            case.curl("-o", "/dev/null", "-w", "%{redirect_url}", f"https://{domain}/old/x")
            == f"https://{domain}:443/new"
        )
        assert case.dig(f"weighted.{domain}", "TXT") == ['"blue"']
        assert case.dig(domain, "MX") == []
        assert case.dig(f"mail.{domain}", "MX") == [f"10 mx.{domain}."]
    assert case.curl(made["function_url"]) == "hello"
    elb = case.client("elbv2")
    by_name = {each["TargetGroupName"]: each["TargetGroupArn"] for each in elb.describe_target_groups()["TargetGroups"]}

    def health() -> list[str]:
        shown = elb.describe_target_health(TargetGroupArn=by_name["estate-entry-front"])["TargetHealthDescriptions"]
        return [each["TargetHealth"]["State"] for each in shown]

    case.until(lambda: health() == ["healthy"], "the one load balancer healthy behind the other", 60)
    curl = ("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "-H", f"Host: {domains[0]}")
    assert case.curl(*curl, f"http://{made['entry']}/") == f"301 https://{domains[0]}:443/"
    command = ("exec", "--subnet", made["private_subnet"], "--security-group", made["group"], "--")
    assert case.kunren.run(*command, "curl", "-sSL", "--max-time", "10", f"http://{domains[1]}/").stdout == "hello"
    inside = case.kunren.run(*command, "dig", "+short", "front.estate.internal", "CNAME").stdout
    assert inside.lower() == f"{made['front'].lower()}.\n"
    assert len(set(made["nat_public_ips"])) == 3
    shown = case.client("ec2").describe_subnets(Filters=[{"Name": "tag:ManagedBy", "Values": ["terraform"]}])
    assert len(shown["Subnets"]) == 9  # the provider's default tags are on all

    configuration.apply(greeting="good day", moved='{"old": "/newer", "older": "/newer"}')
    for domain in domains:
        case.until(lambda domain=domain: case.curl(f"https://{domain}/") == "good day", "the new version", 20)
        for path in ("old", "older"):
            shown = case.curl("-o", "/dev/null", "-w", "%{redirect_url}", f"https://{domain}/{path}")
            assert shown == f"https://{domain}:443/newer"
    configuration.destroy()
    assert nothing_left(case)
    configuration.apply(planned=False, greeting="again")
    case.until(lambda: case.curl(f"https://{domains[1]}/") == "again", "the estate once more", 20)
    configuration.destroy()
    assert nothing_left(case)


def surroundings(case: Case) -> None:
    """What stands around a load balancer, most of it answered by moto: no plan finds a difference."""
    configuration = case.configuration("surroundings")
    for retries in ("3", "5"):
        made = configuration.apply(retries=retries)
        listed = case.client("s3").list_objects_v2(Bucket=made["bucket"])["Contents"]
        assert [each["Key"] for each in listed] == [f"alb/AWSLogs/{case.account}/ELBAccessLogTestFile"]
        case.client("sns").publish(TopicArn=made["topic"], Message=f"alert {retries}")
        (received,) = case.client("sqs").receive_message(QueueUrl=made["queue"], WaitTimeSeconds=10)["Messages"]
        assert received["Body"] == f"alert {retries}"
        case.client("sqs").delete_message(QueueUrl=made["queue"], ReceiptHandle=received["ReceiptHandle"])
    configuration.destroy()
    assert nothing_left(case)
    configuration.apply(planned=False)
    configuration.destroy()
    assert nothing_left(case)


def experiments(case: Case) -> None:
    """An experiment template, run and stopped midway."""
    configuration, fis, ec2 = case.configuration("experiments"), case.client("fis"), case.client("ec2")

    def running(made: dict) -> str:
        token = made["template"] + str(len(fis.list_experiments()["experiments"]))
        id = fis.start_experiment(clientToken=token, experimentTemplateId=made["template"])["experiment"]["id"]
        case.until(lambda: state(id, "cut") == "running", "the action", 20)
        return id

    def state(id: str, action: str) -> str:
        shown = fis.get_experiment(id=id)["experiment"]
        return shown["actions"][action]["state"]["status"] if action in shown.get("actions", {}) else ""

    made = configuration.apply()
    id = running(made)
    managed = [{"Name": "tag:managedByFIS", "Values": ["true"]}]
    (acl,) = ec2.describe_network_acls(Filters=managed)["NetworkAcls"]
    assert [each["SubnetId"] for each in acl["Associations"]] == [made["subnet"]]
    fis.stop_experiment(id=id)
    case.until(lambda: state(id, "cut") == "stopped", "the end", 20)
    assert ec2.describe_network_acls(Filters=managed)["NetworkAcls"] == []
    assert configuration.apply(duration="PT2M")["template"] == made["template"]
    id = running(made)
    case.until(lambda: state(id, "recover") == "completed", "the end", 60)
    configuration.adopt("aws_fis_experiment_template.cut", "aws_cloudwatch_log_group.fis")
    configuration.destroy()
    assert fis.list_experiment_templates()["experimentTemplates"] == []
    configuration.apply(planned=False)
    configuration.destroy()
    assert fis.list_experiment_templates()["experimentTemplates"] == []


def websites(case: Case) -> None:
    """Buckets whose websites redirect, and their names."""
    domain, configuration = case.domain, case.configuration("websites", domain=case.domain)

    def asked(host: str) -> str:
        return case.curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", f"http://{host}")

    def serves(moved_to: str) -> None:
        wanted = f"301 https://{moved_to}/a/b?c=1"
        case.until(lambda: asked(f"all.{domain}/a/b?c=1") == wanted, "the website", 30)
        assert asked(f"page.{domain}/docs/x") == f"302 https://{moved_to}/documents/x"
        assert asked(f"page.{domain}/else") == f"301 https://{moved_to}:8443/two?campaign=spring"

    assert configuration.apply()["endpoint"] == f"all.{domain}.s3-website-us-east-1.amazonaws.com"
    serves("new.test")
    configuration.apply(moved_to="newer.test")
    serves("newer.test")
    configuration.adopt(
        "aws_s3_bucket_website_configuration.all", "aws_s3_bucket_website_configuration.page",
        'aws_s3_bucket.main["all"]', "aws_route53_zone.main",
    )  # fmt: skip
    configuration.destroy()
    assert nothing_left(case) and case.client("s3").list_buckets()["Buckets"] == []
    configuration.apply(planned=False)
    serves("newer.test")
    configuration.destroy()
    assert nothing_left(case) and case.client("s3").list_buckets()["Buckets"] == []


@pytest.mark.timeout(1800)
def test_configurations_are_applied_changed_and_destroyed_twice(terraform_cases):
    """All of them at once: nearly all the time are pauses that the provider makes before it looks at all."""
    terraform_cases([
        site, names, failover, policies, network, dualstack, pieces, streams, estate, functions, surroundings,
        experiments, accelerator, distribution, http_api, rest_api, websites, machines, tasks, stacks,
        services, fleet, deploys,
    ])  # fmt: skip


def test_the_provider_is_found_where_terraform_looks_for_it(tmp_path):
    def mirror(name: str) -> Path:
        made = tmp_path / name
        (made / "host.test" / "hashicorp" / "aws" / "5.0.0").mkdir(parents=True)
        return made

    home = tmp_path / "home"
    assert provider_mirror({}, home, tmp_path / "here") is None
    implied = mirror("home/.terraform.d/plugins")
    assert provider_mirror({}, home, tmp_path / "here") == implied
    assert provider_mirror({}, home, tmp_path / "nowhere") == implied
    cache = mirror("cache")
    assert provider_mirror({"TF_PLUGIN_CACHE_DIR": str(cache)}, home, tmp_path) == cache
    written = mirror("written")
    (home / ".terraformrc").write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path    = "{written}"\n    include = ["*/*/*"]\n  }}\n}}\n'
    )
    assert provider_mirror({"TF_PLUGIN_CACHE_DIR": str(cache)}, home, tmp_path) == written
    assert provider_mirror({"TF_CLI_CONFIG_FILE": str(tmp_path / "none")}, home, tmp_path) == implied
    named = {"KUNREN_TERRAFORM_PLUGINS": str(cache)}
    assert provider_mirror(named, home, tmp_path) == cache
    assert provider_mirror({"KUNREN_TERRAFORM_PLUGINS": str(tmp_path / "none")}, home, tmp_path) == written
