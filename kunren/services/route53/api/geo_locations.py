"""The geographic locations that geolocation records may name: a table that AWS publishes to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.core.context import RequestContext
from kunren.dataplane.dns.geography import EVERYWHERE
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import InvalidInput, NoSuchGeoLocation
from kunren.services.route53.geo_locations import CONTINENTS, COUNTRIES, DEFAULT_NAME, SUBDIVISIONS
from kunren.services.route53.shapes import max_items

PER_PAGE = 100
_Codes = tuple[str | None, str | None, str | None]  # continent, country, subdivision


def _in_order() -> dict[_Codes, dict[str, str]]:
    """Countries by code, each followed by its subdivisions, and the continents last (ListGeoLocations)."""
    found: dict[_Codes, dict[str, str]] = {}
    for code, name in {EVERYWHERE: DEFAULT_NAME, **COUNTRIES}.items():
        country = {"CountryCode": code, "CountryName": name}
        found[None, code, None] = country
        for subdivision, subdivision_name in SUBDIVISIONS.get(code, {}).items():
            found[None, code, subdivision] = {
                **country, "SubdivisionCode": subdivision, "SubdivisionName": subdivision_name
            }  # fmt: skip
    for code, name in CONTINENTS.items():
        found[code, None, None] = {"ContinentCode": code, "ContinentName": name}
    return found


_LOCATIONS = _in_order()


class GeoLocations(Base):
    def get_geo_location(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = _LOCATIONS.get(_codes(params, "") if any(params.values()) else (None, EVERYWHERE, None))
        if found is None:
            raise NoSuchGeoLocation
        return {"GeoLocationDetails": found}

    def list_geo_locations(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        limit = max_items(params.get("MaxItems"), PER_PAGE)
        codes = list(_LOCATIONS)
        start = _codes(params, "Start")
        first = next((at for at, each in enumerate(codes) if _rank(each) >= _rank(start)), len(codes))
        page, rest = codes[first : first + limit], codes[first + limit : first + limit + 1]
        continent, country, subdivision = rest[0] if rest else (None, None, None)
        return {
            "GeoLocationDetailsList": [_LOCATIONS[each] for each in page],
            "IsTruncated": bool(rest),
            "NextContinentCode": continent,
            "NextCountryCode": country,
            "NextSubdivisionCode": subdivision,
            "MaxItems": str(limit),
        }


def _codes(params: Mapping[str, Any], prefix: str) -> _Codes:
    """Raises InvalidInput where the codes don't go together."""
    continent, country, subdivision = (
        params.get(f"{prefix}{each}Code") or None for each in ("Continent", "Country", "Subdivision")
    )
    if continent and (country or subdivision):
        raise InvalidInput("ContinentCode can't be specified together with CountryCode or SubdivisionCode.")
    if subdivision and not country:
        raise InvalidInput("SubdivisionCode needs CountryCode.")
    return continent, country, subdivision


def _rank(codes: _Codes) -> tuple[bool, str, str, str]:
    continent, country, subdivision = codes
    return continent is not None, continent or "", country or "", subdivision or ""
