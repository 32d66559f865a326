import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from kunren.drills.document import SCHEMA, BadDrill, filled, read_drill
from kunren.drills.report.suite import read_suite
from kunren.drills.run import speed_problem, steps
from kunren.drills.shipped import shipped

EXAMPLES = Path(__file__).parents[3] / "examples" / "drills"
GOOD = """\
drill: mine
architecture:
  script: deploy.py
targets:
  a: {subnet: "${subnet}", command: [python, -m, http.server, 80]}
traffic:
  users:
    http: {url: "http://${name}/"}
    from: [tokyo, london]
    rate: 10
faults:
  - name: it dies
    kill: a
    after: 1m
    for: 30s
objectives:
  - {name: rto, target: 90s}
"""


@pytest.fixture
def refused(tmp_path):
    """What is said of the good drill with one text put in another's place."""

    def refuse(old, new):
        (tmp_path / "deploy.py").touch()
        path = tmp_path / "mine.yaml"
        assert old in GOOD
        path.write_text(GOOD.replace(old, new))
        with pytest.raises(BadDrill) as told:
            read_drill(path)
        return str(told.value).removeprefix(f"{path}:")

    return refuse


def test_a_drill_is_read(tmp_path):
    (tmp_path / "deploy.py").touch()
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    drill = read_drill(path)
    assert (drill.name, drill.objectives[0].target, drill.steady_s, drill.recovery_s) == ("mine", 90.0, 5.0, 10.0)
    assert drill.traffic[0].places == ("tokyo", "london")
    plan = [(each.at_s, each.kind) for each in steps(drill, 10)]
    assert plan == [(6.0, "inject"), (9.0, "heal"), (10.0, "stop")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    rate: 10", "    rte: 10", "10: traffic.users has no key 'rte'; did you mean 'rate'?"),
        ("    rate: 10\n", "", "7: traffic.users needs 'rate'."),
        ("{name: rto, target: 90s}", "{name: rot, target: 90s}", "17: objectives.0.name is 'rot'; it may be rto, rpo"),
        ("target: 90s", "target: soon", "17: the target 'soon' can't be read: 'soon' is no duration."),
        ("after: 1m", "after: 1 week", "14: faults.0.after is '1 week'; write a number and ms, s, m or h, as in 30s."),
        ("kill: a", "kill: b", "13: there is no target 'b'; there are: a."),
        ("kill: a", "call: {service: elbv2, operation: modify_rule}", "12: say how it is healed"),
        ("{name: rto, target: 90s}", "{name: rpo, target: 1s}", "17: nothing measures rpo: it takes traffic that writes"),
        ("{name: rto, target: 90s}", "{name: rto, target: 90s, traffic: x}", "17: there is no traffic 'x'; there are users."),
        ('http: {url: "http://${name}/"}', "kafka: {topic: a}", "8: there is no kafka traffic: it comes with MSK, which"),
        ('    http: {url: "http://${name}/"}\n', "", "7: traffic.users needs exactly one of http, dns, tcp, udp, websocket, sqs, sql."),
        ("script: deploy.py", "script: other.py", "3: there is no "),
        ("drill: mine", "drill: mine\ndrill: yours", "2: 'drill' is there twice; keep one."),
        ("drill: mine", "drill: [", "3: this is no YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(refused, old, new, said):
    assert refused(old, new).startswith(said)


def test_an_objective_about_writes_takes_all_that_write_to_be_read_back(refused):
    writes = """\
traffic:
  kept:
    http: {url: "http://${name}/{write}", method: POST}
    read_back: "http://${name}/writes"
    from: [tokyo]
    rate: 10
"""
    forgotten = 'rate: 10\n  forgotten:\n    http: {url: "http://${name}/{write}", method: POST}\n    from: [tokyo]\n    rate: 10\n'
    objectives = "faults:\n  - {name: it dies, kill: a, for: 30s}\nobjectives:\n  - {name: rpo, target: 0s}\n"
    whole = GOOD[GOOD.index("traffic:") :]
    said = refused(whole, writes.replace("rate: 10\n", forgotten) + objectives)
    assert "nothing measures rpo" in said
    assert "all of it read back" in said


def test_a_query_reads_back_where_the_statements_went(tmp_path):
    (tmp_path / "deploy.py").touch()
    path = tmp_path / "mine.yaml"
    sql = 'sql: {url: "${db}", statement: "insert into t values (\'{write}\')"}\n    read_back: select name from t'
    path.write_text(GOOD.replace('http: {url: "http://${name}/"}', sql))
    (traffic,) = read_drill(path).traffic
    assert traffic.writes
    assert traffic.read_back == "${db} select name from t"


def test_every_shipped_drill_is_one_and_fits_the_schema():
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {"active-passive-dns", "active-passive-accelerator", "az-lost", "bad-rule-change"} <= set(shipped())
    examples = {each.stem: each for each in EXAMPLES.glob("*.yaml")}
    assert examples
    for name, path in {**shipped(), **examples}.items():
        if read_suite(path) is not None:
            continue
        assert read_drill(path).name == name
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)


def test_values_are_filled_in_whole_or_as_part_of_a_text():
    values = {"port": 80, "name": "a.test"}
    assert filled({"url": "http://${name}:${port}/", "ports": ["${port}"]}, values) == {
        "url": "http://a.test:80/",
        "ports": [80],
    }
    with pytest.raises(BadDrill, match=r"\$\{nam\}, which the architecture does not give; it gives port, name"):
        filled("${nam}", values)


def test_a_speed_at_which_operations_are_too_far_apart_is_refused(tmp_path):
    (tmp_path / "deploy.py").touch()
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    drill = read_drill(path)
    assert speed_problem(drill, 20) == ("", False)
    text, wrong = speed_problem(drill, 100)
    assert "counts as 200 s" in text
    assert not wrong
    assert speed_problem(drill, 1000)[1]
