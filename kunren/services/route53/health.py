"""What health checks say of an endpoint: pure rules on a snapshot.

"How Amazon Route 53 determines whether a health check is healthy" in the developer guide.
"""

from __future__ import annotations

from kunren.control.store import Snapshot
from kunren.services.route53.model import HealthCheck, HealthCheckStatus
from kunren.services.route53.store import GLOBAL


def is_healthy(snapshot: Snapshot, account: str, check_id: str) -> bool:
    """What DNS goes by. A new check is healthy until data arrives (inverted: unhealthy). Of a deleted one AWS promises
    nothing; here its records are as those without a check."""
    status = snapshot.get(HealthCheckStatus, account, GLOBAL, check_id)
    if status is not None:
        return status.healthy
    check = snapshot.get(HealthCheck, account, GLOBAL, check_id)
    return check is None or not check.config.inverted
