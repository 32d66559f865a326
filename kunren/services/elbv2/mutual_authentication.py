"""A listener's MutualAuthentication: what AWS accepts, and the form in which it echoes it.

"Configuring mutual TLS on an Application Load Balancer".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.services.elbv2.errors import validation_error

OFF = {"Mode": "off"}
_MODES = ("off", "passthrough", "verify")
_ONLY_VERIFY = ("TrustStoreArn", "IgnoreClientCertificateExpiry", "AdvertiseTrustStoreCaNames")


def normalise(given: Mapping[str, Any]) -> dict[str, Any]:
    """With AWS's defaults. Raises ValidationError; that the trust store exists is the caller's to check."""
    mode = given.get("Mode") or "off"
    if mode not in _MODES:
        raise validation_error(f"Mutual authentication mode '{mode}' must be one of '{', '.join(_MODES)}'")
    if given.get("ClientCertificateIdentityFilters"):
        raise validation_error(
            "Client certificate identity filters are not supported for load balancers with type 'application'"
        )
    if mode != "verify":
        for member in _ONLY_VERIFY:
            if given.get(member) not in (None, False):
                raise validation_error(f"'{member}' cannot be specified for mutual authentication mode '{mode}'")
        return {"Mode": mode}
    if not given.get("TrustStoreArn"):
        raise validation_error("A trust store ARN must be specified for mutual authentication mode 'verify'")
    return {
        "Mode": mode,
        "TrustStoreArn": given["TrustStoreArn"],
        "IgnoreClientCertificateExpiry": bool(given.get("IgnoreClientCertificateExpiry")),
        "TrustStoreAssociationStatus": "active",
        "AdvertiseTrustStoreCaNames": given.get("AdvertiseTrustStoreCaNames") or "off",
    }
