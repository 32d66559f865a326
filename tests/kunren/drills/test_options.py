"""What `kunren drill run` is told and can't do is refused by its name, before anything runs."""

import pytest
from click.testing import CliRunner

from kunren.cli.drill import run

FILES = ["--html", "a.html", "--history", "a.history"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["redirect", "--set", "a=b"], "the drill redirect takes no --set."),
        (["redirect", *FILES], "the drill redirect takes no --html and no --history."),
        (["redirect", "--architecture", "all", "--repeat", "2"], "--repeat and --junit are of one architecture"),
        (["four-strategies", "--set", "a=b"], "a suite of drills takes no --set."),
    ],
)
def test_what_would_be_ignored_is_refused(tmp_path, arguments, said):
    done = CliRunner().invoke(run, ["--state", str(tmp_path), *arguments])
    assert (done.exit_code, said in done.output) == (2, True), done.output
