"""Redirect actions. The native redirect of Envoy wherever it can say the same, since a template costs a regex or two.

What ALB sends is always `protocol://host:port/path?query` with the port written out. `#{protocol}` and `#{port}` are
the listener's own, so only host, path and query can depend on the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kunren.dataplane.envoy.resources import Fragment
from kunren.services.elbv2.dataplane.answers import header, literal, own_headers, page

_TOKEN = re.compile(r"#\{(protocol|host|port|path|query)\}")
_HOST = r"%CEL(re.extract(request.host, '^(\\[[^\\]]*\\]|[^:]*)', '\\1'))%"
_PATH = r"%CEL(re.extract(request.url_path, '^/?(.*)$', '\\1'))%"
_STATUS = {"HTTP_301": "MOVED_PERMANENTLY", "HTTP_302": "FOUND"}


def redirect(config: Mapping[str, Any], *, protocol: str, port: int) -> Fragment:
    """The action part of a route for a RedirectConfig (with all components) on a listener of that protocol and port."""
    scheme = config["Protocol"].replace("#{protocol}", protocol).lower()
    constants = {"protocol": protocol.lower(), "port": str(port)}
    parts = {
        name: _TOKEN.sub(lambda token: constants.get(token[1], token[0]), config[name.capitalize()])
        for name in ("host", "port", "path", "query")
    }
    native = _native(parts, scheme, _STATUS[config["StatusCode"]])
    if native is not None:
        return {"redirect": native}
    return _templated(parts, scheme, int(config["StatusCode"].removeprefix("HTTP_")))


def _native(parts: Mapping[str, str], scheme: str, status: str) -> Fragment | None:
    """Envoy's redirect action, or None where only a template can say it."""
    action: Fragment = {"scheme_redirect": scheme, "port_redirect": int(parts["port"]), "response_code": status}
    host, path, query = parts["host"], parts["path"], parts["query"]
    if host != "#{host}":
        if _TOKEN.search(host):
            return None
        action["host_redirect"] = host
    if query not in ("", "#{query}"):
        # A query of its own: possible only behind a path of its own, in one text.
        if _TOKEN.search(path + query) or "?" in path:
            return None
        return {**action, "path_redirect": f"{path}?{query}"}
    if query == "":
        action["strip_query"] = True
    if path == "/#{path}":
        return action
    tokens = _TOKEN.findall(path)
    if not tokens:
        return None if "?" in path else {**action, "path_redirect": path}
    if tokens != ["path"] or "?" in path:
        return None
    before, _, after = path.partition("#{path}")
    substitution = before.replace("\\", "\\\\") + r"\1" + after.replace("\\", "\\\\")
    return {**action, "regex_rewrite": {"pattern": {"regex": "^/(.*)$"}, "substitution": substitution}}


def _templated(parts: Mapping[str, str], scheme: str, status: int) -> Fragment:
    location = (
        f"{scheme}://{_fill(parts['host'])}:{parts['port']}{_fill_path(parts['path'])}{_fill_query(parts['query'])}"
    )
    return {
        "direct_response": {"status": status, "body": {"inline_string": page(status)}},
        "response_headers_to_add": [header("location", location), *own_headers("text/html")],
    }


def _fill(text: str) -> str:
    """Literal text with `#{host}` and `#{path}` as Envoy's formatters."""
    out = ""
    position = 0
    for token in _TOKEN.finditer(text):
        out += (
            literal(text[position : token.start()])
            + {"host": _HOST, "path": _PATH, "query": "%CEL(request.query)%"}[token[1]]
        )
        position = token.end()
    return out + literal(text[position:])


def _fill_path(path: str) -> str:
    if path.startswith("/#{path}"):
        return "%PATH(NQ:PATH)%" + _fill(path.removeprefix("/#{path}"))
    return _fill(path)


def _fill_query(query: str) -> str:
    if query == "#{query}":
        return "%CEL(request.query == '' ? '' : '?')%%CEL(request.query)%"
    return "?" + _fill(query) if query else ""
