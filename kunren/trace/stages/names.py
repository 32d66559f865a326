"""DNS: the host's name to the addresses a client may be given, by the function that answers the world's resolvers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address

from kunren.dataplane.dns import answer, names
from kunren.dataplane.dns.answer import ALIAS_DEPTH_MAX, NOERROR, Choice, find_node
from kunren.dataplane.dns.zones import CNAME, A, Alias, Option, Records, RecordSet, Routed, Zone
from kunren.services.elbv2.words import percent
from kunren.trace.course import Course, State
from kunren.trace.model import NO_ADDRESS, Considered, Step
from kunren.trace.outcomes import Draw, Outcome, outcomes

STAGE = "DNS"
_RCODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


def stage(course: Course) -> Step | None:
    host = course.request.host
    try:
        literal = str(IPv4Address(host))
    except AddressValueError:
        return _named(course, host)
    course.address = literal
    course.expected.addresses = (literal,)
    return Step(stage=STAGE, chosen=literal, because="the URL has an address, so no name is looked up")


def _named(course: Course, host: str) -> Step:
    try:
        name = names.to_wire(host)
    except names.BadName as error:
        return course.ended(STAGE, "no address", str(error), outcome=NO_ADDRESS, addresses=())
    found = outcomes(course.state, name, A, course.request.source)
    addresses = tuple(dict.fromkeys(each for outcome in found for each in addresses_of(outcome)))
    likeliest = next((each for each in found if addresses_of(each)), None)
    rcode = found[0].answer.rcode
    course.expected.rcode = _RCODES.get(rcode, str(rcode))
    if likeliest is None:
        what = "NODATA" if rcode == NOERROR else course.expected.rcode
        because = f"{what}: {_reason(course.state, name, found)}"
        return course.ended(STAGE, "no address", because, outcome=NO_ADDRESS, addresses=())
    course.expected.addresses = addresses
    if course.address is None:
        course.address = addresses_of(likeliest)[0]
    given = next((each for each in found if course.address in addresses_of(each)), likeliest)
    chosen = course.address
    others = [each for each in addresses_of(given) if each != chosen]
    if others:
        chosen += f" (or {', '.join(others)}: their order is drawn)"
    considered = _considered(course.state, found, given)
    return Step(stage=STAGE, chosen=chosen, because=_chain(course.state, name, given), considered=considered)


def addresses_of(outcome: Outcome) -> list[str]:
    """The IPv4 addresses of an answer."""
    return [
        str(IPv4Address(rdata)) for each in outcome.answer.answer if each.rtype == A for rdata in each.rdatas
    ]  # fmt: skip


def _chain(state: State, name: bytes, given: Outcome) -> str:
    """How the answer came about: each link of it, with the choices of routing policies on the way."""
    told = [_link(state, each.name, each.rtype, each.ttl, each.rdatas, given) for each in given.answer.answer]
    return "; ".join(told) or _reason(state, name, [given])


def _link(state: State, name: bytes, rtype: int, ttl: int, rdatas: tuple[bytes, ...], given: Outcome) -> str:
    text = _text(name)
    zone = state.zones.delegated(name)
    node = find_node(zone, name) if zone is not None else None
    if zone is None or node is None or rtype not in node:
        return f"AWS publishes {text} for what has that name (TTL {ttl})"
    where = f"hosted zone {_text(zone.name)} ({zone.id})"
    if name not in zone.nodes:
        where += ", by its wildcard record,"
    if rtype == CNAME and isinstance(node[rtype], Records):
        return f"{where} has {text} CNAME {_text(rdatas[0])} (TTL {ttl})"
    kind = "CNAME" if rtype == CNAME else "A"
    steps = _steps(state, zone, name, rtype, {each.name: each for each in given.choices}, list(given.draws))
    end = f" (TTL {ttl})" if isinstance(node[rtype], Records) else ""
    return f"{where} has {text} {kind} {', '.join(steps)}{end}"


def _steps(
    state: State, zone: Zone, name: bytes, rtype: int, choices: dict[bytes, Choice], draws: list[Draw]
) -> Iterator[str]:
    """From a name to its records: through policies and aliases, each with what was taken and why."""
    record_set = (find_node(zone, name) or {}).get(rtype)
    for _ in range(ALIAS_DEPTH_MAX):
        if isinstance(record_set, Routed):
            choice = choices.get(name)
            taken = [each for each in choice.considered if each.taken] if choice is not None else []
            if choice is None or not taken:
                return
            what = " and ".join(_named_option(each, choice, draws) for each in taken)
            yield f"by {choice.policy} routing: {what}; {choice.because}"
            record_set = taken[0].option.record_set if len(taken) == 1 else None
        if isinstance(record_set, Records):
            yield _values(record_set)
        if not isinstance(record_set, Alias):
            return
        yield f"as {_option(state, record_set)}"
        name = record_set.target
        record_set = (find_node(zone, name) or {}).get(rtype) if record_set.same_zone else None


def _named_option(each: answer.Considered, choice: Choice, draws: list[Draw]) -> str:
    share = _share(each.option, draws)
    details = ", ".join(part for part in (each.merit, share) if part)
    return f"{each.option.identifier} ({details})" if details else each.option.identifier


def _share(option: Option, draws: list[Draw]) -> str:
    """How probable an option was in the draw that it took part in, if there was one."""
    for draw in reversed(draws):
        for index, each in enumerate(draw.options):
            if each is option:
                return f"drawn with {percent(draw.probabilities[index], 1)}"
    return ""


def _considered(state: State, found: list[Outcome], given: Outcome) -> tuple[Considered, ...]:
    """Every record set that a routing policy looked at, on the way to the answer that was given."""
    told = []
    for choice in given.choices:
        where = f"{_text(choice.name)}: " if len(given.choices) > 1 else ""
        for each in choice.considered:
            because = [_share(each.option, list(given.draws)) or each.merit]
            if not each.healthy:
                because.append("unhealthy")
            what = f"{where}{each.option.identifier}: {_option(state, each.option.record_set)}"
            told.append(Considered(what=what, taken=each.taken, because=", ".join(part for part in because if part)))
    return tuple(told)


def _option(state: State, option: RecordSet) -> str:
    if isinstance(option, Records):
        return _values(option)
    if isinstance(option, Routed):
        return f"by {option.policy}"
    health = ""
    if option.evaluate and not option.same_zone:
        health = ", which is healthy" if state.zones.is_healthy(option.target) else ", which is not healthy"
    return f"an alias to {_text(option.target)}{health}"


def _values(records: Records) -> str:
    return ", ".join(str(IPv4Address(each)) if len(each) == 4 else each.hex() for each in records.rdatas)


def _reason(state: State, name: bytes, found: list[Outcome]) -> str:
    zone: Zone | None = state.zones.delegated(name)
    if zone is None:
        return f"no hosted zone has {_text(name)}"
    if found[0].answer.rcode == NOERROR:
        return f"hosted zone {_text(zone.name)} ({zone.id}) has the name, but no address for it"
    return f"hosted zone {_text(zone.name)} ({zone.id}) has no record {_text(name)}"


def _text(name: bytes) -> str:
    return names.to_text(name).removesuffix(".")
