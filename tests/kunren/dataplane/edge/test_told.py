"""The headers that tell of the viewer."""

import pytest

from kunren.dataplane.edge.message import Request, Viewer, Whereabouts, first
from kunren.dataplane.edge.told import MADE, with_told

BERLIN = Whereabouts("DE", "Germany", "BE", "Land Berlin", "Berlin", "52.52000", "13.40000", "Europe/Berlin")
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari"
IPAD = "Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
PIXEL = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36"
GALAXY_TAB = "Mozilla/5.0 (Linux; Android 13; SM-X906C) AppleWebKit/537.36 Chrome/119.0.0.0 Safari/537.36"
TELEVISION = "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/538.1 Version/6.0 TV Safari/538.1"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"


def request(*headers, secure=True, reused=False):
    viewer = Viewer(
        "198.18.65.10", 46532, "tokyo", BERLIN, secure, "2.0", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "a" * 32, "", reused
    )
    return Request("GET", "/", "", [("Host", "a.test"), *headers], viewer, "id")


def told(name, asked):
    return first(with_told(asked, [name.lower()]), name)


@pytest.mark.parametrize(
    ("agent", "kinds"),
    [
        (IPHONE, {"IOS", "Mobile"}),
        (IPAD, {"IOS", "Mobile", "Tablet"}),
        (PIXEL, {"Android", "Mobile"}),
        (GALAXY_TAB, {"Android", "Mobile", "Tablet"}),
        (TELEVISION, {"SmartTV"}),
        (FIREFOX, {"Desktop"}),
        ("curl/8.5.0", {"Desktop"}),
    ],
)
def test_devices_are_known_by_their_user_agent(agent, kinds):
    every = ("Android", "Desktop", "IOS", "Mobile", "SmartTV", "Tablet")
    asked = request(("User-Agent", agent))
    assert {each for each in every if told(f"CloudFront-Is-{each}-Viewer", asked) == "true"} == kinds
    assert all(told(f"CloudFront-Is-{each}-Viewer", asked) in ("true", "false") for each in every)


def test_where_and_how_the_viewer_asks():
    asked = request(("Accept", "*/*"), ("User-Agent", "x"))
    values = {
        "CloudFront-Viewer-Address": "198.18.65.10:46532",
        "CloudFront-Viewer-Country": "DE",
        "CloudFront-Viewer-Country-Name": "Germany",
        "CloudFront-Viewer-Country-Region": "BE",
        "CloudFront-Viewer-City": "Berlin",
        "CloudFront-Viewer-Latitude": "52.52000",
        "CloudFront-Viewer-Time-Zone": "Europe/Berlin",
        "CloudFront-Viewer-Header-Order": "Host:Accept:User-Agent",
        "CloudFront-Viewer-Header-Count": "3",
        "CloudFront-Viewer-Http-Version": "2.0",
        "CloudFront-Viewer-TLS": "TLSv1.3:TLS_AES_128_GCM_SHA256:fullHandshake",
        "CloudFront-Viewer-JA3-Fingerprint": "a" * 32,
        "CloudFront-Forwarded-Proto": "https",
    }
    assert {name: told(name, asked) for name in values} == values
    assert told("CloudFront-Viewer-TLS", request(reused=True)).endswith(":connectionReused")
    assert told("CloudFront-Forwarded-Proto", request(secure=False)) == "http"


def test_what_is_not_known_is_not_told_and_what_viewers_say_never_passes():
    assert told("CloudFront-Viewer-ASN", request()) is None
    assert told("CloudFront-Viewer-TLS", request(secure=False)) is None
    forged = request(("cloudfront-viewer-country", "XX"), ("X-Own", "1"))
    assert with_told(forged, []) == [("Host", "a.test"), ("X-Own", "1")]
    assert with_told(forged, ["cloudfront-viewer-country"])[-1] == ("CloudFront-Viewer-Country", "DE")
    assert with_told(forged, ["cloudfront-nonsense"])[-1] == ("X-Own", "1")
    assert all(name == shown.lower() for name, (shown, _) in MADE.items())
