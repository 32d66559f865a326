"""What targets get of an event."""

import json

import pytest

from kunren.services.events.inputs import text_for

EVENT = {"source": "shop", "resources": ["r1"], "detail": {"city": 'O"slo', "n": 5, "tags": {"a": 1}}}
PATHS = {"city": "$.detail.city", "n": "$.detail.n", "tags": "$.detail.tags", "gone": "$.detail.gone",
         "first": "$.resources[0]"}  # fmt: skip


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ('{"to": <city>, "n": <n>, "tags": <tags>}', '{"to": "O\\"slo", "n": 5, "tags": {"a":1}}'),
        ('{"text": "to <city>, <n>"}', '{"text": "to O\\"slo, 5"}'),
        ('{"gone": <gone>}', '{"gone": ""}'),
        ("<first> of <n>", "r1 of 5"),
        ('{"rule": <aws.events.rule-name>}', '{"rule": "large"}'),
        ("<nobody>", "<nobody>"),
    ],
)
def test_a_template(template, wanted):
    target = {"InputTransformer": {"InputPathsMap": PATHS, "InputTemplate": template}}
    assert text_for(target, EVENT, "arn:aws:events:us-east-1:1:rule/large", "now") == wanted


def test_all_a_part_or_a_constant():
    assert json.loads(text_for({}, EVENT, "r", "now")) == EVENT
    assert text_for({"InputPath": "$.detail.n"}, EVENT, "r", "now") == "5"
    assert text_for({"Input": '{"a": 1}'}, EVENT, "r", "now") == '{"a": 1}'
