"""Sticky sessions through real Envoy: which cookies a client gets, where they lead, when they end."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

STICKY = {"stickiness.enabled": "true"}
APP = {**STICKY, "stickiness.type": "app_cookie", "stickiness.app_cookie.cookie_name": "JSESSIONID"}


def cookies(answer):
    """Name → value of what the answer sets."""
    return dict(each.partition(";")[0].split("=", 1) for each in answer.all("set-cookie"))


def sent(jar):
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}


def lines(answer, name):
    (line,) = [each for each in answer.all("set-cookie") if each.startswith(name + "=")]
    return line.split("; ")[1:]


def test_awsalb_is_issued_with_every_answer_for_seven_days_and_keeps_the_client(kit, run_bench, backends):
    async def story(bench):
        one, two, port = backends("one"), backends("two"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        group = kit.target_group("a", one.target(), two.target(), attributes=STICKY)
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group)
        first = await bench.get(port)
        jar = cookies(first)
        assert list(jar) == ["AWSALB", "AWSALBCORS"]
        assert jar["AWSALB"] == jar["AWSALBCORS"]
        assert "127.0.0.1" not in jar["AWSALB"] and b"127.0.0.1" not in bytes.fromhex(jar["AWSALB"])
        expires, path = lines(first, "AWSALB")
        assert path == "Path=/"
        assert re.fullmatch(r"Expires=\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", expires)
        week = parsedate_to_datetime(expires.removeprefix("Expires=")) - datetime.now().astimezone()
        assert timedelta(days=7, minutes=-1) < week <= timedelta(days=7, seconds=1)
        assert lines(first, "AWSALBCORS") == [expires, "Path=/", "SameSite=None"]
        assert first.header("x-kunren-target") is None
        seen = [await bench.get(port, headers=sent({"other": "x", **jar})) for _ in range(20)]
        assert {each.text for each in seen} == {first.text}
        assert {tuple(cookies(each)) for each in seen} == {("AWSALB", "AWSALBCORS")}
        assert (await bench.get(port, headers=sent({"AWSALBCORS": jar["AWSALBCORS"]}))).text == first.text
        # the target sees the cookie, and the algorithm still serves clients without one
        assert ("cookie", f"AWSALBCORS={jar['AWSALBCORS']}") in (one.seen if first.text == "one" else two.seen)[-1][2]
        assert Counter([(await bench.get(port)).text for _ in range(20)]) == {"one": 10, "two": 10}
        for bad in ("", "x", "00" * 40, jar["AWSALB"][:-1], "z" * 12000, '"' + jar["AWSALB"] + '"'):
            assert (await bench.get(port, headers=sent({"AWSALB": bad}))).status == 200

    run_bench(story)


def test_the_cookie_names_another_target_when_its_own_is_gone_unhealthy_or_draining(kit, run_bench, backends):
    async def story(bench):
        one, two, port = backends("one"), backends("two"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        group = kit.target_group("a", one.target(), two.target(), attributes=STICKY)
        well = [kit.seen(group, each.target(), "healthy") for each in (one, two)]
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group, *well)
        jar = cookies(await bench.get(port))
        mine = (await bench.get(port, headers=sent(jar))).text
        stuck, other = (one, two) if mine == "one" else (two, one)
        await bench.apply(kit.seen(group, stuck.target(), "unhealthy"))
        moved = await bench.get(port, headers=sent(jar))
        assert moved.text == other.server.name
        # it stays where it went, also when the first is well again
        await bench.apply(kit.seen(group, stuck.target(), "healthy"))
        moved_to = cookies(moved)
        assert {(await bench.get(port, headers=sent(moved_to))).text for _ in range(10)} == {other.server.name}
        assert (await bench.get(port, headers=sent(jar))).text == mine
        gone = kit.target_group("a", stuck.target(draining_since=1.0), other.target(), attributes=STICKY)
        await bench.apply(gone)
        assert {(await bench.get(port, headers=sent(jar))).text for _ in range(5)} == {other.server.name}
        await bench.apply(kit.target_group("a", other.target(), attributes=STICKY))
        assert {(await bench.get(port, headers=sent(jar))).text for _ in range(5)} == {other.server.name}

    run_bench(story)


def test_a_cookie_older_than_the_duration_is_stale_and_each_answer_begins_it_anew(kit, run_bench, backends, until):
    async def story(bench):
        one, two, port = backends("one"), backends("two"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        short = {**STICKY, "stickiness.lb_cookie.duration_seconds": "1"}
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on),
            kit.target_group("a", one.target(), two.target(), attributes=short),
        )  # fmt: skip
        first = await bench.get(port)
        jar = cookies(first)
        until(lambda: bench.ask(port, headers=sent(jar)).text != first.text, "the stale cookie passed over")
        renewed = cookies(first := await bench.get(port))
        for _ in range(40):  # longer than the duration, and never without an answer for as long
            renewed = cookies(answer := await bench.get(port, headers=sent(renewed)))
            assert answer.text == first.text
            await bench.pause(0.04)

    run_bench(story)


def test_an_application_cookie_brings_awsalbapp_and_both_are_needed(kit, run_bench, backends):
    async def story(bench):
        one, two, port = backends("one"), backends("two"), kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        group = kit.target_group("a", one.target(), two.target(), attributes=APP)
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), group)
        assert cookies(await bench.get(port, "/cookie/OTHER")) == {
            "OTHER": "mine", **{f"AWSALBAPP-{n}": "_remove_" for n in range(4)}
        }  # fmt: skip
        first = await bench.get(port, "/cookie/JSESSIONID")
        jar = cookies(first)
        assert list(jar) == ["JSESSIONID", "AWSALBAPP-0", "AWSALBAPP-1", "AWSALBAPP-2", "AWSALBAPP-3"]
        assert [jar[f"AWSALBAPP-{n}"] for n in (1, 2, 3)] == ["_remove_"] * 3
        assert lines(first, "JSESSIONID") == ["Path=/", "HttpOnly"]
        assert lines(first, "AWSALBAPP-0")[1:] == ["Path=/"]
        again = [await bench.get(port, headers=sent(jar)) for _ in range(10)]
        assert {each.text for each in again} == {first.text}
        assert all(cookies(each)["AWSALBAPP-0"] != "_remove_" for each in again)
        alone = {name: value for name, value in jar.items() if name != "JSESSIONID"}
        assert Counter([(await bench.get(port, headers=sent(alone))).text for _ in range(10)]) == {"one": 5, "two": 5}
        only = {"JSESSIONID": "mine"}
        assert Counter([(await bench.get(port, headers=sent(only))).text for _ in range(10)]) == {"one": 5, "two": 5}

    run_bench(story)


def test_one_awsalbapp_cookie_carries_the_targets_of_several_groups(kit, run_bench, backends):
    async def story(bench):
        made, port = {name: backends(name) for name in ("a1", "a2", "b1", "b2")}, kit.free_port()
        on = kit.listener(port, default=kit.forward(("a", 1)))
        other = {**APP, "stickiness.app_cookie.cookie_name": "other"}
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on),
            kit.rule(on, 1, kit.forward(("b", 1)), kit.condition("path-pattern", "/b*", "/cookie/other")),
            kit.target_group("a", made["a1"].target(), made["a2"].target(), attributes=APP),
            kit.target_group("b", made["b1"].target(), made["b2"].target(), attributes=other),
        )  # fmt: skip
        at_a = await bench.get(port, "/cookie/JSESSIONID")
        jar = cookies(at_a)
        at_b = await bench.get(port, "/cookie/other", headers=sent(jar))
        jar |= cookies(at_b)
        assert {(await bench.get(port, "/", headers=sent(jar))).text for _ in range(6)} == {at_a.text}
        assert {(await bench.get(port, "/b", headers=sent(jar))).text for _ in range(6)} == {at_b.text}

    run_bench(story)


def test_a_rule_keeps_clients_with_a_group_and_with_a_target_in_it(kit, run_bench, backends, until):
    async def story(bench):
        made, port = {name: backends(name) for name in ("a1", "a2", "b1", "b2")}, kit.free_port()
        groups = [
            kit.target_group(name, made[name + "1"].target(), made[name + "2"].target(), attributes=STICKY)
            for name in "ab"
        ]
        on = kit.listener(port, default=kit.forward(("a", 1), ("b", 1), sticky=60))
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), *groups)
        first = await bench.get(port)
        jar = cookies(first)
        assert list(jar) == ["AWSALBTG", "AWSALBTGCORS", "AWSALB", "AWSALBCORS"]
        assert lines(first, "AWSALBTG")[0].startswith("Expires=") and lines(first, "AWSALBTG")[1:] == ["Path=/"]
        assert lines(first, "AWSALBTGCORS")[1:] == ["Path=/", "SameSite=None"]
        answers = [await bench.get(port, headers=sent(jar)) for _ in range(20)]
        assert {each.text for each in answers} == {first.text}
        assert list(cookies(answers[0])) == list(jar)
        only_group = {"x": "1", "AWSALBTG": jar["AWSALBTG"]}
        seen = {(await bench.get(port, headers=sent(only_group))).text for _ in range(20)}
        assert seen == {first.text[0] + "1", first.text[0] + "2"}
        brief = kit.listener(port, default=kit.forward(("a", 1), ("b", 1), sticky=1))
        await bench.apply(brief, kit.default_rule(brief))
        until(lambda: bench.ask(port, headers=sent(only_group)).text[0] != first.text[0], "the stale group left")

    run_bench(story)


def test_cookies_of_https_listeners_are_secure(kit, run_bench, backends, tls):
    issued, trusting = tls("web.test")

    async def story(bench):
        one, port = backends("one"), kit.free_port()
        on = kit.listener(port, protocol="HTTPS", certificates=tuple(issued), default=kit.forward(("a", 1)))
        await bench.apply(
            kit.load_balancer(), on, kit.default_rule(on),
            kit.target_group("a", one.target(), attributes=STICKY), kit.target_group("b", one.target(), attributes=APP),
            kit.rule(on, 1, kit.forward(("b", 1)), kit.condition("path-pattern", "/cookie/*")),
        )  # fmt: skip
        got = await bench.get(port, tls=trusting)
        assert lines(got, "AWSALB")[1:] == ["Path=/"]
        assert lines(got, "AWSALBCORS")[1:] == ["Path=/", "SameSite=None", "Secure"]
        chrome = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36"}
        modern = await bench.get(port, "/cookie/JSESSIONID", tls=trusting, headers=chrome)
        assert lines(modern, "AWSALBAPP-0")[1:] == ["Path=/", "SameSite=None", "Secure"]
        old = await bench.get(port, "/cookie/JSESSIONID", tls=trusting, headers={"User-Agent": "Chrome/79.0"})
        assert lines(old, "AWSALBAPP-0")[1:] == ["Path=/"]

    run_bench(story, kit.environment(certificates=issued))
