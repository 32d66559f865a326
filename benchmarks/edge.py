"""What edge locations carry: cache hits and redirects of CloudFront, connections, bytes and datagrams of accelerators.

CloudFront: wrk asks from a client place for 1 KB that is in the cache, and for a redirect that a CloudFront Function
makes, at the edge location next to it. Beside it bare Envoy and nginx with `proxy_cache` listen in the same namespace,
before an nginx there. Proxies are pinned to core 0, wrk and the backend to core 1; Kunren's own part of the edge runs
where the kernel puts it. Global Accelerator: a Network Load Balancer is asked by the accelerator's address and by its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import processes, proxies, wrk
from benchmarks.alb import BODY, LOAD_CORE, PROXY_CORE, Subject, measure, rates_table
from benchmarks.figures import median, ratios, spread, table, verdict
from benchmarks.instance import Instance, client
from benchmarks.nlb import LARGE_BYTES, Flows, answers, asked
from benchmarks.nlb import Subject as Flow
from benchmarks.site import Site, until
from kunren.world.addresses import CLOUDFRONT

_BACKEND, _ENVOY, _NGINX = 8110, proxies.Ports(8101, 8102), proxies.Ports(8103, 8104)
_EDGE = "edge-virginia"
_FUNCTION = (
    b"function handler(event) { return {statusCode: 301, statusDescription: 'Moved Permanently', "
    b"headers: {location: {value: 'https://example-one.test/moved'}}}; }"
)
_CACHING = "658327ea-f89d-4fab-a63d-7e88639e58f6"


def run(quick: bool) -> Iterator[str]:
    rounds, seconds = (1, 1) if quick else (5, 3)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kunren-bench-")))
        folder.chmod(0o755)  # nginx's worker may be another user
        kunren = stack.enter_context(Instance())
        site = Site(kunren)
        flows = Flows(stack, site, folder)
        subjects = _delivered(stack, site, folder)
        accelerated, datagrams = _accelerated(site, flows)
        answered: dict[str, list[float]] = {name: [] for name in datagrams}
        for _ in range(rounds):
            for subject in subjects:
                measure(kunren, subject, seconds)
            for flow in accelerated:
                flow.measure(kunren, seconds)
            for name, address in datagrams.items():
                answered[name].append(asked(kunren, address, seconds))
    yield rates_table(subjects)
    for what, chosen, scale in (
        ("new TCP connections/s", accelerated[:2], 1.0),
        ("MB/s, 4 connections", accelerated[2:4], LARGE_BYTES / 1e6),
        ("requests/s, 1 connection", accelerated[4:], 1.0),
    ):
        rows = [[each.name, spread([rate * scale for rate in each.rates])] for each in chosen]
        yield table(["", what], rows)
    yield table(["", "datagrams/s, there and back"], [[name, spread(rates)] for name, rates in answered.items()])
    yield _verdicts(subjects, accelerated)


def _delivered(stack: ExitStack, site: Site, folder: Path) -> list[Subject]:
    """A distribution before the site's load balancer, and the peers in the edge location's namespace."""
    kunren, cloudfront = site.kunren, site.kunren.client("cloudfront")
    name = {"Name": "go", "FunctionConfig": {"Comment": "", "Runtime": "cloudfront-js-2.0"}}
    made = cloudfront.create_function(**name, FunctionCode=_FUNCTION)
    cloudfront.publish_function(Name="go", IfMatch=made["ETag"])
    arn = made["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
    site.listener(8080, [{"Type": "fixed-response", "FixedResponseConfig": {
        "StatusCode": "200", "ContentType": "text/plain", "MessageBody": BODY.replace("\\n", "\n")[:1024],
    }}])  # fmt: skip
    origin = {
        "Id": "web", "DomainName": site.name,
        "CustomOriginConfig": {"HTTPPort": 8080, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"},
    }  # fmt: skip
    behaviour = {"TargetOriginId": "web", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": _CACHING}
    functions = {"Quantity": 1, "Items": [{"FunctionARN": arn, "EventType": "viewer-request"}]}
    distribution = cloudfront.create_distribution(
        DistributionConfig={
            "CallerReference": "1", "Comment": "", "Enabled": True, "DefaultCacheBehavior": behaviour,
            "Origins": {"Quantity": 1, "Items": [origin]},
            "CacheBehaviors": {
                "Quantity": 1, "Items": [{**behaviour, "PathPattern": "/go", "FunctionAssociations": functions}]
            },
        }
    )["Distribution"]  # fmt: skip
    cloudfront.get_waiter("distribution_deployed").wait(Id=distribution["Id"], WaiterConfig={"Delay": 1})
    host = {"Host": distribution["DomainName"]}
    ours = [*processes.named(kunren.pid, "envoy"), kunren.pid]
    processes.pin(ours[:-1], PROXY_CORE)
    kunren.cli("exec", "--from", "virginia", "--", "true")  # the place, and so its edge location
    _start(stack, kunren, folder, "edge-backend", proxies.nginx_backend(_BACKEND, BODY), LOAD_CORE)
    cache = _start(stack, kunren, folder, "edge-nginx", _nginx_cache(folder), PROXY_CORE)
    argv = proxies.command("envoy", folder / "edge-envoy", _ENVOY, f"127.0.0.1:{_BACKEND}")
    process = stack.enter_context(proxies.started([*kunren.in_namespace(_EDGE), *argv], folder / "edge-envoy.log"))
    envoy = processes.tree(process.pid)
    processes.pin(envoy, PROXY_CORE)
    edge = "198.18.128.10"
    subjects = [
        Subject("Kunren CloudFront, hit", wrk.Request(f"http://{CLOUDFRONT[0]}/", headers=host), ours),
        Subject("Kunren CloudFront, function", wrk.Request(f"http://{CLOUDFRONT[0]}/go", headers=host), ours),
        Subject("bare Envoy, proxying", wrk.Request(f"http://{edge}:{_ENVOY.proxy}/"), envoy),
        Subject("nginx proxy_cache, hit", wrk.Request(f"http://{edge}:{_NGINX.proxy}/"), cache),
    ]
    for each in subjects[2:]:
        answers(kunren, each.request.url)
    return subjects


def _start(stack: ExitStack, kunren: Instance, folder: Path, name: str, server: str, core: int) -> list[int]:
    """An nginx in the edge location's namespace."""
    own = folder / name
    own.mkdir()
    (own / "nginx.conf").write_text(proxies.nginx_config(own, server))
    argv = [proxies.find("nginx"), "-p", str(own), "-e", str(own / "error.log"), "-c", str(own / "nginx.conf")]
    process = stack.enter_context(proxies.started([*kunren.in_namespace(_EDGE), *argv], own / "log"))
    pids = processes.tree(process.pid)
    processes.pin(pids, core)
    return pids


def _nginx_cache(folder: Path) -> str:
    return (
        f"  proxy_cache_path {folder}/edge-cache keys_zone=one:10m;\n"
        f"  server {{ listen {_NGINX.proxy} backlog=4096; location / {{ proxy_pass http://127.0.0.1:{_BACKEND}; "
        "proxy_cache one; proxy_cache_valid 200 1h; add_header X-Cache $upstream_cache_status; } }\n"
    )


def _accelerated(site: Site, flows: Flows) -> tuple[list[Flow], dict[str, str]]:
    """The Network Load Balancer by an accelerator, and by itself."""
    api = client("globalaccelerator", site.kunren.port, region="us-west-2")
    arn = site.elb.describe_load_balancers(Names=["flows"])["LoadBalancers"][0]["LoadBalancerArn"]
    made = api.create_accelerator(Name="front", IdempotencyToken="1")["Accelerator"]
    for protocol, port in (("TCP", 80), ("UDP", 53)):
        listener = api.create_listener(
            AcceleratorArn=made["AcceleratorArn"], Protocol=protocol, IdempotencyToken=protocol,
            PortRanges=[{"FromPort": port, "ToPort": port}],
        )["Listener"]["ListenerArn"]  # fmt: skip
        api.create_endpoint_group(
            ListenerArn=listener, EndpointGroupRegion="us-east-1", IdempotencyToken=protocol,
            EndpointConfigurations=[{"EndpointId": arn}],
        )  # fmt: skip
    address, direct = made["IpSets"][0]["IpAddresses"][0], flows.connections[0].url
    by_us = f"http://{address}:80/"

    def deployed() -> bool:
        shown = api.describe_accelerator(AcceleratorArn=made["AcceleratorArn"])["Accelerator"]
        return bool(shown["Status"] == "DEPLOYED")

    until(deployed, "the accelerator to be deployed")
    answers(site.kunren, by_us)
    pairs = (("Kunren accelerator", by_us), ("directly", direct))
    listed = [Flow(name, url, []) for name, url in pairs]
    listed += [Flow(name, url + "large", [], closes=False, connections=4) for name, url in pairs]
    listed += [Flow(name, url, [], closes=False, connections=1) for name, url in pairs]
    return listed, {"Kunren accelerator": f"{address}:53", "directly": flows.datagrams["Kunren NLB"]}


def _verdicts(subjects: list[Subject], flows: list[Flow]) -> str:
    hit, function, envoy, nginx = subjects
    got = ratios(hit.rates, envoy.rates)
    added_ms = 1000 / median(flows[4].rates) - 1000 / median(flows[5].rates)
    rows = [
        ["cache hits, of bare Envoy", f"{got:.2f}", "0.4", verdict(got >= 0.4)],
        ["redirects by function, of bare Envoy", f"{ratios(function.rates, envoy.rates):.2f}", "stated", ""],
        ["cache hits, of nginx proxy_cache", f"{ratios(hit.rates, nginx.rates):.2f}", "stated", ""],
        ["accelerator's bytes, of direct", f"{ratios(flows[2].rates, flows[3].rates):.2f}", "stated", ""],
        ["round trip that it adds, ms", f"{added_ms:.3f}", "0.2", verdict(added_ms < 0.2)],
    ]
    return table(["ratio", "measured", "target", ""], rows)
