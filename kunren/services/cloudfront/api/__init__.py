"""Amazon CloudFront's operations: distributions, policies, functions, key value stores, keys, invalidations."""

from __future__ import annotations

from typing import ClassVar

from kunren.services.cloudfront.api.distributions import Distributions
from kunren.services.cloudfront.api.functions import Functions
from kunren.services.cloudfront.api.invalidations import Invalidations
from kunren.services.cloudfront.api.key_value_stores import KeyValueStores
from kunren.services.cloudfront.api.keys import Keys
from kunren.services.cloudfront.api.policies import Policies


class CloudFrontApi(KeyValueStores, Keys, Distributions, Policies, Functions, Invalidations):
    """Handlers of cloudfront."""

    service: ClassVar[str] = "cloudfront"
