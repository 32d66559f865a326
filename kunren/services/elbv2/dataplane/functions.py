"""What the bridge in front of functions tells of an answer that is none of the function's: why, for access logs."""

from __future__ import annotations

from kunren.dataplane.envoy.resources import TYPE, Fragment
from kunren.dataplane.runtime.elb_event import ERROR_HEADER

FILTER = "kunren.functions"
REASON_TAG = f"%DYNAMIC_METADATA({FILTER}:reason)%"


def http_filter() -> Fragment:
    """Takes the bridge's header out of the answer, and keeps it for the log."""
    kept = {"metadata_namespace": FILTER, "key": "reason", "type": "STRING"}
    config = {
        "@type": TYPE + "envoy.extensions.filters.http.header_to_metadata.v3.Config",
        "response_rules": [{"header": ERROR_HEADER, "on_header_present": kept, "remove": True}],
    }
    return {"name": FILTER, "typed_config": config}
