"""Many things, each behind those it waits for, as many at once as may be."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Collection, Mapping

PARALLEL_MAX = 64


async def in_order(
    waits_for: Mapping[str, frozenset[str]],
    do: Callable[[str], Awaitable[bool]],
    *,
    failed: Callable[[], None] | None = None,
) -> list[str]:
    """Do each once all that it waits for succeeded; returns those that failed, sorted. With `failed`, which is called
    at the first failure, nothing more is begun behind one; without, what does not wait for a failure goes on. What the
    longest chain waits for goes first."""
    left = {name: set(needs) & waits_for.keys() for name, needs in waits_for.items()}
    waiting: dict[str, list[str]] = {}
    for name, needs in left.items():
        for each in needs:
            waiting.setdefault(each, []).append(name)
    height = heights(left, waiting)
    ready = [(-height[name], name) for name, needs in left.items() if not needs]
    heapq.heapify(ready)
    running: dict[asyncio.Task[bool], str] = {}
    lost: list[str] = []
    stopped = False
    try:
        while ready or running:
            while ready and len(running) < PARALLEL_MAX and not stopped:
                _, name = heapq.heappop(ready)
                running[asyncio.ensure_future(do(name))] = name
            if not running:
                break
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                name = running.pop(task)
                if task.result():
                    for each in waiting.get(name, ()):
                        left[each].discard(name)
                        if not left[each]:
                            heapq.heappush(ready, (-height[each], each))
                    continue
                lost.append(name)
                if failed is not None and not stopped:
                    stopped = True
                    failed()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return sorted(lost)


def heights(needs: Mapping[str, Collection[str]], waiting: Mapping[str, Collection[str]]) -> dict[str, int]:
    """How long the longest chain of those is that wait for each."""
    found = dict.fromkeys(needs, 0)
    open_ends = {name: len(waiting.get(name, ())) for name in needs}
    done = [name for name, count in open_ends.items() if not count]
    while done:
        name = done.pop()
        for each in needs[name]:
            found[each] = max(found[each], found[name] + 1)
            open_ends[each] -= 1
            if not open_ends[each]:
                done.append(each)
    return found


def reversed_waits(waits_for: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Who must go first when all is taken away: those that wait for one."""
    found: dict[str, set[str]] = {name: set() for name in waits_for}
    for name, needs in waits_for.items():
        for each in needs:
            if each in found:
                found[each].add(name)
    return {name: frozenset(needs) for name, needs in found.items()}
