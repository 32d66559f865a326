"""Rule transforms in Envoy: the host and the URL are rewritten when the rule, and the target group, are chosen.

How it works. Lua has no regular expressions of RE2, Envoy's expressions have, but cannot refuse a request. So a route
with transforms computes what they make of the request into two helper headers, and a script behind puts them in place,
or answers 500 where the result is no host or no path. The route stays the one that was chosen. Listeners without
transforms have neither filter; routes without pass both by. Access logs read the outcome from the request's metadata.

"Transforms for listener rules" in the Application Load Balancer guide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kunren.dataplane.envoy.resources import TYPE, Fragment
from kunren.services.elbv2.dataplane.answers import page
from kunren.services.elbv2.dataplane.guarding import REFUSE
from kunren.services.elbv2.transforms import HOST, URL, rewrite_of

COMPUTE, APPLY = "kunren.transforms", "kunren.transformed"
METADATA = APPLY
"""Where access logs find `host`, `uri` and `status`, and the request's own `path`."""
_HEADERS = {HOST: "x-kunren-host", URL: "x-kunren-url"}
_TEXTS = {HOST: r"re.extract(request.host, '^(\\[[^\\]]*\\]|[^:]*)', '\\1')", URL: "request.path"}
_SCRIPT_NAME = "apply"
_LUA = TYPE + "envoy.extensions.filters.http.lua.v3.Lua"
_MUTATION = TYPE + "envoy.extensions.filters.http.header_mutation.v3."
_PLAIN = re.compile(r"[A-Za-z0-9 /.,:;()\[\]{}^$*+?|=_<>-]")
_SCRIPT = (
    REFUSE
    + f"""\
function envoy_on_request(handle)
  local headers = handle:headers()
  local url, host = headers:get('x-kunren-url'), headers:get('x-kunren-host')
  headers:remove('x-kunren-url')
  headers:remove('x-kunren-host')
  if not url and not host then return end
  local memory = handle:streamInfo():dynamicMetadata()
  local function failed(status)
    memory:set('{METADATA}', 'status', status)
    return refuse(handle, '500', [[
{page(500)}]])
  end
  memory:set('{METADATA}', 'path', headers:get(':path'))
  if url then
    url = url:sub(2)
    if url:sub(1, 1) ~= '/' or url:find('[^\\33-\\126]') then return failed('TransformInvalidPath') end
    headers:replace(':path', url)
    memory:set('{METADATA}', 'uri', url)
  end
  if host then
    host = host:sub(2)
    if not host:find('^[%w%.%-_]+$') then return failed('TransformInvalidHost') end
    memory:set('{METADATA}', 'host', host)
    headers:replace(':authority', host .. (headers:get(':authority'):match(':%d+$') or ''))
  end
  memory:set('{METADATA}', 'status', 'TransformSuccess')
end
"""
)


def filters() -> list[Fragment]:
    """The HTTP filters of a listener that has transforms; they do nothing where a route does not ask for it."""
    lua = {"@type": _LUA, "source_codes": {_SCRIPT_NAME: {"inline_string": _SCRIPT}}, "clear_route_cache": False}
    return [
        {"name": COMPUTE, "typed_config": {"@type": _MUTATION + "HeaderMutation"}},
        {"name": APPLY, "typed_config": lua},
    ]


def per_route(transforms: Sequence[Any]) -> Fragment:
    """The `typed_per_filter_config` of a route of a rule with these transforms."""
    if not transforms:
        return {}
    mutations: list[Fragment] = []
    for kind, name in _HEADERS.items():
        mutations.append({"remove": name})
        rewrite = rewrite_of(transforms, kind)
        if rewrite is not None:
            value = {"key": name, "value": _expression(_TEXTS[kind], *rewrite)}
            mutations.append({"append": {"header": value, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}})
    return {
        COMPUTE: {"@type": _MUTATION + "HeaderMutationPerRoute", "mutations": {"request_mutations": mutations}},
        APPLY: {"@type": _LUA + "PerRoute", "name": _SCRIPT_NAME},
    }


def _expression(text: str, regex: str, replace: str) -> str:
    """`=` and the rewritten text, or nothing where the regular expression is not found."""
    around = f"^(.*?)(?:{_without_groups(regex)})(.*)$"
    put = re.sub(r"\$(\d)", r"\\\1", replace.replace("\\", "\\\\"))
    found = f"{text}.matches({_quoted(regex)})"
    made = [f"re.extract({text}, {_quoted(each)}, {_quoted(how)})" for each, how in (
        (around, r"\1"), (regex, put), (around, r"\2"),
    )]  # fmt: skip
    # one command each, since Envoy's expressions do not join strings
    return "".join(f"%CEL({found} ? {each} : '')%" for each in ("'='", *made))


def _without_groups(regex: str) -> str:
    """The same regular expression, capturing nothing."""
    made, in_class, i = "", False, 0
    while i < len(regex):
        char = regex[i]
        if char == "\\":
            made += regex[i : i + 2]
            i += 2
            continue
        if in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            first = re.match(r"\[\^?\]?", regex[i:])
            assert first is not None
            made += first[0]
            i += len(first[0])
            continue
        elif char == "(" and (named := re.match(r"\(\?P?<[^>]*>", regex[i:])):
            made += "(?:"
            i += len(named[0])
            continue
        elif char == "(" and regex[i + 1 : i + 2] != "?":
            char = "(?:"
        made += char
        i += 1
    return made


def _quoted(text: str) -> str:
    """A string of Envoy's expressions; what ends one, or a format command, is escaped."""
    return "'" + "".join(each if _PLAIN.match(each) else f"\\U{ord(each):08x}" for each in text) + "'"
