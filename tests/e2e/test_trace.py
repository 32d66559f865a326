"""`kunren trace` against what really happens: each request is explained, sent by the trace, and sent again by a client
that knows nothing of it; explanation, observation and the client's answer must be one."""

import io
import json
import subprocess
import zipfile

import pytest


class Traced:
    """One `kunren trace --json`."""

    def __init__(self, done):
        assert done.returncode in (0, 1), done.stderr
        self.code, self.report = done.returncode, json.loads(done.stdout)
        self.observed, self.expected = self.report["observed"], self.report["expected"]

    def step(self, stage):
        return next(each for each in self.report["steps"] if each["stage"] == stage)

    @property
    def stages(self):
        return [each["stage"] for each in self.report["steps"]]

    def failed(self):
        """Why each rule before the chosen one was passed over."""
        return [each["because"] for each in self.step("rule")["considered"] if not each["taken"]]


class Shop:
    """A site with one rule of each kind, its names in DNS, and the tools to ask it."""

    def __init__(self, site, kunren, account):
        self.site, self.kunren, self.account = site, kunren, account
        self.route53, self.acm = kunren.client("route53", account), kunren.client("acm", account)
        self.name = f"s{account}.test"
        self.zone = self.route53.create_hosted_zone(Name=self.name, CallerReference=self.name)["HostedZone"]["Id"]
        self.clients = {}

    def record(self, name, **given):
        """Create or replace a record set; without values it is an alias to the load balancer."""
        if "ResourceRecords" not in given:
            zone = self.site.balancer["CanonicalHostedZoneId"]
            alias = {"HostedZoneId": zone, "DNSName": self.site.name, "EvaluateTargetHealth": True}
            given["AliasTarget"] = alias
        change = {"Action": "UPSERT", "ResourceRecordSet": {"Name": name, "Type": "A", **given}}
        made = self.route53.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch={"Changes": [change]})
        self.route53.get_waiter("resource_record_sets_changed").wait(
            Id=made["ChangeInfo"]["Id"], WaiterConfig={"Delay": 1}
        )

    def certificate(self, name):
        """One that ACM issued after DNS validation."""
        arn = self.acm.request_certificate(DomainName=name, ValidationMethod="DNS", KeyAlgorithm="EC_prime256v1")
        arn = arn["CertificateArn"]
        (option,) = self.acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"]
        record = option["ResourceRecord"]
        self.record(record["Name"], Type="CNAME", TTL=60, ResourceRecords=[{"Value": record["Value"]}])
        waiter = self.acm.get_waiter("certificate_validated")
        waiter.wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        return arn

    def function(self, name):
        """A function behind a target group of its own; the group's ARN."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", "def handler(event, context):\n    return {'statusCode': 203, 'body': 'f'}\n")
        functions = self.kunren.client("lambda", self.account)
        arn = functions.create_function(
            FunctionName=name, Runtime="python3.11", Role="arn:aws:iam::000000000000:role/any", Handler="app.handler",
            Code={"ZipFile": packed.getvalue()},
        )["FunctionArn"]  # fmt: skip
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
        group = self.site.elb.create_target_group(Name=name, TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
        functions.add_permission(
            FunctionName=name, StatementId="elb", Action="lambda:InvokeFunction", SourceArn=group,
            Principal="elasticloadbalancing.amazonaws.com",
        )  # fmt: skip
        self.site.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": arn}])
        return group

    def trace(self, url, *options):
        return Traced(self.kunren.run("trace", "--json", *options, url))

    def both(self, url, *options, place="virginia", **asked):
        """The trace, which must agree with itself, and what a client of its own got."""
        traced = self.trace(url, "--from", place, *options)
        assert (traced.report["agrees"], traced.report["differences"], traced.code) == (True, [], 0)
        if place not in self.clients:
            self.clients[place] = self.site.client(place)
        return traced, self.clients[place].get(url, **asked)


def field(name, member, **config):
    return {"Field": name, member: config}


def path_is(*values):
    return field("path-pattern", "PathPatternConfig", Values=list(values))


@pytest.fixture
def shop(site, kunren, account):
    return Shop(site, kunren, account)


def add_condition_rules(site, listener, host, tokyo):
    """Rules 1 to 6: one of each kind of condition, each with a fixed response that says which."""
    for priority, (name, conditions) in enumerate(
        {
            "host": [field("host-header", "HostHeaderConfig", Values=[f"*.{host}"])],
            "path": [path_is("/img/*.png")],
            "header": [field("http-header", "HttpHeaderConfig", HttpHeaderName="X-Version", Values=["v2*"])],
            "method": [field("http-request-method", "HttpRequestMethodConfig", Values=["PUT"])],
            "query": [field("query-string", "QueryStringConfig", Values=[{"Key": "lang", "Value": "j?"}])],
            "source": [path_is("/from"), field("source-ip", "SourceIpConfig", Values=[f"{tokyo}/32"])],
        }.items(),
        start=1,
    ):
        site.rule(listener, priority, conditions, site.fixed(name, 201))


def test_each_rule_is_chosen_for_the_reason_that_the_trace_gives(shop, site, until):
    tokyo = site.client("tokyo").get_address()
    listener = site.listen(site.fixed("nothing here", 404))
    add_condition_rules(site, listener, shop.name, tokyo)
    move = {
        "Type": "redirect",
        "RedirectConfig": {
            "Protocol": "HTTPS", "Port": "8443", "Host": "www.example.com", "Path": "/new/#{path}",
            "Query": "#{query}&from=#{host}", "StatusCode": "HTTP_302",
        },
    }  # fmt: skip
    site.rule(listener, 7, [path_is("/move/*")], move)
    site.rule(listener, 8, [path_is("/fixed")], site.fixed("teapot", 418))
    closed = site.listen(site.fixed("closed"), port=8080)
    assert closed
    shop.record(shop.name)
    shop.record(f"a.{shop.name}")
    shop.record(f"w.{shop.name}", SetIdentifier="blue", Weight=3)
    shop.record(f"w.{shop.name}", SetIdentifier="green", Weight=1, TTL=60, ResourceRecords=[{"Value": "198.19.7.250"}])
    site.wait_active()
    url = f"http://{shop.name}"

    traced, got = shop.both(f"http://a.{shop.name}/")
    assert traced.stages == ["DNS", "edge", "client network", "listener", "rule", "action"]
    assert traced.step("rule")["chosen"] == f"rule 1 (host is *.{shop.name})"
    assert (got["body"], traced.observed["status"], traced.observed["answered_by"]) == ("host", 201, "load balancer")
    assert f"hosted zone {shop.name}" in traced.step("DNS")["because"]

    traced, got = shop.both(f"{url}/img/a/b.png")
    assert (got["body"], traced.failed()) == ("path", [f"fails: host is {shop.name}"])

    traced, got = shop.both(f"{url}/", "--header", "x-version: V2.7", headers={"X-Version": "V2.7"})
    assert (got["body"], traced.failed()[-1]) == ("header", "fails: path is /")

    traced, got = shop.both(f"{url}/", "--method", "PUT", method="PUT")
    assert (got["body"], traced.failed()[-1]) == ("method", "fails: no header X-Version was sent")

    traced, got = shop.both(f"{url}/?x=1&LANG=ja")
    assert (got["body"], traced.failed()[-1]) == ("query", "fails: method is GET")
    assert traced.step("rule")["chosen"] == "rule 5 (query has lang=j?)"

    traced, got = shop.both(f"{url}/from", place="tokyo")
    assert (got["body"], traced.failed()[-1]) == ("source", "fails: no query was sent")
    traced, got = shop.both(f"{url}/from")
    assert (got["status"], traced.step("rule")["chosen"]) == (404, "default rule")
    assert traced.failed()[5] == f"source is in {tokyo}/32 fails: source is {traced.report['request']['source']}"
    assert traced.step("rule")["because"] == "none of the 8 rules before it holds"

    traced, got = shop.both(f"{url}/move/here?x=1")
    wanted = f"https://www.example.com:8443/new/move/here?x=1&from={shop.name}"
    assert (traced.expected["location"], traced.observed["location"], got["headers"]["location"]) == (wanted,) * 3
    assert got["status"] == traced.observed["status"] == 302

    traced, got = shop.both(f"{url}/fixed")
    assert (got["status"], traced.step("action")["chosen"]) == (418, "fixed response 418 “teapot”")

    traced, got = shop.both(f"http://nobody.{shop.name}x/")
    assert (traced.stages, traced.observed["rcode"]) == (["DNS"], "NXDOMAIN")
    assert "gaierror" in got["error"]

    # a listener that the security group hides, and a port without a listener that it does not
    traced = shop.trace(f"{url}:8080/")
    assert (traced.report["agrees"], traced.observed["outcome"]) == (True, "timeout")
    step = traced.step("client network")
    assert step["chosen"] == "dropped" and step["because"].startswith("no rule of security group front (sg-")
    assert "allows TCP 8080 from 198.18." in step["because"]
    traced, got = shop.both(f"{url}:443/")
    assert (traced.observed["outcome"], traced.step("listener")["chosen"]) == ("refused", "none")
    assert "ConnectionRefused" in got["error"]

    # DNS with weights: what cannot be drawn is told, and a request follows what was drawn
    traced = shop.trace(f"http://w.{shop.name}/", "--no-send")
    told = [(each["what"].partition(":")[0], each["because"]) for each in traced.step("DNS")["considered"]]
    assert told == [("blue", "drawn with 75 %"), ("green", "drawn with 25 %")]
    assert (traced.report["observed"], traced.report["agrees"], traced.code) == (None, None, 0)
    traced = shop.trace(f"{url}/from", "--source", tokyo, "--no-send")
    assert traced.step("rule")["chosen"] == f"rule 6 (path is /from and source is in {tokyo}/32)"

    # what the configuration does not say is flagged: a resolver that still remembers an address of before
    old, new = "198.19.7.251", "198.19.7.252"
    shop.record(f"old.{shop.name}", TTL=86400, ResourceRecords=[{"Value": old}])
    assert shop.kunren.exec("getent", "hosts", f"old.{shop.name}", check=False)
    shop.record(f"old.{shop.name}", TTL=86400, ResourceRecords=[{"Value": new}])
    done = shop.kunren.run("trace", f"http://old.{shop.name}/")
    assert done.returncode == 1
    assert "DIFFERENT addresses" in done.stdout and f"foretold {new}, happened {old}" in done.stdout

    # without the internet gateway's route no answer finds its way back
    table = site.ec2.describe_route_tables()["RouteTables"][0]["RouteTableId"]
    gateway = site.ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]
    site.ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    until(lambda: "error" in shop.clients["virginia"].get(f"{url}/fixed", timeout=1), "no way back")
    traced = shop.trace(f"{url}/fixed")
    assert (traced.report["agrees"], traced.observed["outcome"]) == (True, "timeout")
    assert "has no route to" in traced.step("client network")["because"]
    site.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)


def test_the_target_is_one_of_those_foretold_with_the_reasons_for_each(shop, site, until):
    one, two = site.target("one", 80, 81), site.target("two", 80, zone=1)
    hidden = site.target("hidden", 80, group=site.security_group("hidden", (1, site.front)))
    first, second = site.group((one, 80)), site.group((two, 80))
    sick = site.group((one, 81), HealthCheckPath="/nowhere", Matcher={"HttpCode": "299"})
    barred, empty, sticky = site.group((hidden, 80)), site.group(), site.group((one, 80), (two, 80))
    site.elb.modify_target_group_attributes(
        TargetGroupArn=sticky, Attributes=[{"Key": "stickiness.enabled", "Value": "true"}]
    )
    listener = site.listen(site.forward((first, 3), (second, 1)))
    for priority, (path, action) in enumerate(
        {
            "/sick": site.forward(sick), "/barred": site.forward(barred), "/empty": site.forward(empty),
            "/sticky": site.forward(sticky), "/function": site.forward(shop.function("answers")),
            "/zero": site.forward((first, 0), (second, 0)),
        }.items(),
        start=1,
    ):  # fmt: skip
        site.rule(listener, priority, [path_is(path)], action)
    rewrites = {"Rewrites": [{"Regex": "^/(moved)", "Replace": "/new/$1?q"}]}
    site.elb.create_rule(
        ListenerArn=listener, Priority=7, Conditions=[path_is("/moved")], Actions=[site.forward(first)],
        Transforms=[{"Type": "url-rewrite", "UrlRewriteConfig": rewrites}],
    )  # fmt: skip
    shop.record(shop.name)
    site.wait_active()
    site.wait_healthy(first, second, sticky)
    until(lambda: set(site.states(sick).values()) | set(site.states(barred).values()) == {"unhealthy"}, "the sick ones")
    url = f"http://{shop.name}"
    # what a security group drops takes the load balancer ten seconds to give up: asked now, looked at in the end
    slow = subprocess.Popen(
        [shop.kunren.python, "-m", "kunren.cli.main", "trace", "--state", str(shop.kunren.state), "--json",
         f"{url}/barred"], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    traced, got = shop.both(f"{url}/")
    expected = {(each["id"], round(each["probability"], 4)) for each in traced.expected["targets"]}
    assert expected == {(f"{one.address}:80", 0.75), (f"{two.address}:80", 0.25)}
    assert traced.observed["target"] in (f"{one.address}:80", f"{two.address}:80")
    assert json.loads(got["body"])["name"] in ("one", "two")
    assert traced.stages[-3:] == ["action", "target", "target network"]
    assert "weight 3 of 4 (75 %)" in [each["because"] for each in traced.step("action")["considered"]]

    traced, got = shop.both(f"{url}/moved")
    assert traced.step("action")["because"] == "it is the rule's only target group; the URL becomes /new/moved?q"
    assert json.loads(got["body"])["path"] == "/new/moved?q"

    traced, got = shop.both(f"{url}/sick")
    assert traced.step("target")["because"] == (
        "target group group-3 has too few healthy targets and fails open: all 1 get requests"
    )
    assert traced.step("target")["considered"][0]["because"] == "unhealthy (Target.ResponseCodeMismatch)"
    assert (got["status"], traced.observed["target"]) == (200, f"{one.address}:81")

    for path in ("/empty", "/zero"):
        traced, got = shop.both(url + path)
        assert (got["status"], traced.observed["status"], traced.observed["answered_by"]) == (503, 503, "load balancer")

    traced, got = shop.both(f"{url}/function")
    assert (got["status"], got["body"], traced.observed["answered_by"]) == (203, "f", "function")
    assert traced.observed["target"].endswith(":function:answers")

    _, got = shop.both(f"{url}/sticky")
    name = json.loads(got["body"])["name"]
    cookie = got["headers"]["set-cookie"].partition(";")[0]
    if not cookie.startswith("AWSALB="):  # the client keeps the last of several headers: the same value
        cookie = "AWSALB=" + cookie.partition("=")[2]
    for _ in range(2):
        traced, got = shop.both(f"{url}/sticky", "--header", f"Cookie: {cookie}", headers={"Cookie": cookie})
        wanted = f"{ {'one': one, 'two': two}[name].address }:80"
        assert json.loads(got["body"])["name"] == name
        assert [each["id"] for each in traced.expected["targets"]] == [wanted]
        assert traced.observed["target"] == wanted
        assert traced.step("target")["because"] == f"the cookie AWSALB keeps this client with {wanted}"

    report = json.loads(slow.communicate(timeout=60)[0])
    assert (report["agrees"], report["observed"]["status"], slow.returncode) == (True, 504, 0)
    network = next(each for each in report["steps"] if each["stage"] == "target network")
    assert network["because"].startswith("no rule of security group hidden")


def test_the_certificate_is_chosen_by_sni_among_several(shop, site):
    own, wild = shop.certificate(shop.name), shop.certificate(f"*.{shop.name}")
    exact = shop.certificate(f"x.{shop.name}")
    listener = site.listen(site.fixed("secure"), port=443, Protocol="HTTPS", Certificates=[{"CertificateArn": own}])
    site.elb.add_listener_certificates(
        ListenerArn=listener, Certificates=[{"CertificateArn": wild}, {"CertificateArn": exact}]
    )
    site.listen(site.fixed("plain"))
    for name in ("", "x.", "y.", "y.y."):
        shop.record(name + shop.name)
    site.wait_active()
    for label, arn, because in (
        ("", own, "this certificate names it"), ("x.", exact, "this certificate names it"),
        ("y.", wild, "this certificate covers it with a wildcard"),
    ):  # fmt: skip
        traced, got = shop.both(f"https://{label}{shop.name}/")
        assert traced.expected["certificate"] == arn
        assert because in traced.step("certificate")["because"]
        assert (traced.observed["verified"], got["body"]) == (True, "secure")

    # nobody's name: the default is shown, and no client trusts it
    traced, got = shop.both(f"https://y.y.{shop.name}/")
    assert (traced.expected["certificate"], traced.observed["verified"]) == (own, False)
    assert "so the default is shown" in traced.step("certificate")["because"]
    assert "CERTIFICATE_VERIFY_FAILED" in got["error"]

    traced = shop.trace(f"https://{shop.name}:80/")
    assert (traced.report["agrees"], traced.observed["outcome"]) == (True, "TLS failure")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["example.com"], "'example.com' has no scheme: write http://example.com or https://example.com."),
        (["ftp://example.com/"], "ftp:// is not traced"),
        (["http:///x"], "names no host"),
        (["http://a.test:99999/"], "is no URL"),
        (["http://a.test/a b"], "percent-encoded"),
        (["--from", "atlantis", "http://a.test/"], "atlantis"),
        (["--header", "nonsense", "http://a.test/"], "is no header"),
        (["--source", "elsewhere", "http://a.test/"], "'elsewhere' is no IPv4 address"),
        (["--method", "GE T", "http://a.test/"], "is no HTTP method"),
    ],
)
def test_what_cannot_be_traced_is_refused_in_words(kunren, arguments, words):
    done = kunren.run("trace", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kunren: ") and words in done.stderr
