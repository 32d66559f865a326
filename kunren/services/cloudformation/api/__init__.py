"""AWS CloudFormation's operations."""

from __future__ import annotations

from kunren.services.cloudformation.api.change_sets import ChangeSets
from kunren.services.cloudformation.api.describe import Describe
from kunren.services.cloudformation.api.drift import Drift
from kunren.services.cloudformation.api.hooks import Hooks
from kunren.services.cloudformation.api.refactors import Refactors
from kunren.services.cloudformation.api.set_drift import SetDrift
from kunren.services.cloudformation.api.templates import Templates
from kunren.services.cloudformation.api.types import Types


class CloudFormationApi(ChangeSets, Describe, Drift, Hooks, Refactors, SetDrift, Templates, Types):
    """Handlers of cloudformation."""
