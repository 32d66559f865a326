"""What of a request is refused or removed before a target sees it: sizes, header names, desync mitigation.

Envoy's parser refuses most malformed requests by itself in every mode (those that AWS classes as Severe: a bad length
or version, lengths that differ, a line break in a header). What it would let pass is decided here, in routes where a
header's presence is enough, else in the script that every forwarded request goes through. Of ambiguous requests that
go on, the defensive mode knows those by a length or an encoding of GET and HEAD, and by suspicious names: to look for
empty headers would cost every request, and a length beside an encoding is removed before anybody sees it.

"Load balancer attributes" (desync mitigation modes), "Access logs" (classification reasons) and "HTTP 400", "HTTP 414"
in the Application Load Balancer guide.
"""

from __future__ import annotations

from kunren.dataplane.envoy.resources import TYPE, Fragment
from kunren.services.elbv2.dataplane.answers import SERVER, page

HEADER_MAX = 16_384
_LENGTHS = ("content-length", "transfer-encoding")

CLOSE = "close"
"""The script of routes after whose answer the client's connection is closed."""
_CLOSES = """\
local function closes(handle)
  local info = handle:streamInfo()
  if info:protocol() ~= 'HTTP/2' then info:drainConnectionUponCompletion() end
end
"""
SOURCES = {CLOSE: {"inline_string": _CLOSES + "function envoy_on_request(handle) closes(handle) end\n"}}
REFUSE = f"""\
{_CLOSES}
local function refuse(handle, status, text)
  if status ~= '500' then closes(handle) end
  handle:respond({{[':status'] = status, ['server'] = '{SERVER}', ['content-type'] = 'text/html'}}, text)
end
"""
SIZES = f"""\
  if #headers:get(':path') > {HEADER_MAX - 24} then return refuse(handle, '414', [[
{page(414)}]]) end
  if #(headers:get('cookie') or '') > {HEADER_MAX} or #(headers:get('authorization') or '') > {HEADER_MAX} then
    return refuse(handle, '400', [[
{page(400)}]])
  end
"""
"""The headers that do grow too large. To look at all of them would make every request a fifth dearer; together they are
limited by Envoy."""
DROP_INVALID = """\
  local invalid = {}
  for name, _ in pairs(headers) do
    if name:find('[^%w%-]') and name:sub(1, 1) ~= ':' then invalid[#invalid + 1] = name end
  end
  for _, name in ipairs(invalid) do headers:remove(name) end
"""
AMBIGUOUS = """\
  local method = headers:get(':method')
  if headers:get('content_length') or headers:get('transfer_encoding') or ((method == 'GET' or method == 'HEAD') and
    ((headers:get('content-length') or '0') ~= '0' or headers:get('transfer-encoding'))) then
    closes(handle)
  end
"""
"""In the defensive mode such requests go on, and the client's connection is not used again. (The target's is: Envoy has
no way to end it, and a target that is asked to may do so while the next request is on its way.)"""
STRICTEST = f"""\
  for name, text in pairs(headers) do
    local plain = name:gsub('[^%w]+', '-')
    if text == '' or text:find('[^\\9\\32-\\126]') or
      (plain ~= name and (plain == 'content-length' or plain == 'transfer-encoding')) then
      return refuse(handle, '400', [[
{page(400)}]])
    end
  end
"""
"""Empty headers, headers that are not plain ASCII, and such as might be taken for a length."""


def severe_matches(mode: str) -> list[Fragment]:
    """Route matches of requests that the mode refuses: a length beside one under a suspicious name; in the strictest
    mode also a length or an encoding of GET and HEAD, which have no body."""
    made: list[Fragment] = []
    if mode == "monitor":
        return made
    for suspicious, other in zip(_LENGTHS, reversed(_LENGTHS), strict=True):
        made.append(_present(suspicious.replace("-", "_"), other))
    if mode == "strictest":
        method = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}
        for name in _LENGTHS:
            match = _present(name)
            made.append({**match, "headers": [*match["headers"], method]})
    return made


def closing() -> Fragment:
    """A route's configuration of the listener's script, for one that only closes."""
    return {"@type": TYPE + "envoy.extensions.filters.http.lua.v3.LuaPerRoute", "name": CLOSE}


def _present(*names: str) -> Fragment:
    return {"prefix": "/", "headers": [{"name": name, "present_match": True} for name in names]}
