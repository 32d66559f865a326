"""The cases of what stands before regions: accelerators and distributions."""

from __future__ import annotations

import subprocess

from terraforming import Case, nothing_left, packed


def accelerator(case: Case) -> None:
    """An accelerator before two regions, with names that leave it when its health check fails."""
    configuration, app = case.configuration("accelerator", domain=case.domain), f"app.{case.domain}"

    def asked(place: str, port: int = 80) -> str:
        return case.curl(f"http://{app}:{port}/", place=place, check=False)

    def nearest() -> bool:
        return [asked(each) for each in ("virginia", "london")] == ["america", "europe"]

    made = configuration.apply()
    assert made["name"] == made["read"]
    assert case.dig(made["name"]) == sorted(made["addresses"])
    case.until(nearest, "each region's answer where it is near", 60)
    assert asked("virginia", 8080) == "america"
    configuration.apply(dial="0")
    case.until(lambda: asked("virginia") == "europe", "the dial at zero", 30)
    assert case.dig(app) == sorted(made["addresses"])
    configuration.apply(dial="100", checked_path="/gone")
    direct = case.dig(made["europe"])
    case.until(lambda: case.dig(app) == direct, "the name away from the accelerator", 90)
    assert asked("virginia") == "europe"
    configuration.adopt(
        "aws_globalaccelerator_accelerator.main", "aws_globalaccelerator_listener.web",
        "aws_globalaccelerator_endpoint_group.america", "aws_route53_health_check.front",
    )  # fmt: skip
    configuration.destroy()
    assert nothing_left(case, "GlobalAccelerator")  # which AWS leaves as well
    assert case.kunren.client("globalaccelerator", case.account, "us-west-2").list_accelerators()["Accelerators"] == []
    configuration.apply(planned=False, checked_path="/")
    case.until(nearest, "the accelerator once more", 60)
    configuration.destroy()
    assert nothing_left(case, "GlobalAccelerator")  # which AWS leaves as well


REFUSES = """
def handler(event, context):
    request = event["Records"][0]["cf"]["request"]
    return {"status": "403", "statusDescription": "No", "body": "not " + request["uri"]}
"""


def distribution(case: Case) -> None:
    """A distribution with policies, functions of both kinds, failover, signed paths, an error page, name and
    certificate."""
    configuration, domain = case.configuration("distribution", domain=case.domain), case.domain
    packed(configuration, "edge.zip", "app.py", REFUSES)
    key = subprocess.run(
        ["openssl", "genrsa", "-traditional", "2048"], capture_output=True, check=True
    ).stdout  # fmt: skip
    public = subprocess.run(["openssl", "rsa", "-pubout"], input=key, capture_output=True, check=True).stdout
    (configuration.folder / "signer.pem").write_bytes(public)

    def asked(path: str, *options: str, scheme: str = "https") -> str:
        show = ("-o", "/dev/null", "-w", "%{http_code} %{redirect_url} %header{x-cache}")
        return case.curl(*show, *options, f"{scheme}://{domain}{path}")

    def told() -> list[str]:
        """The records of the real-time log."""
        kinesis = case.client("kinesis")
        (shard,) = kinesis.list_shards(StreamName="told")["Shards"]
        start = kinesis.get_shard_iterator(
            StreamName="told", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]  # fmt: skip
        return [each["Data"].decode() for each in kinesis.get_records(ShardIterator=start)["Records"]]

    def serves(moved_to: str) -> None:
        case.until(lambda: asked("/old/a").startswith(f"301 {moved_to}"), "the function", 30)
        assert asked("/a", scheme="http") == f"301 https://{domain}/a Redirect from cloudfront"
        assert asked("/a?colour=red&other=1") == "200  Miss from cloudfront"
        assert asked("/a?colour=red&other=2") == "200  Hit from cloudfront"
        assert asked("/a?colour=red", "-H", "X-Team: a") == "200  Miss from cloudfront"
        assert asked("/either/a").startswith("200 ")  # the first of the group answers 503
        case.until(lambda: any(each.endswith("\t/old/a\n") for each in told()), "the request in the stream", 30)
        assert asked("/signed/a").startswith("403 ")
        assert case.curl(f"https://{domain}/files/page.txt") == "from the bucket"
        assert case.curl(f"http://files-{domain}.s3.us-east-1.amazonaws.com/files/page.txt").count("AccessDenied") == 1
        assert case.curl(f"https://{domain}/lambda/x") == "not /lambda/x"
        assert case.curl(f"https://www.{domain}/missing/x") == "from the origin"  # its error page
        headers = case.curl("-I", f"https://{domain}/b").lower()
        assert "x-frame-options: deny" in headers
        assert "x-served-by: edge" in headers
        assert case.curl("-o", "/dev/null", "-w", "%{http_code}", f"https://{domain}/a", place="saopaulo") == "403"

    made = configuration.apply()
    serves("https://new.test/")
    assert configuration.apply(moved_to="https://newer.test/", ttl="60")["id"] == made["id"]
    case.until(lambda: asked("/old/a").startswith("301 https://newer.test/"), "the changed function", 30)
    configuration.adopt(
        "aws_cloudfront_distribution.main", "aws_cloudfront_cache_policy.by_colour",
        "aws_cloudfront_origin_request_policy.all", "aws_cloudfront_response_headers_policy.strict",
        "aws_cloudfront_public_key.signer", "aws_cloudfront_key_group.signers",
        "aws_cloudfront_origin_access_control.files", "aws_cloudfront_realtime_log_config.told",
    )  # fmt: skip
    configuration.destroy()
    assert nothing_left(case)
    assert case.client("cloudfront").list_distributions()["DistributionList"].get("Items", []) == []
    configuration.apply(planned=False)
    serves("https://newer.test/")
    configuration.destroy()
    assert nothing_left(case)


GREETS = """
def handler(event, context):
    if event.get("type") == "REQUEST":
        return {"isAuthorized": event["identitySource"] == ["open"]}
    return event["stageVariables"]["greeting"] + " " + event.get("pathParameters", {}).get("name", "guest")
"""


def http_api(case: Case) -> None:
    """An HTTP API with a function, an authorizer, a private load balancer, access logs and a custom domain."""
    configuration, site = case.configuration("http_api", domain=case.domain), f"https://api.{case.domain}/v1"
    packed(configuration, "api.zip", "app.py", GREETS)

    def check(made: dict[str, str], greeting: str) -> None:
        def greeted() -> bool:
            return case.curl(f"{made['url']}greet/kim", check=False) == f'"{greeting} kim"'

        case.until(greeted, "the greeting", 20)
        assert case.curl(f"{site}/greet/ada", place="london") == f'"{greeting} ada"'
        case.until(lambda: case.curl(f"{site}/private") == f"private {greeting}", "the private answer", 30)
        assert case.curl(f"{site}/guarded", "-H", "X-Key: open") == f'"{greeting} guest"'
        assert case.curl(f"{site}/guarded") == '{"message":"Unauthorized"}'

    check(configuration.apply(), "hello")
    check(configuration.apply(greeting="good-day"), "good-day")
    configuration.adopt(
        "aws_apigatewayv2_api.main", "aws_apigatewayv2_domain_name.main", "aws_apigatewayv2_vpc_link.main",
    )  # fmt: skip
    configuration.destroy()
    assert nothing_left(case)
    assert case.client("apigatewayv2").get_apis()["Items"] == []
    check(configuration.apply(planned=False, greeting="hello"), "hello")
    configuration.destroy()
    assert nothing_left(case)
