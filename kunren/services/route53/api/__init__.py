"""Route 53's API: one method per operation, grouped by resource."""

from __future__ import annotations

from typing import ClassVar

from kunren.services.route53.api.associations import Associations
from kunren.services.route53.api.cidr import CidrCollections
from kunren.services.route53.api.delegation_sets import DelegationSets
from kunren.services.route53.api.dnssec import Dnssec
from kunren.services.route53.api.features import Features
from kunren.services.route53.api.geo_locations import GeoLocations
from kunren.services.route53.api.health_check_sources import HealthCheckSources
from kunren.services.route53.api.health_checks import HealthChecks
from kunren.services.route53.api.history import History
from kunren.services.route53.api.limits import Limits
from kunren.services.route53.api.protections import Protections
from kunren.services.route53.api.query_logging import QueryLogging
from kunren.services.route53.api.tags import Tags
from kunren.services.route53.api.traffic_policies import TrafficPolicies
from kunren.services.route53.api.traffic_policy_instances import TrafficPolicyInstances
from kunren.services.route53.api.zones import HostedZones


class Route53Api(
    HostedZones,
    Associations,
    DelegationSets,
    CidrCollections,
    GeoLocations,
    Features,
    History,
    Protections,
    Dnssec,
    HealthChecks,
    HealthCheckSources,
    QueryLogging,
    TrafficPolicies,
    TrafficPolicyInstances,
    Tags,
    Limits,
):
    """Construct with `(Route53Store, Clock, Entropy, dns)`; `checker_views` is set by who runs the checkers, `call`
    by who knows the other services."""

    service: ClassVar[str] = "route53"
