"""Runs CloudFront Functions: JavaScript in QuickJS, one context a function, bounded in memory and time.

Developer Guide, "JavaScript runtime 2.0 features for CloudFront Functions". AWS allows about a millisecond of its own
machines; here a call ends after `CPU_S` of processor time, and the utilization is told in parts of a millisecond.
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kunren.dataplane.edge import key_values
from kunren.dataplane.edge.key_values import KeyValues
from kunren.dataplane.edge.site import Script

MEMORY_BYTES = 2 * 1024 * 1024
CPU_S = 0.02
CONTEXTS_MAX = 256
_IMPORT = re.compile(r"^\s*import\s+(\w+)\s+from\s+['\"](\w+)['\"]\s*;?", re.MULTILINE)
_PRELUDE = """\
'use strict';
globalThis.__logs = [];
globalThis.console = {
  log: (...given) => { __logs.push(given.map((each) =>
    typeof each === 'object' ? JSON.stringify(each) : String(each)).join(' ')); },
};
console.error = console.warn = console.info = console.log;
globalThis.__modules = {
  querystring: {
    parse: (text) => Object.fromEntries(String(text).split('&').filter(Boolean).map((each) => {
      const [key, ...rest] = each.split('=');
      return [decodeURIComponent(key), decodeURIComponent(rest.join('='))];
    })),
    stringify: (given) => Object.entries(given).map(([key, value]) =>
      encodeURIComponent(key) + '=' + encodeURIComponent(value)).join('&'),
    escape: encodeURIComponent, unescape: decodeURIComponent,
  },
};
{
  // questions to key value stores wait here until the host has answered them
  const open = [];
  const ask = (...what) => new Promise((resolve, reject) => open.push({what, resolve, reject}));
  const bytes = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (each) => each.charCodeAt(0));
  const formats = {string: (text) => text, json: JSON.parse, bytes};
  __modules.cloudfront = {
    kvs: (id = '') => ({
      get: async (key, options) => {
        const format = formats[options?.format ?? 'string'];
        if (!format) throw new Error('Unknown format ' + options.format);
        return format(await ask(id, 'get', key));
      },
      exists: (key) => ask(id, 'exists', key),
      count: () => ask(id, 'count', ''),
      meta: () => ask(id, 'meta', ''),
    }),
  };
  globalThis.__asked = () => JSON.stringify(open.map((each) => each.what));
  globalThis.__answer = (text) => {
    const given = open.splice(0);
    JSON.parse(text).forEach((each, at) =>
      'error' in each ? given[at].reject(new Error(each.error)) : given[at].resolve(each.value));
  };
}
globalThis.require = (name) => {
  if (!(name in __modules)) throw new Error("Cannot find module '" + name + "'");
  return __modules[name];
};
globalThis.__logged = () => __logs.join('\\u0000');
globalThis.__run = (text) => {
  __logs.length = 0;
  globalThis.__output = undefined;
  globalThis.__failure = undefined;
  const made = handler(JSON.parse(text));
  if (!made || typeof made.then !== 'function') return JSON.stringify(made);
  made.then((value) => { __output = JSON.stringify(value); }, (error) => { __failure = String(error); });
  return null;
};
"""


class ScriptError(Exception):
    """The function threw, took too long or too much, or can't be read. The text is the engine's."""


@dataclass(frozen=True, slots=True)
class Ran:
    """`output` is JSON, None for undefined; `logs` are lines, where they were asked for; `utilization` a percentage of
    a millisecond."""

    output: str | None
    logs: tuple[str, ...]
    utilization: int


class Scripts:
    """Contexts by function and revision, the least recently used go first. `stores` are read as they are
    then."""

    def __init__(self, stores: Mapping[str, KeyValues] | None = None) -> None:
        self._stores = stores if stores is not None else {}
        self._contexts: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def run(self, script: Script, event: str, *, logs: bool = False) -> Ran:
        """Call the function's handler with an event (JSON). Raises ScriptError."""
        import quickjs

        began = time.thread_time()
        try:
            context = self._context(script)
            context.set_time_limit(CPU_S)
            failure, output = None, context.get("__run")(event)
            if output is None:  # undefined, or a promise
                self._settle(context, script, began)
                failure, output = context.get("__failure"), context.get("__output")
            logged = context.get("__logged")() if logs else ""
        except (quickjs.JSException, quickjs.StackOverflow) as error:
            self._contexts.pop((script.name, script.revision), None)  # whatever state it was left in
            raise ScriptError(str(error).strip().splitlines()[0]) from error
        if failure is not None:
            raise ScriptError(failure)
        used = (time.thread_time() - began) * 1000
        return Ran(output, tuple(logged.split("\0")) if logged else (), min(100, max(1, round(used * 100))))

    def _settle(self, context: Any, script: Script, began: float) -> None:
        """Run what a promise waits for, and answer what it asks key value stores."""
        import quickjs

        while True:
            while context.execute_pending_job():
                if time.thread_time() - began > CPU_S * 2:  # the engine bounds each job, not all of them
                    raise quickjs.JSException("The function exceeded the execution time limit.")
            asked = json.loads(context.get("__asked")())
            if not asked:
                return
            answers = [key_values.answer(self._stores, script.stores, each) for each in asked]
            context.get("__answer")(json.dumps(answers))

    def check(self, script: Script) -> None:
        """Read the function without calling it. Raises ScriptError."""
        import quickjs

        try:
            self._context(script)
        except (quickjs.JSException, quickjs.StackOverflow) as error:
            raise ScriptError(str(error).strip().splitlines()[0]) from error

    def _context(self, script: Script) -> Any:
        key = (script.name, script.revision)
        found = self._contexts.get(key)
        if found is not None:
            self._contexts.move_to_end(key)
            return found
        import quickjs

        made = quickjs.Context()
        made.set_memory_limit(MEMORY_BYTES)
        made.eval(_PRELUDE)
        if script.runtime == "cloudfront-js-1.0":
            made.eval("delete __modules.cloudfront")
        made.set_time_limit(CPU_S)
        made.eval(_IMPORT.sub(lambda found: f"const {found[1]} = require('{found[2]}');", script.code))
        if not made.eval("typeof handler === 'function'"):
            raise quickjs.JSException("The function has no handler.")
        self._contexts[key] = made
        if len(self._contexts) > CONTEXTS_MAX:
            self._contexts.popitem(last=False)
        return made
