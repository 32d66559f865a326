"""What `kunren drill run` is told and can't do is refused by its name, before anything runs."""

import pytest
from click.testing import CliRunner

from kunren.cli.drill import run

FILES = ["--junit", "a.xml", "--html", "a.html", "--history", "a.history"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["redirect", "--repeat", "2", "--set", "a=b"], "the drill redirect takes no --repeat and no --set."),
        (["redirect", *FILES], "the drill redirect takes no --junit and no --html and no --history."),
        (["four-strategies", "--repeat", "2"], "a suite of drills takes no --repeat."),
        (["four-strategies", "--set", "a=b"], "a suite of drills takes no --set."),
    ],
)
def test_what_would_be_ignored_is_refused(tmp_path, arguments, said):
    done = CliRunner().invoke(run, ["--state", str(tmp_path), *arguments])
    assert (done.exit_code, said in done.output) == (2, True), done.output
