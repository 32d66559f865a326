"""DNS: the host's name to the addresses a client may be given, by the function that answers the world's resolvers."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address

from kunren.dataplane.dns import names
from kunren.dataplane.dns.answer import NOERROR, find_node
from kunren.dataplane.dns.zones import CNAME, A, Alias, Records, Zone
from kunren.services.elbv2.words import percent
from kunren.services.route53.dataplane import node_of
from kunren.services.route53.model import HostedZone, OwnerName
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
    found = outcomes(course.state, name, A)
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
    considered = _considered(course.state, name, found, course.address)
    return Step(stage=STAGE, chosen=chosen, because=_chain(course.state, name, given), considered=considered)


def addresses_of(outcome: Outcome) -> list[str]:
    """The IPv4 addresses of an answer."""
    return [
        str(IPv4Address(rdata)) for each in outcome.answer.answer if each.rtype == A for rdata in each.rdatas
    ]  # fmt: skip


def _chain(state: State, name: bytes, given: Outcome) -> str:
    """How the answer came about: each link of it, with the draw where there was one."""
    draws = list(given.draws)
    told = [_link(state, each.name, each.rtype, each.ttl, each.rdatas, draws) for each in given.answer.answer]
    return "; ".join(told) or _reason(state, name, [given])


def _link(state: State, name: bytes, rtype: int, ttl: int, rdatas: tuple[bytes, ...], draws: list[Draw]) -> str:
    text = _text(name)
    zone = state.zones.delegated(name)
    node = find_node(zone, name) if zone is not None else None
    if zone is None or node is None or rtype not in node:
        return f"AWS publishes {text} for what has that name (TTL {ttl})"
    where = f"hosted zone {_text(zone.name)} ({zone.id})"
    if name not in zone.nodes:
        where += ", by its wildcard record,"
    if rtype == CNAME:
        return f"{where} has {text} CNAME {_text(rdatas[0])} (TTL {ttl})"
    record_set = node[rtype]
    if isinstance(record_set, Alias):
        return f"{where} has {text} A as {_option(state, record_set)}"
    if isinstance(record_set, Records):
        return f"{where} has {text} A {_values(record_set)} (TTL {ttl})"
    drawn = f"{where} has {text} A as a weighted choice"
    choices = [choice for _, choice in record_set.choices]
    draw = next((each for each in reversed(draws) if all(option in choices for option in each.options)), None)
    if draw is not None:
        share = percent(draw.probabilities[draw.index], 1)
        return f"{drawn}; drawn: {_option(state, draw.options[draw.index])} ({share})"
    return drawn + "; only one choice has weight and is healthy"


def _considered(state: State, name: bytes, found: list[Outcome], chosen: str | None) -> tuple[Considered, ...]:
    """Every outcome with its probability, where there is more than one."""
    if len(found) < 2:
        return ()
    told = []
    for each in found:
        draw = each.draws[-1]
        option = draw.options[draw.index]
        given = ", ".join(addresses_of(each)) or "nothing"
        what = f"{_set_identifier(state, name, option)}{_option(state, option)}: {given}"
        because = f"drawn with {percent(each.probability, 1)}"
        told.append(Considered(what=what, taken=chosen in addresses_of(each), because=because))
    return tuple(told)


def _set_identifier(state: State, name: bytes, option: Records | Alias) -> str:
    """The set identifier of a weighted record, from the store's rows."""
    zone = state.zones.delegated(name)
    if zone is None:
        return ""
    hosted = next((each for each in state.snapshot.every(HostedZone) if each.id == zone.id), None)
    key = names.sort_key(name)
    owner = state.snapshot.get(OwnerName, hosted.account, zone.id, key) if hosted is not None else None
    for each in owner.record_sets if owner is not None else ():
        if each.set_identifier and owner is not None:
            alone = OwnerName(account=owner.account, region=owner.region, id=owner.id, record_sets=(each,))
            served = next(iter(node_of(zone.id, alone).values()))
            if option in [choice for _, choice in getattr(served, "choices", ())]:
                return f"{each.set_identifier}: "
    return ""


def _option(state: State, option: Records | Alias) -> str:
    if isinstance(option, Records):
        return _values(option)
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
