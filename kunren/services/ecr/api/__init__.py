"""ECR's API: one file per kind of resource."""

from __future__ import annotations

from kunren.services.ecr.api.images import ImageOperations
from kunren.services.ecr.api.pull_through import PullThroughOperations
from kunren.services.ecr.api.replication import ReplicationOperations
from kunren.services.ecr.api.repositories import RepositoryOperations


class EcrApi(RepositoryOperations, ImageOperations, ReplicationOperations, PullThroughOperations):
    """All handlers."""
