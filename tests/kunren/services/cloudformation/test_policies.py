"""What becomes of resources: AWS's table of policies and events ("DeletionPolicy", "UpdateReplacePolicy")."""

import pytest

from kunren.services.cloudformation.policies import outcome

EVENTS = ("rollback", "removal", "stack delete", "replacement")
#                            rollback  removal   delete    replacement
TABLE = {
    ("", ""):                   ("delete", "delete", "delete", "delete"),
    ("Delete", ""):             ("delete", "delete", "delete", "delete"),
    ("Retain", ""):             ("retain", "retain", "retain", "delete"),
    ("RetainExceptOnCreate", ""): ("delete", "retain", "retain", "delete"),
    ("", "Retain"):             ("delete", "delete", "delete", "retain"),
    ("Retain", "Retain"):       ("retain", "retain", "retain", "retain"),
    ("Retain", "Delete"):       ("retain", "retain", "retain", "delete"),
    ("RetainExceptOnCreate", "Retain"): ("delete", "retain", "retain", "retain"),
    ("Snapshot", ""):           ("snapshot", "snapshot", "snapshot", "delete"),
    ("Snapshot", "Snapshot"):   ("snapshot", "snapshot", "snapshot", "snapshot"),
    ("Retain", "Snapshot"):     ("retain", "retain", "retain", "snapshot"),
}  # fmt: skip


@pytest.mark.parametrize("policies", TABLE, ids=["+".join(each) for each in TABLE])
def test_each_policy_does_what_aws_documents(policies):
    assert tuple(outcome(event, *policies) for event in EVENTS) == TABLE[policies]


def test_the_operations_own_flag_deletes_what_it_made_and_nothing_else():
    assert outcome("rollback", "Retain", "", flag=True) == "delete"
    assert outcome("stack delete", "Retain", "", flag=True) == "retain"
    assert outcome("removal", "Retain", "", flag=True) == "retain"
