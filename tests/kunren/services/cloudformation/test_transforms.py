"""AWS::LanguageExtensions, as its documentation has it."""

import pytest

from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.transforms import with_loops


def test_for_each_writes_resources_out():
    template = {
        "Mappings": {"Lists": {"Topics": {"Names": ["Won", "Lost"]}}},
        "Resources": {
            "Fn::ForEach::Topics": [
                "Name",
                {"Fn::FindInMap": ["Lists", "Topics", "Names"]},
                {"Topic${Name}": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "Name"}}}},
            ],
            "Fn::ForEach::Out": [
                "Stage",
                {"Ref": "Stages"},
                {
                    "Fn::ForEach::In": [
                        "N",
                        ["1", "2.5"],
                        {
                            "Q${Stage}&{N}": {
                                "Type": "AWS::SQS::Queue",
                                "Metadata": {"N": {"Fn::Sub": "${N}-${AWS::Region}"}},
                            }
                        },
                    ]
                },
            ],
        },
    }
    found = with_loops(template, {"Stages": ["a", "b"]})["Resources"]
    assert list(found) == ["TopicWon", "TopicLost", "Qa1", "Qa25", "Qb1", "Qb25"]
    assert found["TopicLost"]["Properties"] == {"TopicName": "Lost"}
    assert found["Qb25"]["Metadata"] == {"N": {"Fn::Sub": "2.5-${AWS::Region}"}}


@pytest.mark.parametrize("loop", [["x", ["a"]], ["x", "a", {}], "x", ["x", ["a"] * 101, {}]])
def test_a_loop_of_another_shape_is_refused(loop):
    with pytest.raises(ValidationError, match="Fn::ForEach"):
        with_loops({"Resources": {"Fn::ForEach::L": loop}}, {})
