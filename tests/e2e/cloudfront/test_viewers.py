"""How viewers speak to the edge: versions of HTTP."""

from __future__ import annotations

import json

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
