"""Guard hooks: what rules are held against, where they come from, and what the program's end means."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from typing import Any

import pytest

from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.guard import document, rules, told
from kunren.services.cloudformation.hooks import Target
from kunren.services.cloudformation.model import Hook, Stack

HOOK = Hook(account="1", region="r", id="My::Own::Hook", token="t", properties={})
STACK = Stack(account="1", region="r", id="s", name="shop", status="UPDATE_IN_PROGRESS")
QUEUE = Target("RESOURCE", "AWS::SQS::Queue", "UPDATE", "Q", "token", "Q")
CONTEXT = {
    "AWSAccountID": "1", "StackId": STACK.arn, "HookTypeName": "My::Own::Hook", "HookTypeVersion": "00000001",
    "InvocationPoint": "UPDATE_PRE_PROVISION", "TargetName": "AWS::SQS::Queue", "TargetType": "RESOURCE",
    "TargetLogicalId": "Q", "ChangeSetId": "",
}  # fmt: skip
REPORT = [
    {
        "name": "data.json", "metadata": {}, "status": "FAIL", "not_applicable": [], "compliant": [],
        "not_compliant": [{"Rule": {"name": "delay_small", "metadata": {}, "messages": {}, "checks": []}}],
    }
]  # fmt: skip


def shown(delay: int) -> Any:
    return {"Q": {"ResourceType": "AWS::SQS::Queue", "ResourceProperties": {"DelaySeconds": delay}}}


def test_rules_are_held_against_resources_with_what_they_were() -> None:
    model = {"resourceProperties": {"DelaySeconds": 2}, "previousResourceProperties": {"DelaySeconds": 1}}
    found = document(HOOK, QUEUE._replace(model=model), STACK)
    assert found == {"HookContext": CONTEXT, "Resources": shown(2), "Previous": shown(1)}
    alone = {"resourceProperties": {"DelaySeconds": 2}, "previousResourceProperties": {}}
    control = QUEUE._replace(operation="CLOUD_CONTROL", execution="token", model=alone)
    assert document(HOOK, control, STACK) == {"HookContext": {**CONTEXT, "StackId": ""}, "Resources": shown(2)}


def test_rules_are_held_against_templates() -> None:
    payload = {"template": "Resources: {Q: {Type: A}}", "previousTemplate": "Resources: {P: {Type: A}}"}
    target = QUEUE._replace(operation="STACK", name="STACK", payload=json.dumps(payload))
    found = document(HOOK, target, STACK)
    assert (found["Resources"], found["Previous"]["Resources"]) == ({"Q": {"Type": "A"}}, {"P": {"Type": "A"}})
    assert found["HookContext"]["TargetType"] == "STACK"
    changes = [{"logicalResourceId": "Q", "action": "CREATE"}]
    target = target._replace(payload=json.dumps({"template": payload["template"], "changedResources": changes}))
    assert document(HOOK, target, STACK)["Changes"] == changes


def test_rules_come_as_a_file_or_in_an_archive() -> None:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as held:
        held.writestr("a.guard", "rule a {}")
        held.writestr("read.me", "no rule")
    with tarfile.open(fileobj=tarred, mode="w:gz") as packed:
        entry = tarfile.TarInfo("b.guard")
        entry.size = 9
        packed.addfile(entry, io.BytesIO(b"rule b {}"))
    assert rules("one.guard", b"rule x {}") == {"one.guard": "rule x {}"}
    assert rules("all.zip", zipped.getvalue()) == {"a.guard": "rule a {}"}
    assert rules("all.tar.gz", tarred.getvalue()) == {"b.guard": "rule b {}"}
    for name in ("all.zip", "all.tar.gz"):
        with pytest.raises(ValidationError):
            rules(name, b"nothing")


def test_what_the_program_s_end_means() -> None:
    assert told(0, "", "").status == "HOOK_COMPLETE_SUCCEEDED"
    refused = told(19, json.dumps(REPORT), "")
    why = "Template failed validation, the following rule(s) failed: delay_small."
    assert (refused.status, refused.message) == ("HOOK_COMPLETE_FAILED", why)
    broken = told(5, "", "Parse Error on ruleset file")
    assert (broken.status, broken.message) == ("HOOK_FAILED", "cfn-guard ended with 5: Parse Error on ruleset file")
    assert told(19, "nonsense", "").status == "HOOK_FAILED"


def test_what_can_t_be_unpacked_or_is_too_much_is_refused() -> None:
    broken, large, much = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(broken, "w", zipfile.ZIP_DEFLATED) as held:
        held.writestr("a.guard", "rule a { }" * 100)
    with zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as held:
        for number in range(3):
            held.writestr(f"{number}.guard", "#" * 500_000)
    with tarfile.open(fileobj=much, mode="w:gz") as held:
        header = tarfile.TarInfo("beside.txt")
        header.size = 20_000_000
        held.addfile(header, io.BytesIO(bytes(header.size)))
    spoiled = bytearray(broken.getvalue())
    spoiled[38:44] = b"\xff" * 6  # of what is compressed
    for name, content in (("a.zip", bytes(spoiled)), ("b.zip", large.getvalue()), ("c.tar.gz", much.getvalue())):
        with pytest.raises(ValidationError):
            rules(name, content)
