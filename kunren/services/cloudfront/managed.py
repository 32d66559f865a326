"""The policies that AWS has in every account (Developer Guide, "Use managed cache policies" and its two sisters)."""

from __future__ import annotations

from typing import Any


def _listed(member: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {member: {"Quantity": len(names), "Items": list(names)}} if names else {}


def _cache(
    name: str,
    comment: str,
    ttl: tuple[int, int, int],
    *,
    gzip: bool = False,
    brotli: bool = False,
    headers: tuple[str, ...] = (),
    cookies: str = "none",
    query: str = "none",
    queries: tuple[str, ...] = (),
) -> dict[str, Any]:
    return {
        "Comment": comment,
        "Name": f"Managed-{name}",
        "DefaultTTL": ttl[1],
        "MaxTTL": ttl[2],
        "MinTTL": ttl[0],
        "ParametersInCacheKeyAndForwardedToOrigin": {
            "EnableAcceptEncodingGzip": gzip,
            "EnableAcceptEncodingBrotli": brotli,
            "HeadersConfig": {"HeaderBehavior": "whitelist" if headers else "none", **_listed("Headers", headers)},
            "CookiesConfig": {"CookieBehavior": cookies},
            "QueryStringsConfig": {"QueryStringBehavior": query, **_listed("QueryStrings", queries)},
        },
    }


def _request(
    name: str, comment: str, headers: str, names: tuple[str, ...] = (), cookies: str = "none", query: str = "none"
) -> dict[str, Any]:
    return {
        "Comment": comment,
        "Name": f"Managed-{name}",
        "HeadersConfig": {"HeaderBehavior": headers, **_listed("Headers", names)},
        "CookiesConfig": {"CookieBehavior": cookies},
        "QueryStringsConfig": {"QueryStringBehavior": query},
    }


def _cors(methods: tuple[str, ...], expose: tuple[str, ...] = ()) -> dict[str, Any]:
    made: dict[str, Any] = {
        "AccessControlAllowOrigins": {"Quantity": 1, "Items": ["*"]},
        "AccessControlAllowHeaders": {"Quantity": 1, "Items": ["*"]},
        "AccessControlAllowMethods": {"Quantity": len(methods), "Items": list(methods)},
        "AccessControlAllowCredentials": False,
        "OriginOverride": False,
    }
    if expose:
        made["AccessControlExposeHeaders"] = {"Quantity": len(expose), "Items": list(expose)}
    return made


_SECURITY: dict[str, Any] = {
    "XSSProtection": {"Override": False, "Protection": True, "ModeBlock": True},
    "FrameOptions": {"Override": False, "FrameOption": "SAMEORIGIN"},
    "ReferrerPolicy": {"Override": False, "ReferrerPolicy": "strict-origin-when-cross-origin"},
    "ContentTypeOptions": {"Override": True},
    "StrictTransportSecurity": {"Override": False, "AccessControlMaxAgeSec": 31536000},
}
_SIMPLE = ("GET", "HEAD")
_ALL_METHODS = ("GET", "DELETE", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_YEAR = 31536000

CACHE_POLICIES: dict[str, dict[str, Any]] = {
    "658327ea-f89d-4fab-a63d-7e88639e58f6": _cache(
        "CachingOptimized",
        "Policy with caching enabled. Supports Gzip and Brotli compression.",
        (1, 86400, _YEAR),
        gzip=True,
        brotli=True,
    ),
    "b2884449-e4de-46a7-ac36-70bc7f1ddd6d": _cache(
        "CachingOptimizedForUncompressedObjects", "Default policy when compression is disabled", (1, 86400, _YEAR)
    ),
    "4135ea2d-6df8-44a3-9df3-4b5a84be39ad": _cache("CachingDisabled", "Policy with caching disabled", (0, 0, 0)),
    "08627262-05a9-4f76-9ded-b50ca2e3a84f": _cache(
        "Elemental-MediaPackage",
        "Policy for Elemental MediaPackage Origin",
        (0, 86400, _YEAR),
        gzip=True,
        headers=("origin",),
        query="whitelist",
        queries=("aws.manifestfilter", "start", "end", "m"),
    ),
    "2e54312d-136d-493c-8eb9-b001f22f67d2": _cache(
        "Amplify",
        "Policy for Amplify Origin",
        (2, 2, 600),
        gzip=True,
        brotli=True,
        headers=("Authorization", "CloudFront-Viewer-Country", "Host"),
        cookies="all",
        query="all",
    ),
    "83da9c7e-98b4-4e11-a168-04f0df8e2c65": _cache(
        "UseOriginCacheControlHeaders",
        "Policy for origins that return Cache-Control headers. Query strings are not included in the cache key.",
        (0, 0, _YEAR),
        gzip=True,
        brotli=True,
        headers=("Host", "Origin", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"),
        cookies="all",
    ),
    "4cc15a8a-d715-48a4-82b8-cc0b614638fe": _cache(
        "UseOriginCacheControlHeaders-QueryStrings",
        "Policy for origins that return Cache-Control headers and serve different content based on values present in "
        "the query string.",
        (0, 0, _YEAR),
        gzip=True,
        brotli=True,
        headers=("Host", "Origin", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"),
        cookies="all",
        query="all",
    ),
}

ORIGIN_REQUEST_POLICIES: dict[str, dict[str, Any]] = {
    "216adef6-5c7f-47e4-b989-5492eafa07d3": _request(
        "AllViewer", "Policy to forward all parameters in viewer requests", "allViewer", (), "all", "all"
    ),
    "b689b0a8-53d0-40ab-baf2-68738e2966ac": _request(
        "AllViewerExceptHostHeader",
        "Policy to forward all parameters in viewer requests except for the Host header",
        "allExcept",
        ("host",),
        "all",
        "all",
    ),
    "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf": _request(
        "CORS-S3Origin",
        "Policy for S3 origin with CORS",
        "whitelist",
        ("origin", "access-control-request-headers", "access-control-request-method"),
    ),
    "59781a5b-3903-41f3-afcb-af62929ccde1": _request(
        "CORS-CustomOrigin", "Policy for Custom origin with CORS", "whitelist", ("origin",)
    ),
    "acba4595-bd28-49b8-b9fe-13317c0390fa": _request(
        "UserAgentRefererHeaders", "Policy to forward user-agent and referer headers to origin", "whitelist",
        ("user-agent", "referer"),
    ),
    "33f36d7e-f396-46d9-90e0-52428a34d9dc": _request(
        "AllViewerAndCloudFrontHeaders-2022-06",
        "Policy to forward all parameters in viewer requests and all CloudFront headers that were released through "
        "June 2022 (inclusive)",
        "allViewerAndWhitelistCloudFront",
        (
            "CloudFront-Forwarded-Proto", "CloudFront-Is-Android-Viewer", "CloudFront-Is-Desktop-Viewer",
            "CloudFront-Is-IOS-Viewer", "CloudFront-Is-Mobile-Viewer", "CloudFront-Is-SmartTV-Viewer",
            "CloudFront-Is-Tablet-Viewer", "CloudFront-Viewer-Address", "CloudFront-Viewer-ASN",
            "CloudFront-Viewer-City", "CloudFront-Viewer-Country", "CloudFront-Viewer-Country-Name",
            "CloudFront-Viewer-Country-Region", "CloudFront-Viewer-Country-Region-Name",
            "CloudFront-Viewer-Http-Version", "CloudFront-Viewer-Latitude", "CloudFront-Viewer-Longitude",
            "CloudFront-Viewer-Metro-Code", "CloudFront-Viewer-Postal-Code", "CloudFront-Viewer-Time-Zone",
            "CloudFront-Viewer-TLS",
        ),
        "all",
        "all",
    ),
}  # fmt: skip

RESPONSE_HEADERS_POLICIES: dict[str, dict[str, Any]] = {
    "60669652-455b-4ae9-85a4-c4c02393f86c": {
        "Comment": "Allows all origins for simple CORS requests",
        "Name": "Managed-SimpleCORS",
        "CorsConfig": _cors(_SIMPLE),
    },
    "5cc3b908-e619-4b99-88e5-2cf7f45965bd": {
        "Comment": "Allows all origins for CORS requests, including preflight requests",
        "Name": "Managed-CORS-With-Preflight",
        "CorsConfig": _cors(_ALL_METHODS, ("*",)),
    },
    "67f7725c-6f97-4210-82d7-5512b31e9d03": {
        "Comment": "Adds a set of security headers to every response",
        "Name": "Managed-SecurityHeadersPolicy",
        "SecurityHeadersConfig": _SECURITY,
    },
    "e61eb60c-9c35-4d20-a928-2b84e02af89c": {
        "Comment": "Allows all origins for simple CORS requests and adds security headers",
        "Name": "Managed-CORS-and-SecurityHeadersPolicy",
        "CorsConfig": _cors(_SIMPLE),
        "SecurityHeadersConfig": _SECURITY,
    },
    "eaab4381-ed33-4a86-88ca-d9558dc6cd63": {
        "Comment": "Allows all origins for CORS requests, including preflight requests, and adds security headers",
        "Name": "Managed-CORS-with-preflight-and-SecurityHeadersPolicy",
        "CorsConfig": _cors(_ALL_METHODS, ("*",)),
        "SecurityHeadersConfig": _SECURITY,
    },
}
