"""What `kunren drill run` is told and can't do is refused by its name, before anything runs."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from kunren.cli.drill import _write_suite, run
from kunren.drills.checkers.judge import Result
from kunren.drills.report.suite import read_suite
from kunren.drills.shipped import shipped

FILES = ["--html", "a.html", "--history", "a.history"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["redirect", "--set", "a=b"], "the drill redirect takes no --set."),
        (["redirect", *FILES], "the drill redirect takes no --html and no --history."),
        (["redirect", "--architecture", "all", "--repeat", "2"], "--repeat and --junit are of one architecture"),
        (["redirect", "--template", __file__], "the drill redirect takes no --template."),
        (["four-strategies", "--set", "a=b"], "a suite of drills takes no --set."),
        (["four-strategies", "--template", __file__], "a suite of drills takes no --template."),
        (["az-lost", "--deploy-with", "cdk"], "--architecture, --domains and --deploy-with belong to redirect"),
    ],
)
def test_what_would_be_ignored_is_refused(tmp_path, arguments, said):
    done = CliRunner().invoke(run, ["--state", str(tmp_path), *arguments])
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_a_suite_whose_drills_state_no_cost_is_shown(capsys):
    suite = read_suite(shipped()["four-strategies"])
    free = replace(suite, drills=tuple(replace(each, cost=None) for each in suite.drills))
    runs = [Result(each.name, True, "", (), 7.5, None, {}, {}, (), 1.0, None, "") for each in free.drills]
    _write_suite(free, runs, None, None, None)
    assert capsys.readouterr().out.splitlines()[0] == "backup-and-restore\t7.5 s\t–\t–\tholds"
