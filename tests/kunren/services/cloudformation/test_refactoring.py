"""Which resources a refactor moves: those that are mapped, and those that can be meant by nothing else."""

import pytest

from kunren.services.cloudformation.refactoring import Move, Refused, moves

QUEUE, TOPIC = "AWS::SQS::Queue", "AWS::SNS::Topic"
BEFORE = {("a", "Q"): QUEUE, ("a", "T"): TOPIC}


def test_a_resource_that_only_one_other_can_be_is_found_and_a_renamed_one_is_mapped():
    assert moves(BEFORE, {("a", "T"): TOPIC, ("b", "Q"): QUEUE}, []) == [Move(("a", "Q"), ("b", "Q"), QUEUE, False)]
    mapped = [(("a", "Q"), ("b", "Queue"))]
    found = moves(BEFORE, {("a", "T"): TOPIC, ("b", "Queue"): QUEUE}, mapped)
    assert found == [Move(("a", "Q"), ("b", "Queue"), QUEUE, True)]


@pytest.mark.parametrize(
    ("after", "mapped", "words"),
    [
        (BEFORE, [], "move no resource"),
        ({("a", "T"): QUEUE, ("b", "Q"): QUEUE}, [], "T of stack a cannot change its type"),
        ({**BEFORE, ("b", "R"): QUEUE}, [], "R of stack b is new"),
        ({("a", "T"): TOPIC}, [], "Q of stack a is in no template"),
        ({("a", "T"): TOPIC, ("b", "Q"): TOPIC}, [(("a", "Q"), ("b", "Q"))], "its type would change"),
        ({("a", "T"): TOPIC, ("b", "Q"): QUEUE}, [(("a", "T"), ("b", "Q"))], "does not match the templates"),
        ({("a", "T"): TOPIC, ("b", "Q"): QUEUE, ("b", "R"): QUEUE}, [], "R of stack b is new"),
        ({("a", "T"): TOPIC, ("b", "Q"): QUEUE, ("c", "Q"): QUEUE}, [], "more than one place"),
        (
            {("a", "T"): TOPIC, ("b", "Q"): QUEUE, ("b", "R"): QUEUE},
            [(("a", "Q"), ("b", "Q")), (("a", "Q"), ("b", "R"))],
            "More than one resource mapping",
        ),
    ],
)
def test_what_is_no_move_is_refused(after, mapped, words):
    with pytest.raises(Refused, match=words):
        moves(BEFORE, after, mapped)


def test_what_knows_its_stack_stays():
    with pytest.raises(Refused, match="of type Custom::Thing cannot be moved"):
        moves({("a", "C"): "Custom::Thing"}, {("b", "C"): "Custom::Thing"}, [])
