"""Clients behind resolvers, a second of virtual time after the other, as whole arrays.

A client asks at its own phase of a constant period, through its resolver. A resolver remembers an answer for its TTL
(one that ignores TTLs for longer), and asks again when the first client comes after that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy

from kunren.drills.model import Simulation
from kunren.simulate.health import Epoch, Told

Array = numpy.ndarray[Any, Any]
FAILED_LOOKUP_S = 1.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Operations in each second after the steady state."""

    sent: Array
    ok: Array


def recovery_curve(
    told: Simulation, places: list[str], epochs: list[Epoch], served: Callable[[Epoch, str, float], float],
    end_s: float, seed: int, warm_s: float,
) -> Curve:  # fmt: skip
    """`served` is the share of operations that an address answers well. Resolvers begin `warm_s` before the steady
    state, so that their caches are in the middle of their lives."""
    chance = numpy.random.default_rng(seed)
    resolvers = _Resolvers(told, places, chance)
    period_s = max(round(60.0 / told.requests_per_client), 1)
    resolver_of = chance.integers(0, told.resolvers, told.clients)
    order = numpy.argsort(chance.integers(0, period_s, told.clients), kind="stable")
    turns = numpy.array_split(resolver_of[order], period_s)
    seconds = int(end_s)
    sent, ok = numpy.zeros(seconds), numpy.zeros(seconds)
    epoch = 0
    for second in range(-int(warm_s), seconds):
        at_s = second + 0.5
        while epoch + 1 < len(epochs) and epochs[epoch + 1].start_s <= at_s:
            epoch += 1
        asking = turns[second % period_s]
        resolvers.ask(epochs[epoch], asking, second)
        if second >= 0:
            shares = numpy.array([served(epochs[epoch], each, at_s) for each in resolvers.addresses] + [0.0])
            sent[second] = len(asking)
            ok[second] = shares[resolvers.held[asking]].sum()
    return Curve(sent, ok)


class _Resolvers:
    """What each resolver holds: the number of an address (-1: none), and until when."""

    def __init__(self, told: Simulation, places: list[str], chance: numpy.random.Generator) -> None:
        self._told, self._places, self._chance = told, places, chance
        self._place = chance.integers(0, len(places), told.resolvers)
        self._ignoring = chance.random(told.resolvers) < told.ignoring_ttl
        self._expires = numpy.full(told.resolvers, -numpy.inf)
        self._owner = numpy.full(told.resolvers, -1)
        self._owner_expires = numpy.full(told.resolvers, -numpy.inf)
        self.held = numpy.full(told.resolvers, -1)
        self.addresses: list[str] = []
        self._owners: list[str] = []

    def ask(self, epoch: Epoch, asking: Array, second: int) -> None:
        """Those whose answers are over ask again: for the name, or for what it led to as long as they know that."""
        stale = numpy.unique(asking[self._expires[asking] <= second])
        forgot = self._owner_expires[stale] <= second
        for index, place in enumerate(self._places):
            self._told_to(stale[forgot & (self._place[stale] == index)], epoch.told[place], second, True)
        known, owners = stale[~forgot], self._owner[stale[~forgot]]
        for index, owner in enumerate(self._owners):
            self._told_to(known[owners == index], epoch.of_owner.get(owner, []), second, False)

    def _told_to(self, asking: Array, options: list[Told], second: int, whole: bool) -> None:
        if not len(asking):
            return
        if not options:
            self.held[asking], self._expires[asking] = -1, second + FAILED_LOOKUP_S
            return
        self.addresses += sorted({each.address for each in options} - set(self.addresses))
        self._owners += sorted({each.owner for each in options} - set(self._owners))
        weights = numpy.array([each.probability for each in options])
        drawn = self._chance.choice(len(options), len(asking), p=weights / weights.sum())
        # at first the caches are at all points of their lives
        life = numpy.where(numpy.isinf(self._expires[asking]), self._chance.random(len(asking)), 1.0)
        self.held[asking] = numpy.array([self.addresses.index(each.address) for each in options])[drawn]
        ttls = numpy.array([each.ttl_s for each in options])[drawn]
        self._expires[asking] = second + life * self._kept(asking, ttls)
        if whole:
            held_s = numpy.array([each.owner_ttl_s for each in options])[drawn]
            self._owner[asking] = numpy.array([self._owners.index(each.owner) for each in options])[drawn]
            self._owner_expires[asking] = second + life * numpy.where(held_s > 0, self._kept(asking, held_s), 0.0)

    def _kept(self, asking: Array, ttls: Array) -> Array:
        """For how long they keep what has these TTLs."""
        longer: Array = numpy.maximum(ttls, self._told.ignored_for_s)
        kept: Array = numpy.where(self._ignoring[asking], longer, ttls)
        return kept
