"""Everything that DNS may answer, each with its probability: the answering function itself, asked with every draw.

`Every` takes the place of chance: it follows a script of draws and notes those it comes to; running through all scripts
gives all outcomes. What is asked is the resolver that serves the world, with an empty memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from kunren.core.clock import SimClock
from kunren.dataplane.dns.answer import Answer
from kunren.dataplane.dns.resolver import Resolver
from kunren.dataplane.dns.zones import Alias, Records, RRset
from kunren.trace.course import State

OUTCOMES_MAX = 256


@dataclass(slots=True)
class Draw:
    """Between what was drawn, with which probabilities, and which one it was."""

    options: list[Records | Alias]
    probabilities: list[float]
    index: int


@dataclass(slots=True)
class Every:
    """Chance that does as the script says, and notes what it was asked."""

    script: list[int]
    draws: list[Draw] = field(default_factory=list)

    def weighted(self, options: list[Records | Alias], weights: list[float]) -> Records | Alias:
        total = sum(weights)
        return self._drawn(options, [weight / total for weight in weights])

    def choice(self, options: list[Records | Alias]) -> Records | Alias:
        return self._drawn(options, [1 / len(options)] * len(options))

    def shuffled(self, options: tuple[bytes, ...]) -> list[bytes]:
        """The order of several values is left as it is: whichever comes first is as likely."""
        return list(options)

    def _drawn(self, options: list[Records | Alias], probabilities: list[float]) -> Records | Alias:
        position = len(self.draws)
        index = self.script[position] if position < len(self.script) else 0
        self.draws.append(Draw(options, probabilities, index))
        return options[index]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer, how probable it is, and the draws that led to it."""

    answer: Answer
    probability: float
    draws: tuple[Draw, ...]


def outcomes(state: State, name: bytes, rtype: int) -> list[Outcome]:
    """All answers for a name and type, the likeliest first. A draw whose result the resolver asks for anew (behind a
    CNAME) makes no answer of its own."""
    found: dict[tuple[int, tuple[RRset, ...]], Outcome] = {}
    for each in _outcomes(state, name, rtype):
        key = (each.answer.rcode, each.answer.answer)
        known = found.get(key)
        found[key] = replace(known, probability=known.probability + each.probability) if known is not None else each
    return sorted(found.values(), key=lambda each: -each.probability)


def _outcomes(state: State, name: bytes, rtype: int) -> Iterator[Outcome]:
    waiting: list[list[int]] = [[]]
    for _ in range(OUTCOMES_MAX):
        if not waiting:
            return
        script = waiting.pop()
        chance = Every(script)
        resolver = Resolver(lambda: state.zones, state.spec, SimClock(), chance)
        answer = resolver.resolve(name, rtype)
        probability = 1.0
        for position, draw in enumerate(chance.draws):
            probability *= draw.probabilities[draw.index]
            if position >= len(script):
                taken = [each.index for each in chance.draws[:position]]
                waiting += [[*taken, other] for other in range(1, len(draw.options))]
        yield Outcome(answer, probability, tuple(chance.draws))
