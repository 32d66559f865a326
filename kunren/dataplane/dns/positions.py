"""Where things stand that a world need not contain: AWS regions and Local Zone groups, in degrees north and east.

Cities as AWS names them ("Regions and Zones", "AWS Local Zones locations"), positions to within a few kilometres. A
region of the world has the position that the world gives it.
"""

from __future__ import annotations

REGIONS: dict[str, tuple[float, float]] = {
    "ap-east-2": (25.03, 121.57),  # Taipei
    "ap-south-2": (17.39, 78.49),  # Hyderabad
    "ap-southeast-4": (-37.81, 144.96),  # Melbourne
    "ap-southeast-5": (3.14, 101.69),  # Malaysia
    "ap-southeast-6": (-36.85, 174.76),  # New Zealand
    "ap-southeast-7": (13.76, 100.50),  # Thailand
    "ca-west-1": (51.05, -114.07),  # Calgary
    "cn-north-1": (39.90, 116.40),  # Beijing
    "cn-northwest-1": (37.50, 105.19),  # Ningxia
    "eu-central-2": (47.38, 8.54),  # Zurich
    "eu-south-2": (41.65, -0.88),  # Spain
    "eusc-de-east-1": (52.40, 13.06),  # Brandenburg
    "il-central-1": (32.09, 34.78),  # Tel Aviv
    "me-south-1": (26.07, 50.56),  # Bahrain
    "mx-central-1": (20.59, -100.39),  # Mexico
    "us-gov-east-1": (39.96, -83.00),
    "us-gov-west-1": (45.84, -119.70),
}

_LOCAL_ZONE_CITIES: dict[str, tuple[float, float]] = {
    "akl": (-36.85, 174.76), "atl": (33.75, -84.39), "bkk": (13.76, 100.50), "bos": (42.36, -71.06),
    "bue": (-34.60, -58.38), "ccu": (22.57, 88.36), "chi": (41.88, -87.63), "cph": (55.68, 12.57),
    "del": (28.61, 77.21), "den": (39.74, -104.99), "dfw": (32.78, -96.80), "ham": (53.55, 9.99),
    "han": (21.03, 105.85), "hel": (60.17, 24.94), "hnl": (21.31, -157.86), "iah": (29.76, -95.37),
    "las": (36.17, -115.14), "lax": (34.05, -118.24), "lim": (-12.05, -77.04), "los": (6.52, 3.38),
    "mci": (39.10, -94.58), "mct": (23.59, 58.41), "mia": (25.76, -80.19), "mnl": (14.60, 120.98),
    "msp": (44.98, -93.27), "nyc": (40.71, -74.01), "per": (-31.95, 115.86), "phl": (39.95, -75.17),
    "phx": (33.45, -112.07), "pdx": (45.52, -122.68), "qro": (20.59, -100.39), "scl": (-33.45, -70.67),
    "sea": (47.61, -122.33), "tpe": (25.03, 121.57), "waw": (52.23, 21.01),
}  # fmt: skip


def local_zone_group(name: str) -> tuple[float, float] | None:
    """The position of a Local Zone group (`us-west-2-lax-1`): the name holds its city's code."""
    parts = name.split("-")
    return _LOCAL_ZONE_CITIES.get(parts[-2]) if len(parts) == 5 and parts[-1].isdigit() else None
