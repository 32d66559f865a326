"""Runs CloudFront Functions: JavaScript in QuickJS, one context a function, bounded in memory and time.

What functions find around themselves is in `function_runtime.mjs`. AWS allows about a millisecond of its own
machines; here a call ends after `CPU_S` of processor time, and the utilization is told in parts of a millisecond.
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kunren.dataplane.edge import key_values
from kunren.dataplane.edge.key_values import KeyValues
from kunren.dataplane.edge.site import Script

MEMORY_BYTES = 2 * 1024 * 1024
CPU_S = 0.02
CONTEXTS_MAX = 256
OLD = "cloudfront-js-1.0"
_CHOOSES = "RequestOrigin"  # part of the names of what chooses an origin
_IMPORT = re.compile(r"^\s*import\s+(?:\*\s*as\s+)?(\w+|\{[\w\s,$]*\})\s*from\s*['\"](\w+)['\"]\s*;?", re.MULTILINE)
_RUNTIME = Path(__file__).with_name("function_runtime.mjs")


class ScriptError(Exception):
    """The function threw, took too long or too much, or can't be read. The text is the engine's."""


@dataclass(frozen=True, slots=True)
class Ran:
    """`output` is JSON, None for undefined; `logs` are lines, where they were asked for; `utilization` a percentage of
    a millisecond; `choice` says of an origin what `origin_choice.py` reads."""

    output: str | None
    logs: tuple[str, ...]
    utilization: int
    choice: Any = None


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
            choice = context.get("__chosen")() if _CHOOSES in script.code and script.runtime != OLD else None
        except (quickjs.JSException, quickjs.StackOverflow) as error:
            self._contexts.pop((script.name, script.revision), None)  # whatever state it was left in
            raise ScriptError(str(error).strip().splitlines()[0]) from error
        if failure is not None:
            raise ScriptError(failure)
        used = (time.thread_time() - began) * 1000
        return Ran(output, tuple(logged.split("\0")) if logged else (), min(100, max(1, round(used * 100))),
                   json.loads(choice) if choice is not None else None)  # fmt: skip

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
        made.eval(_runtime())
        made.eval("__older()" if script.runtime == OLD else "__newer()")
        made.set_time_limit(CPU_S)
        made.eval(_IMPORT.sub(_required, script.code))
        if not made.eval("typeof handler === 'function'"):
            raise quickjs.JSException("The function has no handler.")
        self._contexts[key] = made
        if len(self._contexts) > CONTEXTS_MAX:
            self._contexts.popitem(last=False)
        return made


@cache
def _runtime() -> str:
    return _RUNTIME.read_text()


def _required(found: re.Match[str]) -> str:
    """An import as a call of `require`."""
    names = re.sub(r"\s+as\s+", ": ", found[1])
    return f"const {names} = require('{found[2]}');"
