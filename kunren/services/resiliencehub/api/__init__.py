"""AWS Resilience Hub's operations."""

from __future__ import annotations

from kunren.services.resiliencehub.api.apps import Apps
from kunren.services.resiliencehub.api.assessments import Assessments
from kunren.services.resiliencehub.api.policies import Policies
from kunren.services.resiliencehub.api.versions import Versions


class ResilienceHubApi(Policies, Apps, Versions, Assessments):
    """Handlers of resiliencehub."""
