"""What the simulator does not know is refused, not foretold as an outage."""

from dataclasses import replace
from pathlib import Path

import pytest

from kunren.control.store import Store
from kunren.drills.document import read_drill
from kunren.drills.shipped import shipped
from kunren.simulate.health import Epoch, Told
from kunren.simulate.predict import KINDS, asked, followed, predict
from kunren.simulate.scenario import CannotSimulate
from kunren.world.worldfile import load_world


@pytest.fixture
def empty(tmp_path):
    """The state of a world where nothing is deployed that the simulator knows."""
    store = Store(tmp_path / "state.db")
    store.register(*KINDS)
    store.close()
    return tmp_path / "state.db"


def test_a_name_that_only_others_know_is_refused(empty):
    values = {"name": "a1.awsglobalaccelerator.com", "primary_subnet": "subnet-1", "primary_address": "10.0.0.9"}
    drill = read_drill(shipped()["active-passive-dns"])
    with pytest.raises(CannotSimulate, match=r"a1\.awsglobalaccelerator\.com has no address for"):
        predict(drill, values, empty, load_world(None), 1)


def test_an_address_that_is_no_load_balancers_is_refused():
    class Nothing:
        def knows(self, address):
            return address == "198.18.0.1"

    def steady(address):
        return Epoch(0.0, {"tokyo": [Told(address, 60.0, "a.test", 0.0, 1.0)]}, None, {})

    followed(Nothing(), "a.test", steady("198.18.0.1"))
    with pytest.raises(CannotSimulate, match=r"a\.test leads tokyo to 198\.18\.0\.2, which is no load balancer's"):
        followed(Nothing(), "a.test", steady("198.18.0.2"))


def test_what_is_followed_is_the_name_of_the_first_traffic_that_goes_to_one():
    example = read_drill(Path(__file__).parents[3] / "examples" / "drills" / "live-orders.yaml")
    values = {"name": "web.test", "database": "postgresql://drill:drill@db.test:5432/postgres"}
    assert asked(example, values) == ("web.test", ["virginia", "tokyo"])
    orders = replace(example, traffic=example.traffic[1:])
    assert asked(orders, values) == ("db.test", ["virginia"])
    names = replace(example, traffic=())
    with pytest.raises(CannotSimulate, match="no traffic of this drill goes to a name"):
        asked(names, values)
