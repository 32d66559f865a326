"""Resolvers and clients on their own: a name that leads to one address, and from second 100 on to another."""

import pytest

from kunren.control.store import Store
from kunren.drills.model import Simulation
from kunren.simulate.health import Epoch, Told
from kunren.simulate.population import recovery_curve

SNAPSHOT = Store(None).snapshot()


def curve(ttl_s=60.0, owner_ttl_s=0.0, **simulation):
    def told(address):
        return [Told(address, ttl_s, "name." if not owner_ttl_s else f"{address}.", owner_ttl_s, 1.0)]

    owners = {f"{each}.": told(each) for each in ("old", "new")}
    epochs = [Epoch(start, {"tokyo": told(each)}, SNAPSHOT, owners) for start, each in ((0.0, "old"), (100.0, "new"))]
    settings = {"clients": 20_000, "resolvers": 500, "requests_per_client": 6.0, **simulation}
    return recovery_curve(
        Simulation(**settings),
        ["tokyo"],
        epochs,
        lambda _, address, at: float(address == "new" or at < 90),
        400.0,
        1,
        700.0,
    )


def last_bad(found):
    return max(second for second in range(400) if found.ok[second] < found.sent[second])


def test_the_last_cache_forgets_a_ttl_after_the_change():
    found = curve()
    assert found.sent.sum() == pytest.approx(400 * 2000)
    assert found.ok[:90].sum() == found.sent[:90].sum()
    assert found.ok[90:100].sum() == 0
    assert 155 <= last_bad(found) <= 161
    assert found.ok[130] / found.sent[130] == pytest.approx(0.5, abs=0.1)


def test_what_a_cname_leads_to_is_known_as_long_as_the_cname():
    assert 340 <= last_bad(curve(ttl_s=60.0, owner_ttl_s=300.0)) <= 399


def test_resolvers_that_ignore_ttls_are_late():
    found = curve(ignoring_ttl=0.1, ignored_for_s=250.0)
    assert found.ok[170] / found.sent[170] == pytest.approx(0.9 + 0.1 * 70 / 250, abs=0.06)
    assert 330 <= last_bad(found) <= 351
