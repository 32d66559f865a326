import pytest

from kunren.services.ec2 import tagging
from kunren.services.ec2.errors import InvalidParameterValue, TagLimitExceeded


def test_tags_come_with_or_without_value():
    assert tagging.checked([{"Key": "a", "Value": "1"}, {"Key": "b"}]) == {"a": "1", "b": ""}


@pytest.mark.parametrize(
    "tags",
    [
        [{"Key": "aws:x", "Value": ""}],
        [{"Key": ""}],
        [{"Key": "k" * 128}],
        [{"Key": "k", "Value": "v" * 256}],
        [{"Key": "k"}, {"Key": "k"}],
    ],
)
def test_bad_tags_are_refused(tags):
    with pytest.raises(InvalidParameterValue):
        tagging.checked(tags)


def test_a_resource_has_at_most_fifty_tags():
    fifty = {str(each): "" for each in range(50)}
    assert len(tagging.merged(fifty, {"1": "changed"})) == 50
    with pytest.raises(TagLimitExceeded):
        tagging.merged(fifty, {"one more": ""})


def test_a_tag_named_with_a_value_goes_only_if_it_has_that_value():
    have = {"a": "1", "b": "", "c": "3"}
    assert tagging.without(have, [{"Key": "a", "Value": "2"}]) == have
    assert tagging.without(have, [{"Key": "a"}]) == {"b": "", "c": "3"}
    assert tagging.without(have, [{"Key": "a", "Value": ""}, {"Key": "b", "Value": ""}]) == {"a": "1", "c": "3"}
    assert tagging.without(have, None) == {}


def test_tags_at_creation_are_for_the_resource_that_is_made():
    asked = {"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "1"}]}]}
    assert tagging.at_creation(asked, "vpc") == {"a": "1"}
    with pytest.raises(InvalidParameterValue, match="'vpc' is not a valid taggable resource type"):
        tagging.at_creation(asked, "subnet")
