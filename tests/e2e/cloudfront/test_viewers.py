"""How viewers speak to the edge: versions of HTTP, what origins learn of them, compression."""

from __future__ import annotations

import json

ALL_VIEWER_AND_CLOUDFRONT = "33f36d7e-f396-46d9-90e0-52428a34d9dc"
NO_CACHING = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"


class Http3:
    """An HTTP/3 client in Tokyo."""

    def __init__(self, kunren, programs):
        self._program = programs(kunren, "http3_client.py", where=("--from", "tokyo"))

    def get(self, url, **options):
        self._program.say(json.dumps({"url": url, **options}))
        return json.loads(self._program.hear())


def test_http3_is_served_where_the_distribution_has_it(delivered, kunren, programs):
    delivered.create(delivered.behaviour("/fresh/*", NO_CACHING), HttpVersion="http2and3")
    http3 = Http3(kunren, programs)
    url = f"https://{delivered.name}/a"

    def over_tcp(version):
        done = kunren.exec("curl", "-sS", "-o", "/dev/null", "-D", "-", f"--{version}", url, place="tokyo", check=False)
        return done.stdout.lower()

    answer = http3.get(url)
    assert answer.get("status") == 200, answer
    assert json.loads(answer["body"])["path"] == "/a"
    assert answer["headers"]["x-cache"] == "Miss from cloudfront"
    assert answer["headers"]["alt-svc"] == 'h3=":443"; ma=86400'
    assert http3.get(url)["headers"]["x-cache"] == "Hit from cloudfront"
    assert 'alt-svc: h3=":443"; ma=86400' in over_tcp("http2")
    assert "alt-svc" not in delivered.get("/a")["headers"]
    fresh = json.loads(http3.get(f"https://{delivered.name}/fresh/a")["body"])
    assert dict(fresh["headers"])["via"].startswith("3.0 ")

    delivered.change(HttpVersion="http3")
    assert over_tcp("http2").startswith("http/1.1 200")
    assert http3.get(url)["status"] == 200
    delivered.change(HttpVersion="http2")
    assert over_tcp("http2").startswith("http/2 200")
    assert "alt-svc" not in over_tcp("http2")
    assert "error" in http3.get(url, timeout=1)
    delivered.change(HttpVersion="http1.1")
    assert over_tcp("http2").startswith("http/1.1 200")


def test_origins_learn_of_the_viewer_and_caches_tell_devices_apart(delivered, kunren):
    named = [
        "CloudFront-Viewer-Country", "CloudFront-Viewer-City", "CloudFront-Viewer-Time-Zone", "CloudFront-Viewer-ASN",
        "CloudFront-Viewer-Address", "CloudFront-Viewer-TLS", "CloudFront-Viewer-Http-Version",
        "CloudFront-Viewer-JA3-Fingerprint", "CloudFront-Viewer-JA4-Fingerprint", "CloudFront-Forwarded-Proto",
    ]  # fmt: skip
    none = {"CookiesConfig": {"CookieBehavior": "none"}, "QueryStringsConfig": {"QueryStringBehavior": "none"}}
    told = delivered.api.create_origin_request_policy(
        OriginRequestPolicyConfig={
            "Name": "told-" + delivered.account, **none,
            "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": {"Quantity": len(named), "Items": named}},
        }
    )["OriginRequestPolicy"]["Id"]  # fmt: skip
    devices = ["CloudFront-Is-Mobile-Viewer", "CloudFront-Is-Desktop-Viewer"]
    by_device = delivered.api.create_cache_policy(
        CachePolicyConfig={
            "Name": "by-device-" + delivered.account, "MinTTL": 1, "DefaultTTL": 3600, "MaxTTL": 3600,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": False, **none,
                "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": {"Quantity": 2, "Items": devices}},
            },
        }
    )["CachePolicy"]["Id"]  # fmt: skip
    delivered.create(
        delivered.behaviour("/told", NO_CACHING, OriginRequestPolicyId=told),
        delivered.behaviour("/all", NO_CACHING, OriginRequestPolicyId=ALL_VIEWER_AND_CLOUDFRONT),
        delivered.behaviour("/device", by_device),
    )

    def headers(path, scheme="https", **options):
        answer = delivered.client.get(f"{scheme}://{delivered.name}{path}", **options)
        return dict(json.loads(answer["body"])["headers"])

    secure = headers("/told", headers={"CloudFront-Viewer-Country": "XX"})
    assert (secure["cloudfront-viewer-country"], secure["cloudfront-viewer-city"]) == ("JP", "Tokyo")
    assert secure["cloudfront-viewer-time-zone"] == "Asia/Tokyo"
    assert secure["cloudfront-viewer-address"].rpartition(":")[0] == delivered.client.get_address()
    version, cipher, handshake = secure["cloudfront-viewer-tls"].split(":")
    assert (version, cipher[:4], handshake) == ("TLSv1.3", "TLS_", "fullHandshake")
    assert len(secure["cloudfront-viewer-ja3-fingerprint"]) == 32
    assert secure["cloudfront-viewer-ja4-fingerprint"].startswith("t13d")
    assert (secure["cloudfront-forwarded-proto"], secure["cloudfront-viewer-http-version"]) == ("https", "1.1")
    assert "cloudfront-viewer-asn" not in secure
    plain = headers("/told", "http")
    assert plain["cloudfront-forwarded-proto"] == "http"
    assert not {"cloudfront-viewer-tls", "cloudfront-viewer-ja3-fingerprint"} & plain.keys()
    everything = headers("/all", headers={"X-Own": "1"})
    assert (everything["x-own"], everything["cloudfront-viewer-country-name"]) == ("1", "Japan")

    url = f"https://{delivered.name}/told"
    curl = kunren.exec("curl", "-sS", "--http2", url, "--next", "-sS", "--http2", url, place="tokyo").stdout
    second = dict(json.loads(curl[curl.rindex('{"name"') :])["headers"])
    assert second["cloudfront-viewer-http-version"] == "2.0"
    assert second["cloudfront-viewer-tls"].endswith(":connectionReused")

    desktop = [delivered.cached("/device", headers={"User-Agent": agent}) for agent in ("curl/8", "wget", "x iPhone")]
    assert desktop == ["Miss from cloudfront", "Hit from cloudfront", "Miss from cloudfront"]


def test_objects_are_compressed_as_the_viewer_and_the_policy_have_it(delivered, kunren):
    by_query = delivered.api.create_cache_policy(
        CachePolicyConfig={
            "Name": "by-query-" + delivered.account, "MinTTL": 1,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": True, "EnableAcceptEncodingBrotli": True,
                "HeadersConfig": {"HeaderBehavior": "none"}, "CookiesConfig": {"CookieBehavior": "none"},
                "QueryStringsConfig": {"QueryStringBehavior": "all"},
            },
        }
    )["CachePolicy"]["Id"]  # fmt: skip
    delivered.create(DefaultCacheBehavior=delivered.behaviour(policy=by_query, Compress=True))

    def fetch(accepted, size=20_000, kind="text/css", etag="a"):
        path = f"/shaped?bytes={size}&type={kind}&header=ETag:%22{etag}%22"
        done = kunren.exec(
            "curl", "-sS", "--compressed", "-H", f"Accept-Encoding: {accepted}", "-D", "-", "-w", "%{size_download}",
            f"http://{delivered.name}{path}", place="tokyo",
        )  # fmt: skip
        head, _, body = done.stdout.replace("\r", "").partition("\n\n")
        headers = dict(line.lower().split(": ", 1) for line in head.split("\n")[1:])
        return headers, body

    brotli, body = fetch("gzip, deflate, br")
    assert (brotli["content-encoding"], brotli["etag"], brotli["vary"]) == ("br", 'w/"a"', "accept-encoding")
    assert body.startswith("0123456789abcdef" * 1250)
    assert int(body[20_000:]) == int(brotli["content-length"]) < 2000
    assert fetch("br, gzip")[0]["x-cache"] == "hit from cloudfront"
    zipped, body = fetch("gzip")
    assert (zipped["content-encoding"], zipped["x-cache"]) == ("gzip", "miss from cloudfront")
    assert body.startswith("0123456789abcdef" * 1250)
    plain, body = fetch("identity")
    assert ("content-encoding" in plain, plain["etag"], int(body[20_000:])) == (False, '"a"', 20_000)
    assert "content-encoding" not in fetch("br", size=992)[0]
    assert "content-encoding" not in fetch("br", kind="image/png")[0]
