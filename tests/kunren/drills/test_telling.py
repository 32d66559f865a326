"""What of a drill goes to Resilience Hub."""

from dataclasses import replace

import pytest

from kunren.drills.checkers.judge import Result
from kunren.drills.telling import disruption, measurement, resources_in

RESULT = Result("az-lost", True, "", (), 7.5, None, {}, {}, (), 1.0, None, "")
ACROSS = ("aws:network:route-table-disrupt-cross-region-connectivity", "")
HEADER = {"document": {"faults": [{"break": {"what": "zone", "name": "us-east-1a"}}]}, "resources": ["arn:aws:x"]}


def experiment(*actions):
    """One with actions of these ids and scopes."""
    made = {str(number): {"actionId": id, "parameters": {"scope": scope}} for number, (id, scope) in enumerate(actions)}
    return {"experiment": {"actions": made}}


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        ([{"break": {"what": "zone"}}, {"kill": "a"}], "AZ"),
        ([{"break": {"what": "region"}}], "Region"),
        ([{"kill": "a"}], "Hardware"),
        ([{"call": {"service": "elbv2"}}], "Software"),
        ([{"kill": "a"}, {"call": {"service": "arc-zonal-shift"}, "remedy": True}], "Hardware"),
        ([{"break": {"what": "place"}}], None),
        ([experiment(("aws:network:disrupt-connectivity", "all"), ("aws:fis:wait", ""))], "AZ"),
        ([experiment(("aws:network:disrupt-connectivity", "s3"))], None),
        ([experiment(("aws:lambda:invocation-error", "")), {"kill": "a"}], "Hardware"),
        ([experiment(("aws:network:disrupt-connectivity", "all"), ACROSS)], "Region"),
        ([experiment(("aws:arc:start-zonal-autoshift", ""))], None),
        ([], None),
    ],
)
def test_the_largest_disruption_counts_and_remedies_do_not(faults, kind):
    assert disruption(faults) == kind


def test_what_names_resources_is_told_and_nothing_else():
    values = {"group": "arn:aws:elb", "name": "web-1.us-east-1.elb.amazonaws.com", "zone": "us-east-1a", "count": 2}
    assert resources_in(values) == ["arn:aws:elb", "web-1.us-east-1.elb.amazonaws.com"]
    assert measurement(RESULT, HEADER) == {
        "drill": "az-lost", "disruption": "AZ", "resources": ["arn:aws:x"], "verdict": True, "rto_s": 7.5, "rpo_s": None,
    }  # fmt: skip
    assert measurement(replace(RESULT, verdict="unknown"), HEADER) is None
    assert measurement(RESULT, {**HEADER, "resources": []}) is None
