"""What command documents run, with the parameters that they are given."""

import pytest

from kunren.core.errors import AwsError
from kunren.services.ssm.commands.documents import OWN, Script, read, script

GREETING = """
schemaVersion: "2.2"
parameters:
  who: {type: String, default: world, allowedPattern: "[a-z]+"}
  more: {type: StringList, default: []}
  times: {type: Integer, default: 2, allowedValues: [1, 2]}
mainSteps:
- action: aws:runShellScript
  name: greet
  precondition: {StringEquals: [platformType, Linux]}
  inputs:
    timeoutSeconds: 60
    workingDirectory: /tmp
    runCommand:
    - echo hello {{who}} {{ times }}
    - "{{ more }}"
    - echo {{unknown}}
"""


def test_the_document_of_aws_runs_its_commands():
    given = {"commands": ["a", "b {{ x }}"]}
    assert script(OWN, given) == Script("aws:runShellScript", ["a", "b {{ x }}"], "", 3600)
    more = {**given, "workingDirectory": ["/srv"], "executionTimeout": ["172800"]}
    assert script(OWN, more) == Script("aws:runShellScript", ["a", "b {{ x }}"], "/srv", 172_800)


def test_a_document_of_ones_own_has_defaults_and_places_for_parameters():
    assert script(read(GREETING), {}) == Script("greet", ["echo hello world 2", "echo {{unknown}}"], "/tmp", 60)
    given = {"who": ["you"], "more": ["a", "b"], "times": ["1"]}
    assert script(read(GREETING), given).lines == ["echo hello you 1", "a", "b", "echo {{unknown}}"]


@pytest.mark.parametrize(
    ("document", "given", "code"),
    [
        (OWN, {}, "InvalidParameters"),
        (OWN, {"commands": ["a"], "other": ["b"]}, "InvalidParameters"),
        (OWN, {"commands": ["a"], "executionTimeout": ["172801"]}, "InvalidParameters"),
        (OWN, {"commands": ["a"], "workingDirectory": ["/a", "/b"]}, "InvalidParameters"),
        (OWN, {"commands": ["echo {{ ssm:name }}"]}, "NotImplemented"),
        (read(GREETING), {"who": ["YOU"]}, "InvalidParameters"),
        (read(GREETING), {"times": ["3"]}, "InvalidParameters"),
        ({"mainSteps": [{"action": "aws:runShellScript", "name": "a"}] * 2}, {}, "NotImplemented"),
        ({"mainSteps": [{"action": "aws:runPowerShellScript", "name": "a"}]}, {}, "NotImplemented"),
        ({"parameters": {"a": {"type": "StringMap"}}}, {}, "NotImplemented"),
    ],
)
def test_what_does_not_fit_is_refused(document, given, code):
    with pytest.raises(AwsError) as found:
        script(document, given)
    assert found.value.code == code


def test_a_text_that_is_no_document_is_refused():
    with pytest.raises(AwsError):
        read("{")
