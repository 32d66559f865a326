"""Amazon CloudFront's operations, one file a kind of resource."""

from __future__ import annotations

from typing import ClassVar

from kunren.services.cloudfront.api.aliases import Aliases
from kunren.services.cloudfront.api.anycast_ip_lists import AnycastIpLists
from kunren.services.cloudfront.api.continuous_deployment import ContinuousDeployment
from kunren.services.cloudfront.api.functions import Functions
from kunren.services.cloudfront.api.invalidations import Invalidations
from kunren.services.cloudfront.api.key_value_stores import KeyValueStores
from kunren.services.cloudfront.api.keys import Keys
from kunren.services.cloudfront.api.listings import Listings
from kunren.services.cloudfront.api.monitoring import Monitoring
from kunren.services.cloudfront.api.origin_access import OriginAccess
from kunren.services.cloudfront.api.policies import Policies
from kunren.services.cloudfront.api.realtime_logs import RealtimeLogs
from kunren.services.cloudfront.api.vpc_origins import VpcOrigins


class CloudFrontApi(
    KeyValueStores,
    VpcOrigins,
    AnycastIpLists,
    Keys,
    OriginAccess,
    ContinuousDeployment,
    Aliases,
    Listings,
    Policies,
    Functions,
    Invalidations,
    Monitoring,
    RealtimeLogs,
):
    """Handlers of cloudfront."""

    service: ClassVar[str] = "cloudfront"
