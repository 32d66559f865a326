"""AWS CodeDeploy's operations."""

from __future__ import annotations

from kunren.services.codedeploy.api.applications import Applications
from kunren.services.codedeploy.api.configs import Configs
from kunren.services.codedeploy.api.deployments import Deployments
from kunren.services.codedeploy.api.groups import Groups
from kunren.services.codedeploy.api.revisions import Revisions
from kunren.services.codedeploy.api.targets import Targets


class CodeDeployApi(Applications, Configs, Groups, Revisions, Deployments, Targets):
    """Handlers of codedeploy."""
