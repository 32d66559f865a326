"""What of a request is refused or removed before a target sees it: sizes, header names, desync mitigation.

Envoy's parser refuses most malformed requests by itself in every mode (those that AWS classes as Severe: a bad length
or version, lengths that differ, a line break in a header). What it would let pass is decided here: before the rules
where the method or a header's presence is enough, else in the script that every forwarded request goes through. (Not by
routes: those are built anew with every change of a rule, once for each host.) Of ambiguous requests that
go on, the defensive mode knows those by a length or an encoding of GET and HEAD, and by suspicious names: to look for
empty headers would cost every request, and a length beside an encoding is removed before anybody sees it.

"Load balancer attributes" (desync mitigation modes), "Access logs" (classification reasons) and "HTTP 400", "HTTP 414"
in the Application Load Balancer guide.
"""

from __future__ import annotations

from collections.abc import Sequence

from kunren.dataplane.envoy.resources import TYPE, Fragment
from kunren.services.elbv2.dataplane.answers import SERVER, page

HEADER_MAX = 16_384
_LENGTHS = ("content-length", "transfer-encoding")
_TOO_MANY = "(?:[^,]*,){30}.*"
_LUA = "envoy.extensions.filters.http.lua.v3.Lua"
_SKIP = "envoy.extensions.filters.common.matcher.action.v3.SkipFilter"

_CLOSES = """\
local function closes(handle)
  local info = handle:streamInfo()
  if info:protocol() ~= 'HTTP/2' then info:drainConnectionUponCompletion() end
end
"""
REFUSE = f"""\
{_CLOSES}
local function refuse(handle, status, text)
  if status ~= '500' then closes(handle) end
  handle:respond({{[':status'] = status, ['server'] = '{SERVER}', ['content-type'] = 'text/html'}}, text)
end
"""
_REFUSALS = f"""\
{REFUSE}
function envoy_on_request(handle)
  local headers = handle:headers()
  local method = headers:get(':method')
  if method == 'TRACE' then return refuse(handle, '405', [[
{page(405)}]]) end
  local plain, encoded = headers:get('content-length'), headers:get('transfer-encoding')
  if (plain and headers:get('transfer_encoding')) or (encoded and headers:get('content_length')) or
    (strictest and (plain or encoded) and (method == 'GET' or method == 'HEAD')) then
    return refuse(handle, '400', [[
{page(400)}]])
  end
  refuse(handle, '463', [[
{page(463)}]])
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


def refusing_filter(desync_mode: str, xff_mode: str) -> Fragment:
    """The HTTP filter that answers what no rule is asked about: TRACE (405), lengths that may be taken for another
    (400), and more than 30 addresses in X-Forwarded-For (463). Its script runs for these alone."""
    refused = [_is(":method", "TRACE"), *_severe(desync_mode)]
    if xff_mode != "remove":
        refused.append(_is("x-forwarded-for", _TOO_MANY))
    others = {"not_matcher": _any_of(refused)}
    skip = {"action": {"name": "skip", "typed_config": {"@type": TYPE + _SKIP}}}
    script = ("strictest = true\n" if desync_mode == "strictest" else "") + _REFUSALS
    lua = {"@type": TYPE + _LUA, "default_source_code": {"inline_string": script}, "clear_route_cache": False}
    config = {
        "@type": TYPE + "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        "extension_config": {"name": "envoy.filters.http.lua", "typed_config": lua},
        "xds_matcher": {"matcher_list": {"matchers": [{"predicate": others, "on_match": skip}]}},
    }
    return {"name": "kunren.refusals", "typed_config": config}


def _severe(mode: str) -> list[Fragment]:
    """What the mode refuses: a length beside one under a suspicious name; in the strictest mode also a length or an
    encoding of GET and HEAD, which have no body."""
    if mode == "monitor":
        return []
    suspicious = [(one.replace("-", "_"), other) for one, other in zip(_LENGTHS, reversed(_LENGTHS), strict=True)]
    made = [_all_of([_is(name, ".*") for name in names]) for names in suspicious]
    if mode == "strictest":
        made += [_all_of([_is(name, ".*"), _is(":method", "GET|HEAD")]) for name in _LENGTHS]
    return made


def _is(name: str, regex: str) -> Fragment:
    """A predicate: the request has the header, and its value is such."""
    config = {"@type": TYPE + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": name}
    value = {"safe_regex": {"google_re2": {}, "regex": regex}}
    return {"single_predicate": {"input": {"name": name, "typed_config": config}, "value_match": value}}


def _all_of(predicates: Sequence[Fragment]) -> Fragment:
    return {"and_matcher": {"predicate": list(predicates)}}


def _any_of(predicates: Sequence[Fragment]) -> Fragment:
    return {"or_matcher": {"predicate": list(predicates)}} if len(predicates) > 1 else predicates[0]
