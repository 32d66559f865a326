"""Route keys of HTTP APIs: `GET /pets/{petId}`, `ANY /{proxy+}`, `$default`. Pure.

Developer guide, "Create routes for HTTP APIs".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kunren.services.apigatewayv2.errors import BadRequestException
from kunren.services.apigatewayv2.model import DEFAULT

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY")
_KEY = re.compile(rf"({'|'.join(METHODS)}) (/\S*)")
_VARIABLE = re.compile(r"\{([a-zA-Z0-9._:-]+)(\+?)\}")


class RouteKey(NamedTuple):
    """`method` "" is the default route's. `segments` are the path's, without its first slash."""

    method: str
    path: str

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path[1:].split("/"))


def parse_route_key(text: str) -> RouteKey:
    """Raises BadRequestException."""
    if text == DEFAULT:
        return RouteKey("", DEFAULT)
    found = _KEY.fullmatch(text)
    if found is None:
        raise BadRequestException(
            "The provided route key is not formatted properly for HTTP protocol. Format should be "
            '"<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
        )
    key = RouteKey(found[1], found[2])
    seen: set[str] = set()
    for position, segment in enumerate(key.segments):
        if "{" not in segment and "}" not in segment:
            continue
        variable = _VARIABLE.fullmatch(segment)
        if variable is None:
            raise BadRequestException(
                "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at "
                "the beginning and the end."
            )
        if variable[2] and position != len(key.segments) - 1:
            raise BadRequestException("A greedy path variable must be at the end of the route's path.")
        if variable[1] in seen:
            raise BadRequestException("Duplicate path variables are not allowed.")
        seen.add(variable[1])
    return key


def shape(key: RouteKey) -> tuple[str, ...]:
    """A key without the names of its variables: two routes of one shape can't be told apart."""
    return (key.method, *(_VARIABLE.sub(r"{\2}", segment) for segment in key.segments))
