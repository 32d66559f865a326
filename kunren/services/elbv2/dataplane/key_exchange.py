"""X-Amzn-Tls-Kx: which group of key exchange the client's handshake chose, for targets that are to know.

Envoy says it in its TLS library's names, the header has those of IANA's registry of TLS supported groups. A filter
writes the first, the script of the listener the second.
"""

from __future__ import annotations

from kunren.dataplane.envoy.resources import TYPE, Fragment
from kunren.services.elbv2.dataplane.answers import header

HEADER = "x-amzn-tls-kx"
_IANA = {"P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1", "X25519": "x25519"}
_TABLE = ", ".join(f"['{library}'] = '{iana}'" for library, iana in _IANA.items())
SCRIPT = f"""\
  local group = headers:get('{HEADER}')
  if group == nil or group == '' or group == '-' then headers:remove('{HEADER}')
  else headers:replace('{HEADER}', ({{{_TABLE}}})[group] or group) end
"""


def http_filter() -> Fragment:
    """Goes before the script."""
    config = {
        "@type": TYPE + "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        "mutations": {"request_mutations": [{"append": header(HEADER, "%DOWNSTREAM_TLS_GROUP%")}]},
    }
    return {"name": "kunren.key_exchange", "typed_config": config}
