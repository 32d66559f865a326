"""Deployment configurations as clients write them."""

import pytest

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.codedeploy.api.configs import Configs
from kunren.services.codedeploy.model import KINDS

CTX = RequestContext("123456789012", "us-east-1", "codedeploy", "CreateDeploymentConfig", "request-1")


@pytest.fixture
def api():
    store = Store(None)
    store.register(*KINDS)
    return Configs(store, SimClock(), Entropy(seed=7), None)


def test_a_minimum_without_a_value_is_none(api):
    """Go's SDK, and so Terraform, leaves a zero out."""
    made = {
        "minimumHealthyHosts": {"type": "HOST_COUNT"},
        "zonalConfig": {"minimumHealthyHostsPerZone": {"type": "HOST_COUNT"}},
    }
    api.create_deployment_config(CTX, {"deploymentConfigName": "all", **made})
    shown = api.get_deployment_config(CTX, {"deploymentConfigName": "all"})["deploymentConfigInfo"]
    assert shown["minimumHealthyHosts"] == {"type": "HOST_COUNT", "value": 0}
    assert shown["zonalConfig"] == {"minimumHealthyHostsPerZone": {"type": "HOST_COUNT", "value": 0}}


def test_a_configuration_of_servers_needs_its_minimum(api):
    with pytest.raises(AwsError, match="minimum healthy hosts argument is missing") as caught:
        api.create_deployment_config(CTX, {"deploymentConfigName": "none"})
    assert caught.value.code == "InvalidMinimumHealthyHostValueException"
