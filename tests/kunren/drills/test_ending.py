"""What is said where Kunren ends under a drill: by what a running one answers, not by what failed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import EndpointConnectionError

from kunren.drills.ending import while_kunren_runs
from kunren.drills.failures import DrillFailed, KunrenEnded
from kunren.drills.redirect import run as redirect

REFUSED = EndpointConnectionError(endpoint_url="http://127.0.0.1:4566/")


def access(runs):
    return SimpleNamespace(
        management=SimpleNamespace(running=lambda: runs), endpoint="http://127.0.0.1:1", credentials={}
    )  # fmt: skip


@pytest.mark.parametrize("error", [REFUSED, DrillFailed("the client ended"), KeyboardInterrupt()], ids=repr)
def test_an_end_is_named_where_there_is_one(error):
    with pytest.raises(type(error)), while_kunren_runs(access(True), "deployed"):
        raise error
    with pytest.raises(KunrenEnded) as told, while_kunren_runs(access(False), "deployed"):
        raise error
    assert (
        str(told.value) == "Kunren ended while it was deployed; what had been deployed is there when it starts again."
    )


def test_nothing_is_taken_away_from_a_kunren_that_has_ended(monkeypatch):
    removed = []

    def remove(*_):
        removed.append(1)
        raise REFUSED

    monkeypatch.setattr(redirect, "_remove", remove)
    with pytest.raises(KunrenEnded), redirect.deployed("alb", None, access(False), False, lambda _: None):
        raise AssertionError("it was deployed")
    assert removed == [1]
