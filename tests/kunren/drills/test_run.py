"""What a drill does where something goes wrong with the drill itself."""

from types import SimpleNamespace

import pytest

from kunren.drills.access import Access
from kunren.drills.document import read_drill
from kunren.drills.failures import DrillFailed
from kunren.drills.injection import Injector
from kunren.drills.live import Live
from kunren.drills.model import Fault
from kunren.drills.run import Plan, Run
from kunren.drills.shipped import shipped


def test_a_heal_that_asks_for_what_the_architecture_does_not_give_takes_the_deployment_away(tmp_path):
    drill = read_drill(shipped()["bad-rule-change"])
    plan = Plan(drill, Access(tmp_path, "http://127.0.0.1:1"), tmp_path / "a.history", tmp_path, 1.0, None)
    running = Run(plan, Live(), lambda text: None)
    removed = []
    running._deployment = SimpleNamespace(deploy=lambda: {"name": "a.test"}, remove=lambda: removed.append(True))
    with pytest.raises(DrillFailed, match=r"asks for \$\{rule\}"):
        running.carry_out()
    assert removed == [True]
    assert not plan.history.exists()


def test_clients_that_end_because_kunren_ended_are_not_the_reason(tmp_path):
    drill = read_drill(shipped()["instance-refresh"])
    plan = Plan(drill, Access(tmp_path, "http://127.0.0.1:1"), tmp_path / "a.history", tmp_path, 1.0, None)

    def prepare():
        raise DrillFailed("the clients in virginia have ended")

    clients = SimpleNamespace(prepare=prepare, end=lambda: None)
    programs = SimpleNamespace(start_all=lambda: None, end=lambda: None)
    injector = SimpleNamespace(heal_all=list)
    reason = Run(plan, Live(), lambda text: None)._course(clients, programs, injector)
    assert reason == "Kunren ended in the middle of the drill; what was broken is healed when it starts again"


def test_what_could_not_be_healed_still_stands_and_is_tried_again(tmp_path):
    refusals = [RuntimeError("busy")]

    def start(name):
        if refusals:
            raise refusals.pop()

    programs = SimpleNamespace(kill=lambda name: None, start=start)
    injector = Injector(Access(tmp_path, ""), programs, {}, "drill", SimpleNamespace())
    injector.inject(Fault("a dies", "kill", "a"))
    with pytest.raises(DrillFailed, match="'a dies' could not be healed: busy"):
        injector.heal("a dies")
    assert injector.standing == ["a dies"]
    assert injector.heal_all() == []
    assert injector.standing == []
