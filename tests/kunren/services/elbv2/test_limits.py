"""Quotas: AWS's defaults, and those that a setting raises."""

import pytest

from kunren.services.elbv2.limits import Limits, raised


def test_quotas_are_those_of_aws_unless_a_setting_says_otherwise():
    assert raised("") == Limits()
    more = raised("rules-per-application-load-balancer=1000, target-groups=10")
    assert (more.rules_per_load_balancer, more.target_groups) == (1000, 10)
    assert more.targets_per_load_balancer == 1000
    assert {"Name": "rules-per-application-load-balancer", "Max": "1000"} in more.described()


@pytest.mark.parametrize("wrong", ["rules=1", "target-groups", "target-groups=-1", "target-groups=many"])
def test_a_quota_that_does_not_exist_or_is_no_count_is_refused(wrong):
    with pytest.raises(ValueError, match="is no quota; write NAME=COUNT"):
        raised(wrong)
