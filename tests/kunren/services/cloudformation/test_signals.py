"""Signals and policies: their durations, which types have them, and how a group is rolled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.errors import AwsError
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.rolling import batches, obsolete
from kunren.services.cloudformation.signals import GROUP, check, seconds, spoken, whole
from kunren.services.cloudformation.work import Failed


def test_durations_are_iso_8601_and_at_most_twelve_hours():
    assert [seconds(each) for each in ("PT5M", "PT1H30M", "PT90S", "PT12H", "PT0S")] == [300, 5400, 90, 43_200, 0]
    for wrong in ("5M", "PT", "P1D", "PT12H1S", "PT-5M", 300):
        with pytest.raises(ValidationError):
            seconds(wrong)


def test_numbers_of_policies_may_be_texts_and_nothing_else():
    assert [whole(each, "Count", 1) for each in ({}, {"Count": "3"}, {"Count": 2})] == [1, 3, 2]
    for wrong in ({"Count": "many"}, {"Count": [1]}, {"Count": None}, "Count"):
        with pytest.raises(ValidationError, match="Count"):
            whole(wrong, "Count", 1)


def test_policies_that_a_type_does_not_have_are_refused_by_name():
    check("A", GROUP, {"UpdatePolicy": {"AutoScalingRollingUpdate": {}}, "CreationPolicy": {"ResourceSignal": {}}})
    for type, stated in (
        ("AWS::SQS::Queue", {"CreationPolicy": {"ResourceSignal": {}}}),
        ("AWS::SQS::Queue", {"UpdatePolicy": {"AutoScalingRollingUpdate": {}}}),
        (GROUP, {"UpdatePolicy": {"UseOnlineResharding": True}}),
    ):
        with pytest.raises(AwsError, match="Policy"):
            check("A", type, stated)


@pytest.mark.parametrize(
    ("olds", "desired", "largest", "most", "in_service", "wanted"),
    [
        ("abcd", 4, 4, 1, 0, (0, ["a", "b", "c", "d"])),
        ("abcd", 4, 4, 2, 2, (0, ["ab", "cd"])),
        ("abcd", 4, 4, 3, 2, (0, ["ab", "cd"])),  # no more go than leave two
        ("ab", 2, 3, 1, 2, (1, ["a", "b"])),  # one more for a while
        ("ab", 2, 4, 2, 3, (2, ["a", "b"])),
        ("a", 1, 2, 5, 1, (1, ["a"])),
    ],
)
def test_batches(olds, desired, largest, most, in_service, wanted):
    grows, found = batches(list(olds), desired, largest, most, in_service)
    assert (grows, ["".join(each) for each in found]) == wanted


@given(st.integers(1, 20), st.integers(0, 10), st.integers(1, 20), st.integers(0, 20))
def test_all_go_and_enough_stay(desired, room, most, in_service):
    largest = desired + room
    olds = [f"i-{each}" for each in range(desired)]
    if in_service >= largest:
        with pytest.raises(ValueError, match="MinInstancesInService"):
            batches(olds, desired, largest, most, in_service)
        return
    grows, found = batches(olds, desired, largest, most, in_service)
    assert [each for batch in found for each in batch] == olds and desired + grows <= largest
    assert all(
        len(batch) <= most and desired + grows - len(batch) >= min(in_service, desired + grows - 1) for batch in found
    )


def test_what_is_not_of_the_groups_template_is_obsolete():
    of = lambda id, version: {"InstanceId": id, "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": version}}  # noqa: E731
    group = {
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "2"},
        "Instances": [of("i-1", "1"), of("i-2", "2")],
    }
    assert obsolete(group, False) == ["i-1"]
    assert obsolete(group, True) == ["i-1", "i-2"]
    latest = {**group, "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "$Latest"}}
    assert obsolete(latest, False) == ["i-1", "i-2"]


def test_so_many_percent_of_all_must_signal_success_whichever_batch_they_are_of():
    bad, good = ["FAILURE"], ["SUCCESS"]
    assert spoken(bad, 1, 4, 50, late=False) and spoken(bad + good, 2, 4, 50, late=False)
    assert not spoken(good, 2, 4, 100, late=False) and spoken(good, 2, 4, 50, late=True)
    with pytest.raises(Failed, match=r"Received 0 SUCCESS signal.s. out of 3. Unable to satisfy 50%"):
        spoken(bad * 3, 3, 4, 50, late=False)
    with pytest.raises(Failed, match="Received 1 SUCCESS signal"):
        spoken(good, 2, 4, 100, late=True)
