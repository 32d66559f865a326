"""What a command's status is by those of its invocations, and which of them may start."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ssm.commands import states
from kunren.services.ssm.model import Command, Invocation

ALL = (
    "Pending", "Delayed", "In Progress", "Cancelling", "Success", "Failed", "Cancelled", "Terminated",
    "Delivery Timed Out", "Execution Timed Out", "Undeliverable",
)  # fmt: skip


def command(errors_max=0, concurrency=50, cancelled=False):
    return Command(
        account="1", region="r", id="c", document="AWS-RunShellScript", version="", step="aws:runShellScript", lines=["x"], folder="", comment="", parameters={},
        instance_ids=[], targets=[], nodes=[], requested=1000.0, timeout_s=600, execution_s=3600, max_concurrency="50",
        max_errors="0", concurrency=concurrency, errors_max=errors_max, cancelled=cancelled,
    )  # fmt: skip


def invocations(*details):
    return [
        Invocation(
            account="1",
            region="r",
            id=f"c/i-{n}",
            command="c",
            instance_id=f"i-{n}",
            name="",
            requested=1000.0,
            details=each,
        )
        for n, each in enumerate(details)
    ]


@pytest.mark.parametrize(
    ("found", "errors_max", "whole", "status"),
    [
        (("Pending", "Delayed"), 0, "Pending", "Pending"),
        (("Pending", "Success"), 0, "In Progress", "InProgress"),
        (("Success", "In Progress"), 0, "In Progress", "InProgress"),
        (("Success", "Success"), 0, "Success", "Success"),
        (("Success", "Undeliverable"), 0, "Success", "Success"),
        (("Success", "Failed"), 0, "Failed", "Failed"),
        (("Success", "Failed"), 1, "Incomplete", "Failed"),
        (("Failed", "Execution Timed Out"), 1, "Failed", "Failed"),
        (("Failed", "Terminated"), 0, "Failed", "Failed"),
        (("Execution Timed Out",), 0, "Execution Timed Out", "TimedOut"),
        (("Delivery Timed Out", "Success"), 0, "Delivery Timed Out", "TimedOut"),
        (("Delivery Timed Out", "Success"), 1, "Incomplete", "Failed"),
        (("Cancelled", "Cancelled"), 0, "Cancelled", "Cancelled"),
        (("Cancelled", "Success"), 0, "Incomplete", "Failed"),
        ((), 0, "NoInstancesInTag", "Success"),
    ],
)
def test_a_commands_status_follows_from_its_invocations(found, errors_max, whole, status):
    details = states.details_of(command(errors_max), invocations(*found))
    assert (details, states.status(details)) == (whole, status)


def test_a_cancelled_command_is_cancelling_until_its_last_script_has_ended():
    assert states.details_of(command(cancelled=True), invocations("Success", "Cancelling")) == "Cancelling"
    assert states.details_of(command(cancelled=True), invocations("Success", "Cancelled")) == "Cancelled"


@pytest.mark.parametrize(
    ("given", "targets", "number"), [("10", 3, 10), ("0", 3, 0), ("10%", 50, 5), ("10%", 9, 0), ("100%", 7, 7)]
)
def test_percentages_are_of_the_targets(given, targets, number):
    assert states.number_of(given, targets) == number


@pytest.mark.parametrize(
    ("details", "now", "gone", "becomes"),
    [
        ("Pending", 1599.0, False, None),
        ("Pending", 1600.0, False, "Delivery Timed Out"),
        ("Delayed", 1600.0, False, "Delivery Timed Out"),
        ("Delayed", 1001.0, True, "Undeliverable"),
        ("In Progress", 5199.0, True, None),
        ("In Progress", 5200.0, True, "Delivery Timed Out"),
        ("Success", 9999.0, True, None),
    ],
)
def test_delivery_has_its_time_and_the_whole_has_both_times(details, now, gone, becomes):
    assert states.overdue(command(), *invocations(details), now, gone) == becomes


@given(st.lists(st.sampled_from(ALL), max_size=12), st.integers(1, 5))
def test_never_more_run_than_the_command_allows(found, concurrency):
    rows = invocations(*found)
    starting = states.next_ones(command(concurrency=concurrency), rows)
    going = sum(each in ("In Progress", "Cancelling") for each in found)
    waiting = sum(each in ("Pending", "Delayed") for each in found)
    assert len(starting) == min(waiting, max(0, concurrency - going))


@given(st.lists(st.sampled_from(ALL), max_size=12), st.integers(0, 3), st.booleans())
def test_a_command_has_ended_when_all_its_invocations_have(found, errors_max, cancelled):
    whole = states.details_of(command(errors_max, cancelled=cancelled), invocations(*found))
    assert states.ended(whole) == all(states.ended(each) for each in found)
    assert states.status(whole) in {"Pending", "InProgress", "Success", "Cancelled", "Failed", "TimedOut", "Cancelling"}
