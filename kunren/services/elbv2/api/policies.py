"""What an account finds ready made: security policies and quotas."""

from __future__ import annotations

from kunren.core.context import RequestContext
from kunren.services.elbv2 import errors
from kunren.services.elbv2.api.base import Api, Params, Result, pages
from kunren.services.elbv2.ssl_policies import POLICIES


class PoliciesApi(Api):
    def describe_ssl_policies(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeSSLPolicies: all, or those named."""
        del ctx
        names = params.get("Names") or []
        for name in names:
            if name not in POLICIES:
                raise errors.SSLPolicyNotFound(f"SSL policy '{name}' not found")
        kind = params.get("LoadBalancerType")
        found = [
            policy.described()
            for name, policy in sorted(POLICIES.items())
            if (not names or name in names)
            and (kind is None or kind in policy.described()["SupportedLoadBalancerTypes"])
        ]
        chosen, marker = pages(params, found, lambda each: str(each["Name"]))
        return {"SslPolicies": chosen, "NextMarker": marker}

    def describe_account_limits(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeAccountLimits: the quotas that are enforced here."""
        del ctx
        chosen, marker = pages(params, self._limits.described(), lambda each: each["Name"])
        return {"Limits": chosen, "NextMarker": marker}
