"""Connections that are ended right behind the TLS handshake, at their first byte, for what the handshake showed."""

from __future__ import annotations

from collections.abc import Iterable

from kunren.dataplane.envoy.resources import TYPE, Fragment


def refuse_after_handshake(key: str, text: str, values: Iterable[str]) -> list[Fragment]:
    """Network filters that refuse a connection where `text` (in Envoy's format) gives one of the values.

    The handshake's hook is newer than the published schema, so its configuration goes as a plain struct.
    """
    noted = {
        "@type": TYPE + "xds.type.v3.TypedStruct",
        "type_url": TYPE + "envoy.extensions.filters.network.set_filter_state.v3.Config",
        "value": {
            "on_downstream_tls_handshake": [
                {
                    "object_key": key,
                    "factory_key": "envoy.string",
                    "format_string": {"text_format_source": {"inline_string": text}},
                }
            ]
        },
    }
    principals = [{"filter_state": {"key": key, "string_match": {"exact": each}}} for each in values]
    policy = {"permissions": [{"any": True}], "principals": principals}
    refused = {
        "@type": TYPE + "envoy.extensions.filters.network.rbac.v3.RBAC",
        "stat_prefix": "refused",
        "rules": {"action": "DENY", "policies": {key: policy}},
    }
    return [
        {"name": "envoy.filters.network.set_filter_state", "typed_config": noted},
        {"name": "envoy.filters.network.rbac", "typed_config": refused},
    ]
