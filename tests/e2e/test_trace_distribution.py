"""`kunren trace` through distributions: each request is explained, sent by the trace and, where that changes nothing, sent
again by a client that knows nothing of it; explanation, the edge's own notes and the client's answer must be one."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

CACHING = "658327ea-f89d-4fab-a63d-7e88639e58f6"
NO_CACHING = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
REDIRECTS = """\
function handler(event) {
    var request = event.request;
    if (request.uri === '/f/old') {
        return { statusCode: 301, statusDescription: 'Moved', headers: { location: { value: 'https://new.test/' } } };
    }
    request.uri = request.uri.replace('/f/', '/g/');
    return request;
}
"""
AT_THE_EDGE = """\
def handler(event, context):
    return {'status': '302', 'headers': {'location': [{'key': 'Location', 'value': 'https://lambda.test/'}]}}
"""


class Traced:
    """One `kunren trace --json` that agrees with what happened."""

    def __init__(self, kunren, url, *options):
        done = kunren.run("trace", "--json", *options, url)
        assert done.returncode == 0, done.stdout + done.stderr
        self.report = json.loads(done.stdout)
        self.steps = {each["stage"]: each for each in self.report["steps"]}
        self.expected, self.observed = self.report["expected"], self.report["observed"]

    def because(self, stage):
        return self.steps[stage]["because"]


class Delivered:
    """A distribution with a behaviour of each kind before a load balancer, and the tools to ask it."""

    def __init__(self, kunren, account, site, until):
        self.kunren, self.account, self.site, self.until = kunren, account, site, until
        self.api = kunren.client("cloudfront", account)
        self.name = f"cdn{account}.test"
        self.target = site.target("origin")
        listener = site.listen(site.forward(site.group((self.target, 80))))
        down = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/down/*"]}}]
        site.rule(listener, 1, down, site.fixed("down", 503))
        gone = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/gone/*"]}}]
        site.rule(listener, 2, gone, site.fixed("gone", 404))
        site.wait_active()

    def behaviour(self, pattern=None, policy=CACHING, origin="web", **given):
        made = {"TargetOriginId": origin, "ViewerProtocolPolicy": "allow-all", "CachePolicyId": policy, **given}
        return {**made, "PathPattern": pattern} if pattern else made

    def origin(self, id, name, path=""):
        custom = {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}
        return {"Id": id, "DomainName": name, "OriginPath": path, "CustomOriginConfig": custom}

    def script(self, name, code):
        """A published CloudFront Function, as an association for viewer requests."""
        made = self.api.create_function(
            Name=name, FunctionConfig={"Comment": "", "Runtime": "cloudfront-js-2.0"}, FunctionCode=code.encode()
        )
        self.api.publish_function(Name=name, IfMatch=made["ETag"])
        arn = made["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
        return {"Quantity": 1, "Items": [{"EventType": "viewer-request", "FunctionARN": arn}]}

    def at_the_edge(self, name):
        """A version of a Lambda@Edge function, as an association for viewer requests."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", AT_THE_EDGE)
        functions = self.kunren.client("lambda", self.account)
        arn = functions.create_function(
            FunctionName=name, Runtime="python3.11", Role="arn:aws:iam::000000000000:role/any", Handler="app.handler",
            Code={"ZipFile": packed.getvalue()}, Publish=True,
        )["FunctionArn"]  # fmt: skip
        functions.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier="1", WaiterConfig={"Delay": 0.1}
        )  # fmt: skip
        return {"Quantity": 1, "Items": [{"EventType": "viewer-request", "LambdaFunctionARN": arn + ":1"}]}

    def certificate(self, zone):
        """One for the alias, issued after DNS validation."""
        acm, route53 = self.kunren.client("acm", self.account), self.kunren.client("route53", self.account)
        arn = acm.request_certificate(DomainName=self.name, ValidationMethod="DNS", KeyAlgorithm="EC_prime256v1")
        arn = arn["CertificateArn"]
        (option,) = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"]
        record = {"Name": option["ResourceRecord"]["Name"], "Type": "CNAME", "TTL": 60}
        record["ResourceRecords"] = [{"Value": option["ResourceRecord"]["Value"]}]
        self.change(route53, zone, record)
        waiter = acm.get_waiter("certificate_validated")
        waiter.wait(CertificateArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        return arn

    @staticmethod
    def change(route53, zone, record):
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        made = route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)
        waiter = route53.get_waiter("resource_record_sets_changed")
        waiter.wait(Id=made["ChangeInfo"]["Id"], WaiterConfig={"Delay": 1})

    def create(self):
        route53 = self.kunren.client("route53", self.account)
        zone = route53.create_hosted_zone(Name=self.name, CallerReference=self.name)["HostedZone"]["Id"]
        members = [{"OriginId": "first"}, {"OriginId": "reserve"}]
        group = {
            "Id": "both", "FailoverCriteria": {"StatusCodes": {"Quantity": 2, "Items": [502, 503]}},
            "Members": {"Quantity": 2, "Items": members},
        }  # fmt: skip
        origins = [
            self.origin("web", self.site.name), self.origin("first", self.site.name, "/down"),
            self.origin("reserve", self.site.name), self.origin("nobody", "nobody.cdn.test"),
        ]  # fmt: skip
        behaviours = [
            self.behaviour("/f/*", FunctionAssociations=self.script(f"turn-{self.account}", REDIRECTS)),
            self.behaviour("/secure/*", ViewerProtocolPolicy="redirect-to-https"),
            self.behaviour("/fresh/*", NO_CACHING),
            self.behaviour("/spare/*", origin="both"),
            self.behaviour("/nobody/*", origin="nobody"),
            self.behaviour("/edge/*", LambdaFunctionAssociations=self.at_the_edge("turn")),
        ]
        made = self.api.create_distribution(DistributionConfig={
            "CallerReference": "1", "Comment": "", "Enabled": True, "Aliases": {"Quantity": 1, "Items": [self.name]},
            "Origins": {"Quantity": len(origins), "Items": origins},
            "OriginGroups": {"Quantity": 1, "Items": [group]},
            "DefaultCacheBehavior": self.behaviour(),
            "CustomErrorResponses": {"Quantity": 2, "Items": [
                {"ErrorCode": 502, "ErrorCachingMinTTL": 86400},
                {"ErrorCode": 404, "ResponsePagePath": "/sorry", "ResponseCode": "200", "ErrorCachingMinTTL": 1},
            ]},
            "CacheBehaviors": {"Quantity": len(behaviours), "Items": behaviours},
            "ViewerCertificate": {
                "ACMCertificateArn": self.certificate(zone), "SSLSupportMethod": "sni-only",
                "MinimumProtocolVersion": "TLSv1.2_2021",
            },
        })["Distribution"]  # fmt: skip
        self.id = made["Id"]
        self.until(
            lambda: self.api.get_distribution(Id=self.id)["Distribution"]["Status"] == "Deployed", "it deployed"
        )  # fmt: skip
        alias = {"HostedZoneId": "Z2FDTNDATAQYW2", "DNSName": made["DomainName"], "EvaluateTargetHealth": False}
        self.change(route53, zone, {"Name": self.name, "Type": "A", "AliasTarget": alias})

    def trace(self, path, *options, scheme="http"):
        return Traced(self.kunren, f"{scheme}://{self.name}{path}", *options)

    def invalidate(self, path):
        batch = {"CallerReference": path, "Paths": {"Quantity": 1, "Items": [path]}}
        made = self.api.create_invalidation(DistributionId=self.id, InvalidationBatch=batch)["Invalidation"]

        def completed():
            shown = self.api.get_invalidation(DistributionId=self.id, Id=made["Id"])
            return shown["Invalidation"]["Status"] == "Completed"

        self.until(completed, "the invalidation completed")


@pytest.fixture
def delivered(kunren, account, site, until):
    made = Delivered(kunren, account, site, until)
    made.create()
    return made


def test_every_kind_of_request_through_a_distribution_is_explained_as_it_goes(delivered, site):
    client, name = site.client("tokyo"), delivered.name
    here = ("--from", "tokyo")

    # a miss, over the alias of Route 53, with its certificate
    traced = delivered.trace("/a?x=1", *here, scheme="https")
    assert "as an alias to " in traced.because("DNS")
    assert (traced.steps["edge location"]["chosen"], traced.observed["edge"]) == ("tokyo", "tokyo")
    assert traced.steps["certificate"]["chosen"].startswith(name)
    assert traced.steps["behaviour"]["chosen"] == "default behaviour → web"
    assert [each["taken"] for each in traced.steps["behaviour"]["considered"]] == [False] * 6 + [True]
    assert (traced.steps["cache"]["chosen"], traced.because("cache")) == (
        "miss", "this edge location has nothing under this key"
    )  # fmt: skip
    key = {each["what"]: each["because"] for each in traced.steps["cache"]["considered"]}
    assert (key["key: path"], key["key: query"]) == ("/a", "not in the key")
    assert traced.steps["origin"]["chosen"] == "web"
    assert traced.steps["web › rule"]["chosen"] == "default rule"
    assert traced.observed["origins"] == ["web"]
    assert traced.observed["cache"] == "Miss from cloudfront"
    assert (traced.observed["answered_by"], traced.observed["target"]) == ("target", f"{delivered.target.address}:80")

    # a hit, and why; elsewhere it is a miss
    traced = delivered.trace("/a?x=2", *here, scheme="https")
    assert traced.because("cache").startswith("this edge location has it: it came ")
    assert (traced.observed["cache"], traced.observed["origins"]) == ("Hit from cloudfront", [])
    assert traced.expected["answered_by"] == traced.observed["answered_by"] == "edge location"
    assert client.get(f"https://{name}/a")["headers"]["x-cache"] == "Hit from cloudfront"
    traced = delivered.trace("/a", "--from", "london")
    assert (traced.observed["edge"], traced.observed["cache"]) == ("london", "Miss from cloudfront")

    # gone from the cache, and never in it
    delivered.invalidate("/a")
    traced = delivered.trace("/a", *here, "--no-send")
    assert traced.because("cache") == "what this edge location had was invalidated"
    assert delivered.trace("/a", *here).observed["cache"] == "Miss from cloudfront"
    for _ in range(2):
        traced = delivered.trace("/fresh/a", *here)
        assert traced.because("cache") == "the behaviour's policy keeps nothing"
        assert traced.observed["cache"] == "Miss from cloudfront"

    # functions: one that answers, and one that sends the request elsewhere
    traced = delivered.trace("/f/old", *here)
    assert traced.steps["function"]["chosen"] == f"viewer-request turn-{delivered.account}: answers 301"
    assert traced.observed["functions"] == [f"viewer-request turn-{delivered.account}: answers 301"]
    assert traced.observed["location"] == "https://new.test/"
    assert client.get(f"http://{name}/f/old")["status"] == 301
    traced = delivered.trace("/f/new", *here)
    assert traced.because("function").endswith("the request is for /g/new from here on")
    assert traced.observed["functions"] == [f"viewer-request turn-{delivered.account}: lets the request go on"]
    assert json.loads(client.get(f"http://{name}/f/new")["body"])["path"] == "/g/new"

    # refused by the behaviour
    traced = delivered.trace("/secure/a", *here)
    assert traced.steps["viewer"]["chosen"] == "sent on to HTTPS"
    assert (traced.observed["status"], traced.observed["location"]) == (301, f"https://{name}/secure/a")
    traced = delivered.trace("/a", *here, "--method", "POST")
    assert traced.steps["viewer"]["chosen"] == "refused with 403"
    assert "not configured to allow the HTTP request method" in traced.because("viewer")

    # failover within an origin group
    traced = delivered.trace("/spare/a", *here)
    assert traced.steps["origin"]["chosen"] == "reserve"
    first, second = traced.steps["origin"]["considered"]
    assert (first["taken"], first["because"]) == (False, "it answers 503")
    assert first["what"] == f"first: http://{site.name}:80/down/spare/a"
    assert second["taken"]
    assert traced.observed["origins"] == ["first", "reserve"]
    assert traced.observed["target"] == f"{delivered.target.address}:80"

    # an origin whose name nobody has
    traced = delivered.trace("/nobody/a", *here)
    assert traced.expected["statuses"] == [502]
    assert traced.steps["origin"]["considered"][0]["because"] == "no address, which is 502"
    assert (traced.observed["status"], traced.observed["answered_by"]) == (502, "edge location")
    traced = delivered.trace("/nobody/a", *here)
    assert (traced.steps["cache"]["chosen"], traced.observed["cache"]) == ("hit", "Error from cloudfront")

    # an error page in place of what the origin says
    traced = delivered.trace("/gone/a", *here)
    assert traced.because("origin").endswith("; the distribution has a page of its own for 404")
    assert (traced.expected["statuses"], traced.observed["status"]) == ([404, 200], 200)
    assert (traced.observed["origins"], traced.observed["cache"]) == (["web"], "Error from cloudfront")

    # Lambda@Edge is not invoked to foretell; what it did is told
    traced = delivered.trace("/edge/a", *here)
    assert traced.because("function") == "Lambda@Edge function turn:1 is asked, and decides what becomes of it"
    assert traced.expected["statuses"] is None
    assert traced.observed["functions"] == ["viewer-request turn:1: answers 302"]
    assert traced.observed["location"] == "https://lambda.test/"

    # a name that no distribution has, and ports
    traced = delivered.trace("/a", *here, "--header", "Host: other.test")
    assert (traced.steps["distribution"]["chosen"], traced.observed["status"]) == ("none", 403)
    assert Traced(delivered.kunren, f"tcp://{name}:443", *here).observed["outcome"] == "connected"
    assert Traced(delivered.kunren, f"tcp://{name}:8080", *here).observed["outcome"] == "refused"
    shown = delivered.kunren.run("trace", *here, f"http://{name}/spare/b", check=True).stdout
    assert "first then reserve" in shown and "What happened is what was foretold." in shown
