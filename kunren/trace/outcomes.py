"""Everything that DNS may answer, each with its probability: the answering function itself, asked with every draw.

`Every` takes the place of chance: it follows a script of draws and notes those it comes to; running through all scripts
gives all outcomes. What is asked is the resolver that serves the client, with an empty memory; it tells how each
routing policy chose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from kunren.core.clock import SimClock
from kunren.dataplane.dns.answer import Answer, Choice
from kunren.dataplane.dns.geography import Geography
from kunren.dataplane.dns.policies import Client
from kunren.dataplane.dns.resolver import Resolver
from kunren.dataplane.dns.zones import RRset
from kunren.trace.course import State
from kunren.world.addresses import PUBLIC_RESOLVER

T = TypeVar("T")
OUTCOMES_MAX = 256


@dataclass(slots=True)
class Draw:
    """Between what was drawn, with which probabilities, and which one it was."""

    options: list[Any]
    probabilities: list[float]
    index: int


@dataclass(slots=True)
class Every:
    """Chance that does as the script says, and notes what it was asked."""

    script: list[int]
    draws: list[Draw] = field(default_factory=list)

    def weighted(self, options: Sequence[T], weights: Sequence[float]) -> T:
        total = sum(weights)
        return self._drawn(options, [weight / total for weight in weights])

    def choice(self, options: Sequence[T]) -> T:
        return self._drawn(options, [1 / len(options)] * len(options))

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """The order of several values is left as it is: whichever comes first is as likely."""
        return list(options)

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """All of them: any may be among those taken."""
        return list(options)

    def _drawn(self, options: Sequence[T], probabilities: list[float]) -> T:
        position = len(self.draws)
        index = self.script[position] if position < len(self.script) else 0
        self.draws.append(Draw(list(options), probabilities, index))
        return options[index]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer, how probable it is, the draws that led to it, and how each routing policy chose."""

    answer: Answer
    probability: float
    draws: tuple[Draw, ...]
    choices: tuple[Choice, ...] = ()


def client_at(state: State, source: str) -> Client:
    """As whom the public resolver asks for a client of that address."""
    subnet = f"{source.rpartition('.')[0]}.0/24" if source else None
    return Client(PUBLIC_RESOLVER, subnet, Geography(state.spec).of(subnet or PUBLIC_RESOLVER))


def outcomes(state: State, name: bytes, rtype: int, source: str = "") -> list[Outcome]:
    """All answers for a name and type to a client of that address, the likeliest first. A draw whose result the
    resolver asks for anew (behind a CNAME) makes no answer of its own."""
    found: dict[tuple[int, tuple[RRset, ...]], Outcome] = {}
    for each in _outcomes(state, name, rtype, client_at(state, source)):
        key = (each.answer.rcode, each.answer.answer)
        known = found.get(key)
        found[key] = replace(known, probability=known.probability + each.probability) if known is not None else each
    return sorted(found.values(), key=lambda each: -each.probability)


def _outcomes(state: State, name: bytes, rtype: int, client: Client) -> Iterator[Outcome]:
    waiting: list[list[int]] = [[]]
    for _ in range(OUTCOMES_MAX):
        if not waiting:
            return
        script = waiting.pop()
        chance = Every(script)
        choices: dict[bytes, Choice] = {}

        def note(choice: Choice, choices: dict[bytes, Choice] = choices) -> None:
            choices[choice.name] = choice

        resolver = Resolver(lambda: state.zones, state.spec, SimClock(), chance, note=note)
        answer = resolver.resolve(name, rtype, client)
        probability = 1.0
        for position, draw in enumerate(chance.draws):
            probability *= draw.probabilities[draw.index]
            if position >= len(script):
                taken = [each.index for each in chance.draws[:position]]
                waiting += [[*taken, other] for other in range(1, len(draw.options))]
        yield Outcome(answer, probability, tuple(chance.draws), tuple(choices.values()))
