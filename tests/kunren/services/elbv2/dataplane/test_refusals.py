"""What a load balancer refuses whatever its rules do."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("kind", ["fixed-response", "redirect", "forward"])
def test_refusals_are_alb_s_own_pages_whatever_the_rule_would_have_done(kit, run_bench, backends, kind):
    async def story(bench):
        one, port = backends("one"), kit.free_port()
        actions = {
            "fixed-response": kit.fixed(403, "mine", "application/json"),
            "redirect": kit.redirect(Host="example.test"),
            "forward": kit.forward(("a", 1)),
        }
        on = kit.listener(port, default=actions[kind])
        await bench.apply(kit.load_balancer(), on, kit.default_rule(on), kit.target_group("a", one.target()))
        refused = {
            405: await bench.get(port, method="TRACE"),
            463: await bench.get(port, headers={"X-Forwarded-For": ", ".join(["10.0.0.1"] * 31)}),
            400: await bench.get(port, headers={"Transfer_Encoding": "chunked", "Content-Length": "0"}),
        }
        for status, answer in refused.items():
            assert answer.status == status
            assert f"<title>{status}" in answer.text
            assert [value for key, value in answer.headers if key == "content-type"] == ["text/html"]
            assert [value for key, value in answer.headers if key == "server"] == ["awselb/2.0"]
            assert "location" not in dict(answer.headers)
        plain = await bench.get(port)
        assert plain.status == {"fixed-response": 403, "redirect": 301, "forward": 200}[kind]
        if kind == "fixed-response":
            assert (plain.text, plain.header("content-type")) == ("mine", "application/json")

    run_bench(story)
