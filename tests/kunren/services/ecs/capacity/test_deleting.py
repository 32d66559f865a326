"""A capacity provider that goes."""

from kunren.services.ecs.api.capacity_providers import provider_to_wire
from kunren.services.ecs.capacity.model import CapacityProvider


def test_a_provider_is_active_until_it_is_gone():
    """Terraform waits from ACTIVE to INACTIVE, and takes any other status for a failure."""
    provider = CapacityProvider(
        account="123456789012", region="us-east-1", id="own", group="web", group_arn="", scaling={},
        status="DEPROVISIONING", update_status="DELETE_IN_PROGRESS",
    )  # fmt: skip
    shown = provider_to_wire(provider, tags=False)
    assert (shown["status"], shown["updateStatus"]) == ("ACTIVE", "DELETE_IN_PROGRESS")
