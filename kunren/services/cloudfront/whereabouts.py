"""Where the viewers of each place are, as the headers CloudFront-Viewer-... tell it. Pure.

The world knows countries and coordinates; city, region (ISO 3166-2) and time zone (IANA) of its usual places are here.
"""

from __future__ import annotations

from collections.abc import Iterable

from kunren.dataplane.edge.message import Whereabouts
from kunren.services.route53.geo_locations import COUNTRIES
from kunren.world.spec import Place

_KNOWN = {
    "virginia": ("Ashburn", "VA", "Virginia", "America/New_York"),
    "tokyo": ("Tokyo", "13", "Tokyo", "Asia/Tokyo"),
    "sydney": ("Sydney", "NSW", "New South Wales", "Australia/Sydney"),
    "london": ("London", "ENG", "England", "Europe/London"),
    "frankfurt": ("Frankfurt am Main", "HE", "Hesse", "Europe/Berlin"),
    "saopaulo": ("São Paulo", "SP", "São Paulo", "America/Sao_Paulo"),
    "singapore": ("Singapore", "", "", "Asia/Singapore"),
    "mumbai": ("Mumbai", "MH", "Maharashtra", "Asia/Kolkata"),
    "oregon": ("Boardman", "OR", "Oregon", "America/Los_Angeles"),
    "california": ("San Francisco", "CA", "California", "America/Los_Angeles"),
    "ohio": ("Columbus", "OH", "Ohio", "America/New_York"),
    "dallas": ("Dallas", "TX", "Texas", "America/Chicago"),
    "montreal": ("Montreal", "QC", "Quebec", "America/Toronto"),
    "mexico": ("Mexico City", "CMX", "Mexico City", "America/Mexico_City"),
    "ireland": ("Dublin", "L", "Leinster", "Europe/Dublin"),
    "paris": ("Paris", "IDF", "Île-de-France", "Europe/Paris"),
    "stockholm": ("Stockholm", "AB", "Stockholm County", "Europe/Stockholm"),
    "milan": ("Milan", "25", "Lombardy", "Europe/Rome"),
    "madrid": ("Madrid", "MD", "Madrid", "Europe/Madrid"),
    "warsaw": ("Warsaw", "14", "Mazovia", "Europe/Warsaw"),
    "dubai": ("Dubai", "DU", "Dubai", "Asia/Dubai"),
    "telaviv": ("Tel Aviv", "TA", "Tel Aviv", "Asia/Jerusalem"),
    "capetown": ("Cape Town", "WC", "Western Cape", "Africa/Johannesburg"),
    "lagos": ("Lagos", "LA", "Lagos", "Africa/Lagos"),
    "osaka": ("Osaka", "27", "Osaka", "Asia/Tokyo"),
    "seoul": ("Seoul", "11", "Seoul", "Asia/Seoul"),
    "hongkong": ("Hong Kong", "", "", "Asia/Hong_Kong"),
    "jakarta": ("Jakarta", "JK", "Jakarta", "Asia/Jakarta"),
    "auckland": ("Auckland", "AUK", "Auckland", "Pacific/Auckland"),
}


def whereabouts(places: Iterable[Place]) -> dict[str, Whereabouts]:
    """By place. What nobody knows of a place of a world file is empty."""
    found = {}
    for each in places:
        city, region, region_name, time_zone = _KNOWN.get(each.name, (each.name.title(), each.subdivision, "", ""))
        found[each.name] = Whereabouts(
            country=each.country,
            country_name=COUNTRIES.get(each.country, ""),
            region=region,
            region_name=region_name,
            city=city,
            latitude=f"{each.latitude:.5f}",
            longitude=f"{each.longitude:.5f}",
            time_zone=time_zone,
        )
    return found
