import pytest

from kunren.drills.document import read_drill
from kunren.drills.shipped import shipped
from kunren.simulate.scenario import CannotSimulate, Dark, Spot, dark_times, iso_seconds, state_of

VALUES = {"primary_address": "10.0.0.9", "primary_subnet": "subnet-1", "zone": "us-east-1a", "rule": "r", "group": "g"}
SPOT = Spot("10.0.0.9", "subnet-1", "us-east-1a", "us-east-1")


def test_what_a_drill_breaks_is_dark_for_its_time():
    (killed,) = dark_times(read_drill(shipped()["active-passive-dns"]), VALUES, 500.0)
    assert killed == Dark("address", "subnet-1 10.0.0.9", 10.0, 190.0, silent=False)
    (lost,) = dark_times(read_drill(shipped()["az-lost"]), VALUES, 500.0)
    assert (lost.what, lost.name, lost.silent) == ("zone", "us-east-1a", True)
    with pytest.raises(CannotSimulate, match="'the rule answers 503' can't be simulated"):
        dark_times(read_drill(shipped()["bad-rule-change"]), VALUES, 500.0)


@pytest.mark.parametrize(
    ("dark", "at_s", "state"),
    [
        (Dark("zone", "us-east-1a", 5, 10), 4.9, "well"),
        (Dark("zone", "us-east-1a", 5, 10), 5, "silent"),
        (Dark("zone", "us-east-1a", 5, 10), 10, "well"),
        (Dark("zone", "us-east-1b", 5, 10), 6, "well"),
        (Dark("address", "subnet-1 10.0.0.9", 5, 10, silent=False), 6, "dead"),
        (Dark("address", "subnet-2 10.0.0.9", 5, 10, silent=False), 6, "well"),
        (Dark("region", "us-east-1", 5, 10), 6, "silent"),
    ],
)
def test_what_a_part_does_while_something_is_dark(dark, at_s, state):
    assert state_of(SPOT, [dark], at_s) == state


def test_durations_of_experiments():
    assert [iso_seconds(each) for each in ("PT3M", "PT1H2S", "PT150S")] == [180.0, 3602.0, 150.0]
