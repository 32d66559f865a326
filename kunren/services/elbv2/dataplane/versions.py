"""Requests whose protocol does not fit the target group: answered 464, before any target sees them.

A group of protocol version HTTP2 takes HTTP/2 only, one of GRPC only POST over HTTP/2, and one of HTTP1 no gRPC. Only
HTTPS listeners have HTTP/2, so only their script asks; a route to a group of another version than HTTP1 says so in the
script's context.

"HTTP 464" in "Troubleshoot your Application Load Balancers".
"""

from __future__ import annotations

from kunren.dataplane.envoy.resources import TYPE, Fragment
from kunren.services.elbv2.dataplane.answers import SERVER, page

_PER_ROUTE = TYPE + "envoy.extensions.filters.http.lua.v3.LuaPerRoute"

ONLY_GRPC_IS_WRONG = """\
  local kind = headers:get('content-type')
  if kind and kind:sub(1, 16) == 'application/grpc' and handle:streamInfo():protocol() == 'HTTP/2' then
    return unfit(handle, headers)
  end
"""
"""Of a listener whose groups are all of version HTTP1."""
BY_VERSION = """\
  local version = handle:filterContext():get('version')
  if version or (headers:get('content-type') or ''):sub(1, 16) == 'application/grpc' then
    local http2 = handle:streamInfo():protocol() == 'HTTP/2'
    if (not version and http2) or (version and not http2) or
      (version == 'GRPC' and headers:get(':method') ~= 'POST') then return unfit(handle, headers) end
  end
"""
UNFIT = f"""\
local function unfit(handle, headers)
  headers:remove('content-type')
  handle:respond({{[':status'] = '464', ['server'] = '{SERVER}', ['content-type'] = 'text/html'}}, [[
{page(464)}]])
end
"""


def per_route(version: str) -> Fragment:
    """A route's (or weighted cluster's) configuration of the script, for a group of that protocol version."""
    return {"@type": _PER_ROUTE, "filter_context": {"version": version}}
