"""The default world, and the YAML file with which `kunren up --world FILE` changes it.

A world file may append places and regions and name the default place; the address plan counts by position, so the
default ones keep theirs:

    default_place: kyoto
    places:
      - {name: kyoto, latitude: 35.01, longitude: 135.77, country: JP, continent: AS}
    regions:
      - {name: ap-northeast-9, zones: abc, latitude: 35.0, longitude: 135.8}
    latencies_ms:
      kyoto: {ap-northeast-1: 9.5, us-east-1: 161}
    distance: {jitter: 0.05, loss: 0.001, rate_mbit: 100}
    capacity:
      us-east-1a: {t3.micro: 4}

A place may also have a `subdivision` (the two letters of a state of the United States) and `networks` (blocks that DNS
takes for its addresses when a question names one as its client's subnet). `ipv6: false` makes a world without IPv6.
`latencies_ms` are round trips between places and regions; those not stated follow from the distance. `distance` (true,
or how links behave) makes packets take that long, as `kunren up --distance` does. `capacity` is how many instances of a
type a zone has room for.
"""

from __future__ import annotations

import math
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from kunren.core.errors import Unusable
from kunren.world.spec import Distance, Place, Region, WorldSpec

PLACES_MAX, REGIONS_MAX = 64, 32
_NAME = re.compile(r"[a-z][a-z0-9-]{0,38}")
_CONTINENTS = frozenset({"AF", "AN", "AS", "EU", "NA", "OC", "SA"})

_PLACES = (
    Place("virginia", 38.95, -77.45, "US", "NA", "VA"),
    Place("tokyo", 35.68, 139.69, "JP", "AS"),
    Place("sydney", -33.87, 151.21, "AU", "OC"),
    Place("london", 51.51, -0.13, "GB", "EU"),
    Place("frankfurt", 50.11, 8.68, "DE", "EU"),
    Place("saopaulo", -23.55, -46.63, "BR", "SA"),
    Place("singapore", 1.35, 103.82, "SG", "AS"),
    Place("mumbai", 19.08, 72.88, "IN", "AS"),
    Place("oregon", 45.84, -119.70, "US", "NA", "OR"),
    Place("california", 37.77, -122.42, "US", "NA", "CA"),
    Place("ohio", 39.96, -83.00, "US", "NA", "OH"),
    Place("dallas", 32.78, -96.80, "US", "NA", "TX"),
    Place("montreal", 45.50, -73.57, "CA", "NA"),
    Place("mexico", 19.43, -99.13, "MX", "NA"),
    Place("ireland", 53.35, -6.26, "IE", "EU"),
    Place("paris", 48.86, 2.35, "FR", "EU"),
    Place("stockholm", 59.33, 18.07, "SE", "EU"),
    Place("milan", 45.46, 9.19, "IT", "EU"),
    Place("madrid", 40.42, -3.70, "ES", "EU"),
    Place("warsaw", 52.23, 21.01, "PL", "EU"),
    Place("dubai", 25.20, 55.27, "AE", "AS"),
    Place("telaviv", 32.09, 34.78, "IL", "AS"),
    Place("capetown", -33.92, 18.42, "ZA", "AF"),
    Place("lagos", 6.52, 3.38, "NG", "AF"),
    Place("osaka", 34.69, 135.50, "JP", "AS"),
    Place("seoul", 37.57, 126.98, "KR", "AS"),
    Place("hongkong", 22.32, 114.17, "HK", "AS"),
    Place("jakarta", -6.21, 106.85, "ID", "AS"),
    Place("auckland", -36.85, 174.76, "NZ", "OC"),
)

# Zones as AWS lists them (Regions and Zones, "Availability Zones").
_REGIONS = (
    Region("us-east-1", "abcdef", 38.95, -77.45),
    Region("us-east-2", "abc", 39.96, -83.00),
    Region("us-west-1", "bc", 37.77, -122.42),
    Region("us-west-2", "abcd", 45.84, -119.70),
    Region("ap-northeast-1", "acd", 35.68, 139.69),
    Region("ap-northeast-2", "abcd", 37.57, 126.98),
    Region("ap-northeast-3", "abc", 34.69, 135.50),
    Region("ap-southeast-1", "abc", 1.35, 103.82),
    Region("ap-southeast-2", "abc", -33.87, 151.21),
    Region("ap-southeast-3", "abc", -6.21, 106.85),
    Region("ap-south-1", "abc", 19.08, 72.88),
    Region("ap-east-1", "abc", 22.32, 114.17),
    Region("ca-central-1", "abd", 45.50, -73.57),
    Region("eu-central-1", "abc", 50.11, 8.68),
    Region("eu-west-1", "abc", 53.35, -6.26),
    Region("eu-west-2", "abc", 51.51, -0.13),
    Region("eu-west-3", "abc", 48.86, 2.35),
    Region("eu-north-1", "abc", 59.33, 18.07),
    Region("eu-south-1", "abc", 45.46, 9.19),
    Region("sa-east-1", "abc", -23.55, -46.63),
    Region("af-south-1", "abc", -33.92, 18.42),
    Region("me-central-1", "abc", 25.20, 55.27),
)

DEFAULT_WORLD = WorldSpec(places=_PLACES, regions=_REGIONS, default_place="virginia")


class WorldFileError(Unusable):
    """The world file can't be used; the text names the file and the entry."""


def load_world(path: Path | None) -> WorldSpec:
    """The default world, changed as the file says. Raises WorldFileError."""
    if path is None:
        return DEFAULT_WORLD
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorldFileError(f"the world file {path} can't be read: {error}") from error
    return parse_world(text, str(path))


def parse_world(text: str, name: str = "world file") -> WorldSpec:
    """As `load_world`, from the text itself."""
    import yaml  # most starts have no world file

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise WorldFileError(f"{name}{where}: not YAML: {problem}") from error
    if document is None:
        return DEFAULT_WORLD
    top = _mapping(document, name)
    _only(top, {"places", "regions", "default_place", "latencies_ms", "distance", "ipv6", "capacity"}, name)
    places = _PLACES + tuple(
        _place(entry, f"{name}: places[{number}]") for number, entry in enumerate(_list(top, "places", name))
    )
    regions = _REGIONS + tuple(
        _region(entry, f"{name}: regions[{number}]") for number, entry in enumerate(_list(top, "regions", name))
    )
    _unique([each.name for each in places], PLACES_MAX, f"{name}: places")
    _unique([each.name for each in regions], REGIONS_MAX, f"{name}: regions")
    spec = WorldSpec(
        places=places,
        regions=regions,
        default_place=top.get("default_place", DEFAULT_WORLD.default_place),
        latencies_ms=_latencies(
            top, {each.name for each in places} | {each.name for each in regions}, f"{name}: latencies_ms"
        ),
        distance=_distance(top.get("distance"), f"{name}: distance"),
        capacity=_capacity(top, {f"{each.name}{zone}" for each in regions for zone in each.zones}, f"{name}: capacity"),
        ipv6=top.get("ipv6", True),
    )
    if not isinstance(spec.ipv6, bool):
        raise WorldFileError(f"{name}: ipv6: true or false is expected, not {spec.ipv6!r}")
    if not isinstance(spec.default_place, str) or spec.place(spec.default_place) is None:
        raise WorldFileError(f"{name}: default_place: there is no place {spec.default_place!r}")
    return spec


def _place(entry: Any, where: str) -> Place:
    members = _mapping(entry, where)
    _only(members, {"name", "latitude", "longitude", "country", "continent", "subdivision", "networks"}, where)
    continent = _text(members, "continent", where)
    if continent not in _CONTINENTS:
        raise WorldFileError(f"{where}: continent: {continent!r} is none of {', '.join(sorted(_CONTINENTS))}")
    country = _text(members, "country", where)
    if not re.fullmatch(r"[A-Z]{2}", country):
        raise WorldFileError(f"{where}: country: {country!r} is no ISO 3166 code of two capital letters")
    return Place(
        name=_name(members, where),
        latitude=_number(members, "latitude", 90, where),
        longitude=_number(members, "longitude", 180, where),
        country=country,
        continent=continent,
        subdivision=_subdivision(members, country, where),
        networks=tuple(_network(each, f"{where}: networks") for each in _list(members, "networks", where)),
    )


def _subdivision(members: dict[str, Any], country: str, where: str) -> str:
    if "subdivision" not in members:
        return ""
    subdivision = _text(members, "subdivision", where)
    if country != "US" or not re.fullmatch(r"[A-Z]{2}", subdivision):
        raise WorldFileError(f"{where}: subdivision: {subdivision!r} is not the two letters of a state of the US")
    return subdivision


def _network(value: Any, where: str) -> str:
    try:
        return str(ip_network(value if isinstance(value, str) else ""))
    except ValueError:
        raise WorldFileError(f"{where}: {value!r} is no block such as 203.0.113.0/24") from None


def _latencies(top: dict[str, Any], sites: set[str], where: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for site, given in _mapping(top.get("latencies_ms") or {}, where).items():
        if site not in sites:
            raise WorldFileError(f"{where}: there is no place or region {site!r}")
        members = _mapping(given, f"{where}: {site}")
        _only(members, sites, f"{where}: {site}")
        found[site] = {other: _milliseconds(value, f"{where}: {site}: {other}") for other, value in members.items()}
    return found


def _capacity(top: dict[str, Any], zones: set[str], where: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for zone, given in _mapping(top.get("capacity") or {}, where).items():
        if zone not in zones:
            raise WorldFileError(f"{where}: there is no zone {zone!r}")
        members = _mapping(given, f"{where}: {zone}")
        for kind, count in members.items():
            if not isinstance(count, int) or isinstance(count, bool) or count < 0:
                raise WorldFileError(f"{where}: {zone}: {kind}: a number of instances is expected, not {count!r}")
        found[zone] = members
    return found


def _distance(given: Any, where: str) -> Distance | None:
    if given is None or given is False:
        return None
    if given is True:
        return Distance()
    members = _mapping(given, where)
    _only(members, {"jitter", "loss", "rate_mbit"}, where)
    shares = {name: _number(members, name, 1, where) for name in ("jitter", "loss") if name in members}
    if any(share < 0 for share in shares.values()):
        raise WorldFileError(f"{where}: jitter and loss are shares from 0 to 1")
    rate = {"rate_mbit": _milliseconds(members["rate_mbit"], f"{where}: rate_mbit")} if "rate_mbit" in members else {}
    return Distance(**shares, **rate)


def _milliseconds(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise WorldFileError(f"{where}: a number of at least zero is expected, not {value!r}")
    return float(value)


def _region(entry: Any, where: str) -> Region:
    members = _mapping(entry, where)
    _only(members, {"name", "zones", "latitude", "longitude"}, where)
    zones = _text(members, "zones", where)
    if not re.fullmatch(r"[a-z]{1,8}", zones) or len(set(zones)) != len(zones):
        raise WorldFileError(f"{where}: zones: {zones!r} is not one to eight different letters, such as abc")
    return Region(
        name=_name(members, where),
        zones=zones,
        latitude=_number(members, "latitude", 90, where),
        longitude=_number(members, "longitude", 180, where),
    )


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WorldFileError(f"{where}: a mapping is expected, not {value!r}")
    return value


def _list(top: dict[str, Any], key: str, where: str) -> list[Any]:
    value = top.get(key) or []
    if not isinstance(value, list):
        raise WorldFileError(f"{where}: {key}: a list is expected, not {value!r}")
    return value


def _only(members: dict[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(str(key) for key in members if key not in known):
        raise WorldFileError(f"{where}: {unknown[0]} is not known; there are {', '.join(sorted(known))}")


def _text(members: dict[str, Any], key: str, where: str) -> str:
    value = members.get(key)
    if not isinstance(value, str):
        raise WorldFileError(f"{where}: {key}: a text is expected, not {value!r} (YAML reads NO as false: quote it)")
    return value


def _name(members: dict[str, Any], where: str) -> str:
    name = _text(members, "name", where)
    if not _NAME.fullmatch(name):
        raise WorldFileError(f"{where}: name: {name!r} is not small letters, digits and hyphens, a letter first")
    return name


def _number(members: dict[str, Any], key: str, limit: int, where: str) -> float:
    value = members.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -limit <= value <= limit:
        raise WorldFileError(f"{where}: {key}: a number from -{limit} to {limit} is expected, not {value!r}")
    return float(value)


def _unique(names: list[str], most: int, where: str) -> None:
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise WorldFileError(f"{where}: {doubles[0]} is there twice")
    if len(names) > most:
        raise WorldFileError(f"{where}: the address plan has room for {most}, not for {len(names)}")
