"""What comes next, what a template can be, which resources are meant: the pure parts of fis."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.model import AclEntry
from kunren.services.fis import acls, report
from kunren.services.fis.checks import check_logs, check_template
from kunren.services.fis.durations import seconds
from kunren.services.fis.model import OVER, ActionRun, Experiment, Found
from kunren.services.fis.plan import Step, next_steps
from kunren.services.fis.targets import Candidate, at, fits, selected


def wait(*after):
    return {"actionId": "aws:fis:wait", "parameters": {"duration": "PT1M"}, "startAfter": list(after)}


def experiment(actions, **states):
    runs = {name: states.get(name, ActionRun()) for name in actions}
    return Experiment(
        account="1", region="r", id="EXP1", description="", role_arn="", template_id="EXT1", actions=actions, runs=runs,
        status="running",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PT1M", 60), ("PT12H", 43_200), ("P1DT2H3M4S", 93_784), ("PT90S", 90), ("P", None), ("PT", None), ("1M", None)],
)
def test_durations_are_iso_8601(text, expected):
    assert seconds(text) == expected


def test_actions_begin_when_those_before_them_are_over_and_end_by_time():
    actions = {"a": wait(), "b": wait("a"), "c": wait()}
    assert next_steps(experiment(actions), 0) == [Step("begin", "a"), Step("begin", "c")]
    running = ActionRun(status="running", ends_at=60.0)
    assert next_steps(experiment(actions, a=running, c=running), 10) == [Step("wait", at=60.0)]
    done = ActionRun(status="completed")
    assert next_steps(experiment(actions, a=running, c=done), 60) == [Step("finish", "a")]
    assert next_steps(experiment(actions, a=ActionRun(status="skipped"), c=done), 60) == [Step("begin", "b")]
    assert next_steps(experiment(actions, a=done, b=done, c=done), 60) == [Step("complete")]


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(*(st.sets(st.integers(0, max(0, i - 1))) for i in range(n)))))
def test_every_template_that_passes_the_checks_comes_to_its_end(before):
    actions = {str(i): wait(*(str(each) for each in after if each < i)) for i, after in enumerate(before)}
    check_template({}, actions, [{"source": "none"}], {})
    now, runs = 0.0, {name: ActionRun() for name in actions}
    for _ in range(4 * len(actions) + 1):
        for step in next_steps(experiment(actions, **runs), now):
            if step.kind == "begin":
                runs[step.action] = ActionRun(status="running", started=now, ends_at=now + 60)
            elif step.kind == "finish":
                runs[step.action] = ActionRun(status="completed", started=runs[step.action].started, ended=now)
            elif step.kind == "wait":
                now = step.at
    assert all(run.status in OVER for run in runs.values())
    for name, action in actions.items():
        assert all(runs[each].ended <= runs[name].started for each in action["startAfter"])


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ({"actionId": "aws:ecs:task-cpu-stress"}, "does not run yet"),
        ({"actionId": "aws:no:thing"}, "there is no action"),
        ({"actionId": "aws:fis:wait"}, 'Missing required parameter "duration"'),
        ({"actionId": "aws:fis:wait", "parameters": {"duration": "PT1S"}}, "a duration from PT1M to PT12H"),
        ({"actionId": "aws:fis:wait", "parameters": {"duration": "PT1M", "x": "y"}}, 'Unexpected parameter "x"'),
        (wait("nobody"), "is not defined"),
        (wait("it"), "start after each other"),
        ({**wait(), "targets": {"Instances": "x"}}, 'Unexpected target "Instances" found in action "it".'),
    ],
)
def test_what_cannot_run_is_refused(action, text):
    with pytest.raises(AwsError, match=text):
        check_template({}, {"it": action}, [{"source": "none"}], {})


def test_filters_tags_and_selection_modes_choose():
    found = [Found(arn=f"arn:{n}", account="1", region="r", id=str(n)) for n in range(5)]
    one = Candidate(found[0], {"a": "b"}, {"State": {"Name": "running"}, "Tags": [{"Key": "x"}, {"Key": "y"}]})
    assert at(one.described, ["Tags", "Key"]) == ["x", "y"]
    assert fits(one, {"resourceTags": {"a": "b"}, "filters": [{"path": "State.Name", "values": ["running"]}]})
    assert not fits(one, {"resourceTags": {"a": "c"}})
    assert not fits(one, {"filters": [{"path": "State.Name", "values": ["stopped"]}]})
    assert selected("t", "ALL", found, Entropy(1)) == found
    assert len(selected("t", "COUNT(2)", found, Entropy(1))) == 2
    assert len(selected("t", "COUNT(9)", found, Entropy(1))) == 5
    assert len(selected("t", "PERCENT(50)", found, Entropy(1))) == 2


def entry(number, allow, cidr, egress=False):
    return AclEntry(number=number, egress=egress, allow=allow, protocol="-1", cidr_v4=cidr)


def test_an_acl_denies_its_scope_first():
    own = [entry(100, True, "0.0.0.0/0"), entry(50, False, "10.0.1.0/24"), entry(7, True, "192.0.2.0/24", True)]
    assert acls.disrupted("all", own) == []
    denied = acls.disrupted("s3", own, denied=["198.18.0.1/32"])
    assert [(each.number, each.allow, each.cidr_v4) for each in denied if not each.egress] == [
        (1, False, "198.18.0.1/32"), (2, True, "0.0.0.0/0"), (3, False, "10.0.1.0/24"),
    ]  # fmt: skip
    six = AclEntry(number=101, egress=False, allow=True, protocol="-1", cidr_v6="::/0")
    both = acls.disrupted("vpc", [*own, six], vpc=["10.0.0.0/16", "2001:db8::/56"])
    assert [each.cidr_v6 for each in both if each.cidr_v6] == ["2001:db8::/56"]
    inside = acls.disrupted("vpc", own, vpc=["10.0.0.0/16"])
    assert [(each.allow, each.cidr_v4) for each in inside] == [(True, "10.0.0.0/16"), (False, "10.0.1.0/24")]


def test_a_report_is_a_pdf_of_as_many_pages_as_it_needs():
    made = report.pdf([f"line {n} (of many)" for n in range(130)])
    assert made.startswith(b"%PDF-1.4") and made.count(b"/Type /Page ") == 3 and b"\\(of many\\)" in made


def test_logs_are_of_the_schema_that_is_written():
    where = {"s3Configuration": {"bucketName": "logs"}}
    check_logs({"logSchemaVersion": 2, **where})
    with pytest.raises(AwsError, match="1 is not a version"):
        check_logs({"logSchemaVersion": 1, **where})
