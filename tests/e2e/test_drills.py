"""Drills as their users run them, on a world twenty times as fast."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kunren.drills.checkers.operations import operations_of
from kunren.drills.database import programs
from kunren.drills.history import read_history
from kunren.drills.shipped import shipped
from kunren.management.client import Management

LOOP = """
while [ ! -e "$2" ]; do
    began=$(date +%s.%N)
    status=$(curl -s -o /dev/null -m 2 -w '%{http_code}' "$1")
    echo "$began $(date +%s.%N) $status"
done
"""


@pytest.fixture
def changed(tmp_path):
    """`changed(name, edit)`: the file of a shipped drill that `edit` has changed."""

    def change(name: str, edit: Any = lambda told: None) -> Path:
        file = shipped()[name]
        told = yaml.safe_load(file.read_text())
        told["architecture"]["script"] = str(file.parent / told["architecture"]["script"])
        told["late"] = "1m"  # a busy machine is not what is tested
        edit(told)
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(told))
        return path

    return change


@pytest.fixture
def drilled(kunren, tmp_path):
    """`drilled(file, *options)`: the exit code and the result of a run."""

    def run(file: Path | str, *options: str) -> tuple[int, dict[str, Any]]:
        result = tmp_path / "result.json"
        done = kunren.run("drill", "run", str(file), "--json", str(result), *options)
        assert result.exists(), done.stdout + done.stderr
        return done.returncode, json.loads(result.read_text())

    return run


def balancers(kunren):
    return kunren.client("elbv2").describe_load_balancers()["LoadBalancers"]


def test_the_recovery_time_is_that_of_an_independent_curl_loop(kunren, changed, tmp_path, until):
    result, junit, html, stop = (tmp_path / each for each in ("result.json", "junit.xml", "report.html", "stop"))

    def longer(told):
        told["faults"][0]["for"] = "40s"
        told["objectives"] = [{"name": "rto", "target": "30s"}, {"name": "error_budget", "target": "100 %"}]

    outputs = ("--json", str(result), "--junit", str(junit), "--html", str(html))
    command = ["drill", "run", "--state", str(kunren.state), *outputs, str(changed("bad-rule-change", longer))]
    drill = subprocess.Popen([sys.executable, "-m", "kunren.cli.main", *command], env=kunren.environment)
    try:
        url = f"http://{until(lambda: balancers(kunren), 'the load balancer')[0]['DNSName']}/"
        with (tmp_path / "curl.log").open("w") as log:
            loop = kunren.popen("--", "sh", "-c", LOOP, "sh", url, str(stop), stdout=log)
            code = drill.wait(120)
            stop.touch()
            loop.wait(30)
    finally:
        drill.kill()
        drill.wait()
    told = json.loads(result.read_text())
    assert (code, told["verdict"], told["speed"]) == (1, False, 20.0), told["reason"]
    assert told["reason"] == f"rto is {told['rto_s']:.2f}".rstrip("0").rstrip(".") + " s, not within 30 s"
    by_curl, gap = outage_of_curl((tmp_path / "curl.log").read_text().splitlines())
    measured = told["rto_s"] / told["speed"]
    assert abs(measured - by_curl) <= max(0.1 * measured, 0.2) + gap
    assert '<failure message="rto is' in junit.read_text()
    assert "An objective was missed" in html.read_text()
    again = tmp_path / "again.json"
    assert kunren.run("drill", "check", "--json", str(again), told["history"]).returncode == 1
    assert json.loads(again.read_text()) == told
    assert balancers(kunren) == []
    (kept,) = (each for each in Management(kunren.state).get("/drill-results") if each["drill"] == "bad-rule-change")
    assert (kept["disruption"], kept["verdict"], kept["rto_s"]) == ("Software", False, told["rto_s"])
    assert any(each.endswith(".elb.amazonaws.com") for each in kept["resources"])


def outage_of_curl(lines: list[str]) -> tuple[float, float]:
    """How long the longest row of failed requests lasted, up to the next good one, and the longest time from one request
    to the next; in seconds. (A busy machine may fail one by itself.)"""
    rows = [(float(began), float(ended), status == "200") for began, ended, status in map(str.split, lines)]
    good = [index for index, row in enumerate(rows) if row[2]]
    _, last, first = max((later - earlier, later, earlier + 1) for earlier, later in itertools.pairwise(good))
    gaps = [later[0] - row[0] for row, later in itertools.pairwise(rows)]
    return rows[last][1] - rows[first][0], max(gaps)


@pytest.mark.parametrize("settings", [{"health_checks": False}, {"ttl": 3000}], ids=["no health checks", "TTL"])
def test_a_standby_that_nobody_is_sent_to_in_time_is_caught(drilled, changed, settings):
    def hurried(told):
        told["architecture"]["settings"] = {"ttl": 10, "threshold": 1, **settings}
        told["steady_state"] = {"for": "20s"}
        told["faults"][0] |= {"after": "1s", "for": "90s"}
        told["objectives"] = [{"name": "rto", "target": "60s"}]
        told["recovery"] = "10s"

    code, result = drilled(changed("active-passive-dns", hurried))
    assert (code, result["verdict"], result["rto_s"]) == (1, False, None), result["reason"]
    assert result["reason"].startswith('rto is over 60 s: no steady recovery from "the primary\'s instance dies"')


def test_a_fault_that_never_heals_is_caught_and_taken_away_all_the_same(kunren, drilled, changed):
    def for_ever(told):
        del told["faults"][0]["for"], told["faults"][0]["heal"]
        told["faults"][0]["heals"] = False
        told["recovery"] = "60s"

    code, result = drilled(changed("bad-rule-change", for_ever))
    assert (code, result["verdict"], result["rto_s"]) == (1, False, None), result["reason"]
    assert result["reason"].startswith("rto is over 30 s: no steady recovery from 'the rule answers 503'")
    assert result["faults"][0]["healed_s"] is None
    assert balancers(kunren) == []


def test_one_zone_alone_is_caught(kunren, drilled, changed):
    """Broken by an experiment, which is stopped at the end."""

    def one_zone(told):
        told["architecture"]["settings"] = {"zones": 1}
        cut = {
            "actionId": "aws:network:disrupt-connectivity",
            "parameters": {"duration": "PT1H", "scope": "all"},
            "targets": {"Subnets": "subnets"},
        }
        subnets = {"resourceType": "aws:ec2:subnet", "selectionMode": "ALL"}
        experiment = {
            "description": "A zone's subnets are cut off",
            "roleArn": "${role}",
            "stopConditions": [{"source": "none"}],
            "targets": {"subnets": {**subnets, "parameters": {"availabilityZoneIdentifier": "${zone}"}}},
            "actions": {"cut": cut},
        }
        told["faults"] = [{"name": "a zone is lost", "experiment": experiment, "after": "1s", "heals": False}]
        told["objectives"] = [{"name": "availability", "target": "90 %"}]
        told["recovery"] = "80s"

    code, result = drilled(changed("az-lost", one_zone))
    assert (code, result["verdict"], result["rto_s"]) == (1, False, None), result["reason"]
    assert result["reason"].startswith("availability is ")
    assert result["faults"][0]["healed_s"] is None
    assert balancers(kunren) == []
    (kept,) = (each for each in Management(kunren.state).get("/drill-results") if each["drill"] == "az-lost")
    assert (kept["disruption"], kept["verdict"], kept["rto_s"]) == ("AZ", False, None)
    experiments = kunren.client("fis").list_experiments()["experiments"]
    assert {each["state"]["status"] for each in experiments} <= {"stopped", "completed"}
    templates = kunren.client("fis").list_experiment_templates()["experimentTemplates"]
    assert "A zone's subnets are cut off" not in [each["description"] for each in templates]  # others' tests have some


def test_databases_and_websockets_are_drilled(drilled, tmp_path):
    """Acknowledged orders are there after PostgreSQL was killed; messages on open connections come back again."""
    if programs() is None:
        pytest.skip("no PostgreSQL is installed")
    file = Path(__file__).parents[2] / "examples" / "drills" / "live-orders.yaml"
    told = yaml.safe_load(file.read_text())
    told["architecture"]["script"] = str(file.parent / told["architecture"]["script"])
    told["late"] = "1m"
    told["objectives"] = [each for each in told["objectives"] if each["name"] != "rto"]  # a busy machine's
    (tmp_path / "orders.yaml").write_text(yaml.safe_dump(told))
    code, result = drilled(tmp_path / "orders.yaml")
    assert (code, result["verdict"], result["rpo_s"]) == (0, True, 0), result["reason"]
    assert {each["name"]: each["measured"] for each in result["objectives"]} == {"lost": 0, "duplicated": 0, "rpo": 0}
    history = read_history(Path(result["history"]))
    operations, found = operations_of(history), {each["client"]: each["kind"] for each in history.told("client")}
    for kind in ("websocket", "sql"):
        chosen = operations.of({client for client, each in found.items() if each == kind})
        assert 0 < chosen.ok.sum() < len(chosen), f"{kind} operations failed, and were ok again"
        assert chosen.ok[-1]


def running(kunren: Any, file: Path, *options: str) -> subprocess.Popen[str]:
    """A run of which the fault has begun."""
    command = ["drill", "run", "--state", str(kunren.state), *options, str(file)]
    process = subprocess.Popen(
        [sys.executable, "-m", "kunren.cli.main", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=kunren.environment,
    )  # fmt: skip
    for line in process.stderr:
        if "── the rule answers 503: started" in line:
            return process
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_whoever_interrupts_a_drill_leaves_nothing_behind(kunren, changed, tmp_path, how):
    def long(told):
        told["faults"][0]["for"] = "1h"

    result = tmp_path / "result.json"
    process = running(kunren, changed("bad-rule-change", long), "--json", str(result))
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == 2
    told = json.loads(result.read_text())
    assert (told["verdict"], told["reason"]) == ("unknown", "it was interrupted")
    assert balancers(kunren) == []


def test_a_daemon_that_is_killed_heals_at_its_next_start(own_kunren, changed):
    def long(told):
        told["faults"][0]["for"] = "1h"

    own_kunren.up("--speed", "20")
    process = running(own_kunren, changed("bad-rule-change", long))
    os.kill(own_kunren.pid, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2, said
    assert "Kunren ended in the middle of the drill" in said
    own_kunren.up("--speed", "20")
    elb = own_kunren.client("elbv2")
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancers(own_kunren)[0]["LoadBalancerArn"])["Listeners"]
    rule = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"][0]
    assert [each["Type"] for each in rule["Actions"]] == ["forward"]
    assert "unfinished drill bad-rule-change" in (own_kunren.state / "logs" / "daemon.log").read_text()
    assert list((own_kunren.state / "unfinished-drills").iterdir()) == []


def test_what_the_simulator_foretells_is_what_is_measured(kunren, drilled, changed, tmp_path):
    """The prediction is that of the unluckiest of many resolvers; of the two of this drill, each is luckier by up to a TTL
    and a round of probes. What a busy machine adds is left to the measured side."""

    def hurried(told):
        told["architecture"]["settings"] = {"ttl": 20, "threshold": 2}
        told["steady_state"] = {"for": "30s"}
        told["faults"][0] |= {"after": "1s", "for": "120s"}
        told["objectives"] = [{"name": "availability", "target": "1 %"}]
        told["recovery"] = "60s"
        told["simulation"] = {"clients": 20_000, "resolvers": 500}

    file, curve = changed("active-passive-dns", hurried), tmp_path / "curve.json"
    done = kunren.run("simulate", str(file), "--seed", "1", "--json", str(curve))
    assert done.returncode == 0, done.stderr
    foretold = json.loads(curve.read_text())
    assert 60 <= foretold["rto_s"] <= 110, "two probes ten seconds apart, and an alias's TTL of a minute"
    _, result = drilled(file)
    assert foretold["rto_s"] - 90 <= result["rto_s"] <= 180
    slow = tmp_path / "slow.json"
    kunren.run("simulate", str(file), "--seed", "1", "--set", "ttl=300", "--json", str(slow), check=True)
    assert json.loads(slow.read_text())["rto_s"] >= 119, "a TTL of 300 s outlasts the fault"


def test_an_architecture_may_be_a_template(kunren, drilled, tmp_path):
    folder = Path(__file__).parents[2] / "examples" / "drills"
    told = yaml.safe_load((folder / "stack-site.yaml").read_text())
    told["architecture"]["template"] = str(folder / told["architecture"]["template"])
    told |= {"late": "1m", "steady_state": {"for": "10s", "within": "10m"}, "recovery": "20s"}
    told["faults"][0]["for"] = "30s"
    file = tmp_path / "stack-site.yaml"
    file.write_text(yaml.safe_dump(told))
    code, result = drilled(file)
    assert code == 0, result
    assert balancers(kunren) == []
