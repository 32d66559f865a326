"""The showpiece: ten domains, every scheme, three places, by every architecture; and after a kill -9."""

import json
import os
import signal
from pathlib import Path
from xml.etree import ElementTree

import pytest

SCHEMES = {
    "alb": {"http", "https"},
    "alb-lambda": {"http", "https"},
    "api-gateway": {"https"},
    "cloudfront-function": {"http", "https", "http3"},
    "cloudfront-lambda-edge": {"http", "https", "http3"},
    "s3-website": {"http"},
}
DOMAINS = json.loads((Path(__file__).parents[2] / "examples" / "redirect" / "domains.json").read_text())


def run_drill(kunren, tmp_path, architecture, *options):
    result = tmp_path / "result.json"
    done = kunren.run(
        "drill", "run", "redirect", "--architecture", architecture, "--json", str(result), *options, check=True
    )
    assert done.returncode == 0
    return json.loads(result.read_text())


@pytest.mark.parametrize("architecture", SCHEMES)
def test_every_domain_redirects_over_every_scheme_from_three_places_also_after_a_kill(
    own_kunren, tmp_path, architecture
):
    own_kunren.up()
    outcome = run_drill(own_kunren, tmp_path, architecture, "--keep")
    assert outcome["architecture"] == architecture
    assert outcome["operations"]["ok"] == len(outcome["checks"])
    assert outcome["verdict"] is True
    asked = {(check["domain"], check["scheme"], check["place"]) for check in outcome["checks"]}
    schemes = SCHEMES[architecture]
    scheme = "https" if "https" in schemes else "http"
    assert {scheme for _, scheme, _ in asked} == schemes
    assert len(asked) == len(outcome["checks"]) == 10 * len(schemes) * 3
    assert {domain for domain, _, _ in asked} == set(DOMAINS)
    assert all(check["tls_verified"] is (None if check["scheme"] == "http" else True) for check in outcome["checks"])
    # a bucket's website carries the query string only where it carries all
    assert list(outcome["limits"]) == (["example-five.test"] if architecture == "s3-website" else [])

    os.kill(own_kunren.pid, signal.SIGKILL)
    own_kunren.up()
    head = own_kunren.exec("curl", "-sSI", f"{scheme}://example-one.test/", place="tokyo").stdout.lower()
    assert head.splitlines()[0].split()[1] == "301"
    assert "location: https://www.example.com" in head
    unknown = own_kunren.exec(
        "sh", "-c", f"curl -s -o /dev/null -w '%{{http_code}}' -H 'Host: nobody.test' {scheme}://example-one.test/"
    )
    assert unknown.stdout == ("404" if architecture in ("alb", "alb-lambda", "s3-website") else "403")
    # a rerun replaces what was kept, also as a stack of the architecture's template, and takes it away at the end
    junit = tmp_path / "junit.xml"
    with_stack = ("--deploy-with", "cloudformation")
    again = run_drill(own_kunren, tmp_path, architecture, "--junit", str(junit), *with_stack)
    assert again["verdict"] is True
    assert again["limits"] == outcome["limits"]
    asked_again = {(check["domain"], check["scheme"], check["place"]) for check in again["checks"]}
    assert asked_again == asked
    stacks = own_kunren.client("cloudformation").list_stacks()["StackSummaries"]
    assert [(each["StackName"], each["StackStatus"]) for each in stacks] == [
        (f"redirect-{architecture}", "DELETE_COMPLETE")
    ]
    suite = ElementTree.parse(junit).find("testsuite")
    assert [suite.get(key) for key in ("tests", "failures", "errors")] == [str(len(again["checks"])), "0", "0"]
    assert own_kunren.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert own_kunren.client("apigatewayv2").get_domain_names()["Items"] == []
    assert own_kunren.client("cloudfront").list_distributions()["DistributionList"]["Quantity"] == 0
    assert own_kunren.client("route53").list_hosted_zones()["HostedZones"] == []
    assert own_kunren.client("s3").list_buckets()["Buckets"] == []
