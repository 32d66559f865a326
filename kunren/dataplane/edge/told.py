"""The headers CloudFront-..., by which origins and functions learn of the viewer. Pure.

Developer Guide, "Add CloudFront request headers". A policy that names one has it made; what a viewer sends under such a
name never goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kunren.dataplane.edge.message import Headers, Request, Viewer, without

ORDER_BYTES_MAX = 7680
_TABLETS = ("ipad", "tablet", "kindle", "silk/", "playbook")
_TELEVISIONS = ("smart-tv", "smarttv", "googletv", "google tv", "appletv", "apple tv", "hbbtv", "netcast", "web0s",
                "webos", "bravia", "roku", "aftt", "aftb", "afts", "crkey")  # fmt: skip


def with_told(request: Request, names: Iterable[str]) -> Headers:
    """The request's headers with those of `names` (in lower case) that can be told now."""
    made = [(MADE[name][0], value) for name in names if name in MADE and (value := MADE[name][1](request))]
    return [*without(request.headers, MADE), *made]


def _agent(request: Request) -> str:
    return (request.header("user-agent") or "").lower()


def _is_android(request: Request) -> bool:
    return "android" in _agent(request)


def _is_ios(request: Request) -> bool:
    return any(each in _agent(request) for each in ("iphone", "ipad", "ipod"))


def _is_tablet(request: Request) -> bool:
    agent = _agent(request)
    return any(each in agent for each in _TABLETS) or ("android" in agent and "mobile" not in agent)


def _is_television(request: Request) -> bool:
    return any(each in _agent(request) for each in _TELEVISIONS)


def _is_mobile(request: Request) -> bool:
    if _is_television(request):
        return False
    return _is_ios(request) or _is_tablet(request) or "mobile" in _agent(request) or _is_android(request)


def _is_desktop(request: Request) -> bool:
    return not _is_mobile(request) and not _is_television(request)


def _tls(request: Request) -> str:
    """Version, cipher and kind of handshake. A resumed session counts as a handshake of its own."""
    viewer = request.viewer
    if not viewer.secure:
        return ""
    return f"{viewer.tls}:{viewer.cipher}:{'connectionReused' if viewer.reused else 'fullHandshake'}"


def _order(request: Request) -> str:
    return ":".join(name for name, _ in request.headers)[:ORDER_BYTES_MAX]


Tell = Callable[[Request], str]


def _whether(test: Callable[[Request], bool]) -> Tell:
    return lambda request: "true" if test(request) else "false"


def _of(read: Callable[[Viewer], str]) -> Tell:
    return lambda request: read(request.viewer)


_NAMED: dict[str, Tell] = {
    "CloudFront-Is-Android-Viewer": _whether(_is_android),
    "CloudFront-Is-Desktop-Viewer": _whether(_is_desktop),
    "CloudFront-Is-IOS-Viewer": _whether(_is_ios),
    "CloudFront-Is-Mobile-Viewer": _whether(_is_mobile),
    "CloudFront-Is-SmartTV-Viewer": _whether(_is_television),
    "CloudFront-Is-Tablet-Viewer": _whether(_is_tablet),
    "CloudFront-Viewer-Address": _of(lambda viewer: f"{viewer.address}:{viewer.port}"),
    "CloudFront-Viewer-ASN": _of(lambda viewer: ""),  # the world has no autonomous systems,
    "CloudFront-Viewer-Metro-Code": _of(lambda viewer: ""),  # no areas of American television,
    "CloudFront-Viewer-Postal-Code": _of(lambda viewer: ""),  # and no post
    "CloudFront-Viewer-City": _of(lambda viewer: viewer.where.city),
    "CloudFront-Viewer-Country": _of(lambda viewer: viewer.where.country),
    "CloudFront-Viewer-Country-Name": _of(lambda viewer: viewer.where.country_name),
    "CloudFront-Viewer-Country-Region": _of(lambda viewer: viewer.where.region),
    "CloudFront-Viewer-Country-Region-Name": _of(lambda viewer: viewer.where.region_name),
    "CloudFront-Viewer-Latitude": _of(lambda viewer: viewer.where.latitude),
    "CloudFront-Viewer-Longitude": _of(lambda viewer: viewer.where.longitude),
    "CloudFront-Viewer-Time-Zone": _of(lambda viewer: viewer.where.time_zone),
    "CloudFront-Viewer-Header-Count": lambda request: str(len(request.headers)),
    "CloudFront-Viewer-Header-Order": _order,
    "CloudFront-Viewer-JA3-Fingerprint": _of(lambda viewer: viewer.ja3),
    "CloudFront-Viewer-JA4-Fingerprint": _of(lambda viewer: viewer.ja4),
    "CloudFront-Viewer-TLS": _tls,
    "CloudFront-Viewer-Http-Version": _of(lambda viewer: viewer.http_version),
    "CloudFront-Forwarded-Proto": _of(lambda viewer: "https" if viewer.secure else "http"),
}
MADE = {name.lower(): (name, tell) for name, tell in _NAMED.items()}
