"""Reading templates: both notations, the short forms, and what is refused."""

import pytest

from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.template import parse


def test_short_forms_are_the_long_ones():
    text = """
    A: !Ref B
    C: !GetAtt D.Outputs.E
    F: !Sub ["${x}", {x: !Join [",", [a, !GetAtt [G, H]]]}]
    I: !If [J, !GetAZs "", !Base64 k]
    L: !Not [!Condition M]
    """
    assert parse(text) == {
        "A": {"Ref": "B"},
        "C": {"Fn::GetAtt": ["D", "Outputs.E"]},
        "F": {"Fn::Sub": ["${x}", {"x": {"Fn::Join": [",", ["a", {"Fn::GetAtt": ["G", "H"]}]]}}]},
        "I": {"Fn::If": ["J", {"Fn::GetAZs": ""}, {"Fn::Base64": "k"}]},
        "L": {"Fn::Not": [{"Condition": "M"}]},
    }


def test_dates_stay_texts_and_keys_are_texts():
    assert parse("Version: 2012-10-17\n5: yes\ntrue: 010") == {"Version": "2012-10-17", "5": True, "true": 8}


def test_json_may_be_indented_by_tabs():
    assert parse('{\n\t"A": {"Ref": "B"}\n}') == {"A": {"Ref": "B"}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "YAML not well-formed"),
        ("a: {b: 1, c: 2}\nd: {b: 1, b: 1}", r"YAML not well-formed. \(line 2, column 4\)"),
        ('{"a": ', "JSON not well-formed"),
        ("just words", "unsupported structure"),
        ("- 1", "unsupported structure"),
        ("a: &x [1]\nb: [*x, *x]", "aliases are not allowed"),
        ("a: !!python/object/apply:os.system ['true']", "YAML not well-formed"),
        ("a: " + "[" * 5000 + "]" * 5000, "Template format error"),
        ("a: " + "x" * 1_000_001, "1000000 bytes"),
    ],
    ids=["yaml", "twice", "json", "scalar", "list", "alias", "object", "deep", "large"],
)
def test_what_is_no_template_is_refused(text, words):
    with pytest.raises(ValidationError, match=words):
        parse(text)
