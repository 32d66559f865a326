"""What a response headers policy may say, by the Developer Guide."""

from __future__ import annotations

import pytest

from kunren.services.cloudfront.errors import (
    InvalidArgument,
    TooManyCustomHeadersInResponseHeadersPolicy,
    TooManyRemoveHeadersInResponseHeadersPolicy,
)
from kunren.services.cloudfront.header_checks import check_response_headers
from kunren.services.cloudfront.managed import RESPONSE_HEADERS_POLICIES


def listed(*values):
    return {"Quantity": len(values), "Items": list(values)}


def cors(**given):
    return {
        "CorsConfig": {
            "AccessControlAllowOrigins": listed("https://example.com"), "AccessControlAllowHeaders": listed("X-A"),
            "AccessControlAllowMethods": listed("GET"), "AccessControlAllowCredentials": True, "OriginOverride": True,
            **given,
        }
    }  # fmt: skip


def removing(*names):
    return {"RemoveHeadersConfig": listed(*({"Header": each} for each in names))}


@pytest.mark.parametrize("policy", RESPONSE_HEADERS_POLICIES.values())
def test_awss_own_policies_hold(policy):
    check_response_headers(policy)


@pytest.mark.parametrize(
    "policy",
    [
        cors(AccessControlAllowOrigins=listed("*")),
        cors(AccessControlAllowMethods=listed("ALL")),
        cors(AccessControlAllowHeaders=listed("*")),
        cors(AccessControlAllowOrigins=listed("*", "https://a.test"), AccessControlAllowCredentials=False),
        removing("Content-Length"), removing("X-Amz-Cf-Id"), removing("X-Cache"),
        {"ServerTimingHeadersConfig": {"Enabled": True, "SamplingRate": 100.5}},
        {"SecurityHeadersConfig": {"XSSProtection": {"ModeBlock": True, "ReportUri": "https://a.test"}}},
        {"CustomHeadersConfig": listed({"Header": "X-A"}, {"Header": "x-a"})},
    ],
)  # fmt: skip
def test_what_the_guide_rules_out_is_refused(policy):
    with pytest.raises(InvalidArgument):
        check_response_headers(policy)


def test_ten_headers_are_added_and_ten_removed():
    check_response_headers(removing("Server", *(f"X-{each}" for each in range(9))))
    with pytest.raises(TooManyRemoveHeadersInResponseHeadersPolicy):
        check_response_headers(removing(*(f"X-{each}" for each in range(11))))
    with pytest.raises(TooManyCustomHeadersInResponseHeadersPolicy):
        check_response_headers({"CustomHeadersConfig": listed(*({"Header": f"X-{each}"} for each in range(11)))})


def test_origins_with_credentials_are_named():
    check_response_headers(cors())
