"""Transforms of rules, through real Envoy: what the target is asked."""

from __future__ import annotations

import msgspec
import pytest

from kunren.services.elbv2.transforms import rewritten


def url(regex, replace):
    return {"Type": "url-rewrite", "UrlRewriteConfig": {"Rewrites": [{"Regex": regex, "Replace": replace}]}}


def host(regex, replace):
    config = {"Rewrites": [{"Regex": regex, "Replace": replace}]}
    return {"Type": "host-header-rewrite", "HostHeaderRewriteConfig": config}


CASES = [
    # (transform, host asked, URL asked, host and URL that the target sees)
    (host("^mywebsite-(.+).com$", "internal.dev.$1.myweb.com"), "mywebsite-example.com", "/project-a",
     "internal.dev.example.myweb.com", "/project-a"),
    (url("^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1"), "shop.test", "/dp/B09G3HRMW", "shop.test",
     "/product.php?id=B09G3HRMW"),
    (url("^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1"), "shop.test", "/other", "shop.test", "/other"),
    (url(r"\?(.*)&lang=([a-z]{2})$", r"?$1&locale=$2"), "shop.test", "/a?b=1&lang=de", "shop.test", "/a?b=1&locale=de"),
    (url(r"'(%20|\"|[)(]+)", "$x-$1%"), "shop.test", "/a/'%20/'%20", "shop.test", "/a/$x-%20%/'%20"),
    (url("(a)(b)(c)(d)(e)(f)(g)(h)(i)", "$9$8$7$6$5$4$3$2$1"), "shop.test", "/x/abcdefghi/y", "shop.test",
     "/x/ihgfedcba/y"),
    (url("^/v1(/.*)?$", "/v2$1"), "shop.test", "/v1", "shop.test", "/v2"),
    (url("^/v1(/.*)?$", "/v2$1"), "shop.test", "/v1/a?q", "shop.test", "/v2/a?q"),
]  # fmt: skip


def test_a_target_is_asked_what_the_transforms_made(kit, run_bench, backends):
    target = backends("one")
    group = kit.target_group("one", target.target())

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port)

        async def rule(*transforms):
            made = kit.rule(on, 1, kit.forward(("one", 1)), kit.condition("path-pattern", "/*"))
            made = msgspec.structs.replace(made, transforms=transforms)
            await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group, made)

        for transform, asked_host, asked_url, seen_host, seen_url in CASES:
            await rule(transform)
            # the port of an unusual listener is told, as without transforms
            answer = await bench.get(port, asked_url, headers={"X-Kunren-Url": "=/mine"}, name=asked_host)
            assert answer.status == 200
            method, path, headers = target.seen.pop()
            assert (method, path, dict(headers)["host"]) == ("GET", seen_url, f"{seen_host}:{port}")
            assert not [name for name, _ in headers if name.startswith("x-kunren")]

        await rule(url("^/a", "/b"), host("^web", "intern"))
        assert (await bench.get(port, "/a")).status == 200
        _, path, headers = target.seen.pop()
        assert (path, dict(headers)["host"]) == ("/b", f"intern.test:{port}")

    run_bench(story)


def test_a_transform_that_makes_no_path_or_no_host_answers_500(kit, run_bench, backends):
    target = backends("one")
    group = kit.target_group("one", target.target())

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port)
        wrong = [url("^/bad", "nowhere"), host("^bad", "a b/")]
        made = kit.rule(on, 1, kit.forward(("one", 1)), kit.condition("path-pattern", "/*"))
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on), group, msgspec.structs.replace(made, transforms=wrong)
        )
        answer = await bench.get(port, "/bad")
        assert (answer.status, answer.header("server")) == (500, "awselb/2.0")
        assert "500 Internal Server Error" in answer.text
        assert (await bench.get(port, "/", name="bad.test")).status == 500
        assert (await bench.get(port, "/good")).status == 200
        assert len(target.seen) == 1

    run_bench(story)


def test_the_rule_and_the_target_group_stay_those_that_the_request_chose(kit, run_bench, backends):
    one, two = backends("one"), backends("two")
    groups = [kit.target_group("one", one.target(), attributes={"stickiness.enabled": "true"})]
    groups.append(kit.target_group("two", two.target()))

    async def story(bench):
        port = kit.free_port()
        on = kit.listener(port)
        first = kit.rule(on, 1, kit.forward(("one", 1)), kit.condition("path-pattern", "/old/*"))
        first = msgspec.structs.replace(first, transforms=(url("^/old/", "/new/"),))
        second = kit.rule(on, 2, kit.forward(("two", 1)), kit.condition("path-pattern", "/new/*"))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), *groups, first, second)
        answer = await bench.get(port, "/old/x")
        assert answer.status == 200, answer
        assert (answer.text, one.seen[-1][1]) == ("one", "/new/x")
        assert answer.all("set-cookie")
        assert (await bench.get(port, "/new/x")).text == "two"

    run_bench(story)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_whoever_explains_a_request_says_the_same(case):
    transform, asked_host, asked_url, seen_host, seen_url = case
    (config,) = (value for key, value in transform.items() if key != "Type")
    rewrite = (config["Rewrites"][0]["Regex"], config["Rewrites"][0]["Replace"])
    if transform["Type"] == "url-rewrite":
        assert (rewritten(rewrite, asked_url) or asked_url) == seen_url
    else:
        assert (rewritten(rewrite, asked_host) or asked_host) == seen_host
