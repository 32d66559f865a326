"""What is remembered, and what is forgotten."""

from __future__ import annotations

from kunren.core.memo import by_identity


def test_a_result_is_remembered_for_the_same_object_and_not_for_an_equal_one():
    calls = []

    @by_identity(10)
    def total(numbers, more):
        calls.append(numbers)
        return sum(numbers) + more

    one, equal = [1, 2], [1, 2]
    assert [total(one, 1), total(one, 1), total(equal, 1)] == [4, 4, 4]
    assert [each is one for each in calls] == [True, False]


def test_what_was_used_last_is_remembered():
    calls = []

    @by_identity(2)
    def name(thing):
        calls.append(thing)
        return thing

    for each in "abcdaaaaeb":
        name(each)
    assert calls == list("abcdeb")


def test_an_identity_is_never_taken_for_that_of_an_object_that_is_gone():
    """Arguments that live no longer than their call have the same address again and again."""

    @by_identity(100)
    def first(numbers):
        return numbers[0]

    assert [first([each]) for each in range(50)] == list(range(50))
