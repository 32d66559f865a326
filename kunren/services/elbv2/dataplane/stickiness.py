"""Stickiness: the cookies that keep a client at a target (AWSALB, AWSALBAPP-n) or at a target group (AWSALBTG).

How it works. One Lua filter, present only on listeners of load balancers that have something sticky, and asleep on
every route but those: a sticky route names the script and carries its settings as the script's context. On the request
the script reads the target's address from the cookie and asks Envoy for that endpoint first (one that is gone, draining
or unhealthy is passed over, and the algorithm chooses); on the response it writes the cookies anew, so every answer
begins the stickiness duration again. A cookie says when it was issued, since clients keep it for seven days whatever
the duration is. Its value is masked with a key of the load balancer: opaque, the same on all nodes and after a restart,
and no secret worth keeping, as a forged one can only choose among the group's own healthy targets.

What it refuses to know: which group a rule chooses (`routing.py` looks for AWSALBTG's value).

"Sticky sessions for your Application Load Balancer" in the Application Load Balancer guide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kunren.dataplane.envoy.resources import TYPE, Fragment
from kunren.services.elbv2.attributes import TARGET_GROUP, value
from kunren.services.elbv2.model import TargetGroup

FILTER = "kunren.stickiness"
TARGET_HEADER = "x-kunren-target"
"""A response header by which the route tells the script who answered; clients never see it."""
_SCRIPT_NAME = "cookies"
_PER_ROUTE = TYPE + "envoy.extensions.filters.http.lua.v3.LuaPerRoute"
_LUA = TYPE + "envoy.extensions.filters.http.lua.v3.Lua"

_SCRIPT = """\
local bxor, byte, char, format = bit.bxor, string.byte, string.char, string.format
local shards = 4
local second, expires = 0, ''
local function now(handle) return tonumber(tostring(handle:timestamp())) end
local function lifetime()
  local time = os.time()
  if time ~= second then
    second, expires = time, os.date('!; Expires=%a, %d %b %Y %H:%M:%S GMT; Path=/', time + 604800)
  end
  return expires
end
local function masked(text, key, seed)
  local out = {}
  for i = 1, #text do
    out[i] = char(bxor(byte(text, i), byte(key, (i * 7 + seed) % #key + 1), (seed * i) % 251))
  end
  return table.concat(out)
end
local function sealed(text, key, stamp)
  local seed = stamp % 65521
  return format('%04x', seed) .. masked('v1' .. text, key, seed):gsub('.', function(c)
    return format('%02x', byte(c)) end)
end
local function opened(value, key)
  if not value or #value < 8 or #value > 16384 or value:find('[^0-9a-f]') or #value % 2 == 1 then return nil end
  local text = masked(value:sub(5):gsub('..', function(h) return char(tonumber(h, 16)) end), key,
    tonumber(value:sub(1, 4), 16))
  if text:sub(1, 2) ~= 'v1' then return nil end
  return text:sub(3)
end
local function cookie(cookies, name)
  local _, last = ('; ' .. cookies):find('; ' .. name .. '=', 1, true)
  return last and ('; ' .. cookies):sub(last + 1):match('^[^;]*') or nil
end
local function entries(text)
  local found = {}
  for group, address, issued in (text or ''):gmatch('(%x+)=([^,;]+),(%d+);') do found[group] = {address, issued} end
  return found
end
local function fresh(entry, seconds, time)
  return entry and time - tonumber(entry[2]) < seconds * 1000
end
local function known(cookies, context)
  if context:get('kind') == 'lb' then
    return entries(opened(cookie(cookies, 'AWSALB') or cookie(cookies, 'AWSALBCORS'), context:get('key')))
  end
  local parts = {}
  for i = 0, shards - 1 do
    local part = cookie(cookies, 'AWSALBAPP-' .. i)
    if part and part ~= '_remove_' then parts[#parts + 1] = part end
  end
  return entries(opened(table.concat(parts), context:get('key')))
end
function envoy_on_request(handle)
  local context = handle:filterContext()
  local headers = handle:headers()
  local cookies = headers:get('cookie')
  if not cookies and context:get('kind') ~= 'app' then return end
  cookies = cookies or ''
  local time = now(handle)
  if context:get('group') then
    local kept, oldest = cookies, time - context:get('group_seconds') * 1000
    for _, name in ipairs({'AWSALBTG', 'AWSALBTGCORS'}) do
      local value = cookie(cookies, name) or ''
      local issued = tonumber(value:sub(#context:get('group') + 1), 16)
      if issued and issued <= oldest then kept = kept:gsub(name .. '=' .. value, name .. '=') end
    end
    if kept ~= cookies then
      headers:replace('cookie', kept)
      handle:clearRouteCache()
      return
    end
  end
  local kind = context:get('kind')
  if not kind then return end
  local found = known(cookies, context)
  local entry = found[context:get('target_group')]
  if kind == 'app' then
    local kept = {}
    for group, each in pairs(found) do kept[#kept + 1] = group .. '=' .. each[1] .. ',' .. each[2] .. ';' end
    local alive = cookie(cookies, context:get('cookie')) and fresh(entry, context:get('seconds'), time)
    local memory = handle:streamInfo():dynamicMetadata()
    memory:set('kunren.stickiness', 'kept', table.concat(kept))
    memory:set('kunren.stickiness', 'alive', alive and true or false)
    local chrome = (headers:get('user-agent') or ''):match('Chrom[a-z]+/(%d+)')
    memory:set('kunren.stickiness', 'cross', tonumber(chrome or 0) >= 80)
    if not alive then return end
  end
  if fresh(entry, context:get('seconds'), time) then handle:setUpstreamOverrideHost(entry[1], false) end
end
local function sets_cookie(handle, name)
  local headers = handle:headers()
  for i = 0, headers:getNumValues('set-cookie') - 1 do
    if headers:getAtIndex('set-cookie', i):match('^%s*([^=]*)') == name then return true end
  end
  return false
end
local function add(handle, name, value, extra) handle:headers():add('set-cookie', name .. '=' .. value .. lifetime()
  .. extra) end
function envoy_on_response(handle)
  local context = handle:filterContext()
  local headers = handle:headers()
  local target = headers:get('x-kunren-target')
  headers:remove('x-kunren-target')
  if not target or not target:find(':', 1, true) then return end
  local time = now(handle)
  local cross = context:get('secure') and '; SameSite=None; Secure' or '; SameSite=None'
  if context:get('group') then
    local value = context:get('group') .. format('%012x', time)
    add(handle, 'AWSALBTG', value, '')
    add(handle, 'AWSALBTGCORS', value, cross)
  end
  local kind, key = context:get('kind'), context:get('key')
  if not kind then return end
  local own = format('%s=%s,%d;', context:get('target_group'), target, time)
  if kind == 'lb' then
    local value = sealed(own, key, time)
    add(handle, 'AWSALB', value, '')
    add(handle, 'AWSALBCORS', value, cross)
    return
  end
  local memory = handle:streamInfo():dynamicMetadata():get('kunren.stickiness') or {}
  local parts = {}
  if memory.alive or sets_cookie(handle, context:get('cookie')) then
    local text = own
    for group, each in pairs(entries(memory.kept)) do
      if group ~= context:get('target_group') then text = text .. group .. '=' .. each[1] .. ',' .. each[2] .. ';' end
    end
    local value = sealed(text, key, time)
    for i = 0, shards - 1 do parts[i] = value:sub(i * 4000 + 1, (i + 1) * 4000) end
  end
  local extra = context:get('secure') and memory.cross and cross or ''
  for i = 0, shards - 1 do
    add(handle, 'AWSALBAPP-' .. i, parts[i] and parts[i] ~= '' and parts[i] or '_remove_', extra)
  end
end
"""


@dataclass(frozen=True, slots=True)
class TargetStickiness:
    """How a group keeps clients at its targets. `seconds` are real ones; `cookie` is the application's, or None for
    the load balancer's own."""

    target_group: str
    seconds: float
    cookie: str | None


def target_stickiness(group: TargetGroup, wall_seconds: Callable[[float], float]) -> TargetStickiness | None:
    """The group's stickiness, or None where it has none."""

    def attribute(key: str) -> str:
        return value(TARGET_GROUP, group.attributes, key)

    if group.target_type == "lambda" or attribute("stickiness.enabled") != "true":
        return None
    kind = attribute("stickiness.type")
    seconds = wall_seconds(float(attribute(f"stickiness.{kind}.duration_seconds")))
    cookie = attribute("stickiness.app_cookie.cookie_name") if kind == "app_cookie" else None
    return TargetStickiness(_digest(group.id)[:8], seconds, cookie)


def group_cookie(listener_arn: str, group_arn: str) -> str:
    """How the value of AWSALBTG begins that means this group on this listener; when it was issued follows."""
    return _digest(f"{listener_arn}|{group_arn}")


def http_filter() -> Fragment:
    """The filter of a listener; it does nothing where a route does not ask for it."""
    sources = {_SCRIPT_NAME: {"inline_string": _SCRIPT}}
    return {"name": FILTER, "typed_config": {"@type": _LUA, "source_codes": sources}}


def per_route(
    listener_arn: str,
    targets: TargetStickiness | None,
    *,
    secure: bool,
    group: str | None = None,
    group_seconds: float = 0.0,
) -> Fragment:
    """A route's (or weighted cluster's) configuration of the filter. `group` is the group's cookie value, where the
    rule keeps clients with their group."""
    context: dict[str, Any] = {"key": _digest("key|" + listener_arn.rpartition("/")[0]), "secure": secure}
    if targets is not None:
        context |= {"kind": "app" if targets.cookie else "lb", "seconds": targets.seconds}
        context |= {"target_group": targets.target_group, "cookie": targets.cookie or ""}
    if group is not None:
        context |= {"group": group, "group_seconds": group_seconds}
    return {"@type": _PER_ROUTE, "name": _SCRIPT_NAME, "filter_context": context}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
