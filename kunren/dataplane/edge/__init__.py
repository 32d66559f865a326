"""The edge: what a content delivery network does at each edge location, behind Envoy.

Envoy ends the viewer's TLS and HTTP and sends every request here over a unix socket. `site.py` has what is served as
values; `keys.py`, `freshness.py`, `viewer.py` and `js_event.py`, `lambda_event.py` decide, purely; `cache.py` keeps;
`pipeline.py` joins them in the order of the CloudFront Developer Guide; `server.py` and `origin.py` are the two ends
that speak HTTP, `functions.py` runs CloudFront Functions. Nothing here knows the API of the service.
"""
