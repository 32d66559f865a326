"""Architecture `s3-website`: a bucket per domain, named as it, whose website does nothing but redirect. HTTP alone.

python deploy_s3_website.py domains.json
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
from document import BadDocument, Redirect
from shared import create_zones, main, point_domains_at

NAME = "redirect-s3-website"
LONGEST_BUCKET_NAME = 63
# region → its website endpoint and the hosted zone of that (AWS general reference, "Amazon S3 endpoints and quotas")
WEBSITES = {
    "us-east-1": ("s3-website-us-east-1.amazonaws.com", "Z3AQBSTGFYJSTF"),
    "us-east-2": ("s3-website.us-east-2.amazonaws.com", "Z2O1EMRO9K5GLX"),
    "us-west-2": ("s3-website-us-west-2.amazonaws.com", "Z3BJ6K6RIION7M"),
    "eu-west-1": ("s3-website-eu-west-1.amazonaws.com", "Z1BKCTXD74EZPE"),
    "eu-central-1": ("s3-website.eu-central-1.amazonaws.com", "Z21DNDUVLTQW6Q"),
    "ap-northeast-1": ("s3-website-ap-northeast-1.amazonaws.com", "Z2M4EHUR26P7ZW"),
}


def deploy(session: boto3.Session, name: str, redirects: list[Redirect]) -> str:
    """Deploy what `served` says; the website endpoint's DNS name."""
    redirects = [each for each, _ in map(served, redirects)]
    s3, region = session.client("s3"), session.region_name
    if region not in WEBSITES:
        raise BadDocument(f"this script knows no website endpoint of {region}: add it to WEBSITES")
    zones = create_zones(session, name, redirects)
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    for redirect in redirects:
        s3.create_bucket(Bucket=redirect.domain, **place)
        s3.put_bucket_tagging(Bucket=redirect.domain, Tagging={"TagSet": [{"Key": "deployment", "Value": name}]})
        s3.put_bucket_website(Bucket=redirect.domain, WebsiteConfiguration=website(redirect))
    endpoint, zone = WEBSITES[region]
    point_domains_at(session, zones, {"CanonicalHostedZoneId": zone, "DNSName": endpoint})
    return endpoint


def served(redirect: Redirect) -> tuple[Redirect, str]:
    """What a bucket's website can do of an entry, and in words what it can't ("" where it does all of it)."""
    if len(redirect.domain) > LONGEST_BUCKET_NAME or redirect.domain.startswith("xn--"):
        raise BadDocument(f"entry {redirect.domain!r}: no bucket can have this name, and a website's bucket must")
    target = redirect.parts
    if redirect.carry_query and not redirects_everything(redirect):
        why = "only a redirect of everything (301, path and query, to a bare host) carries the query string"
        return replace(redirect, carry_query=False), f"{why}: served without it"
    if redirect.carry_path and target.query:
        plain = target._replace(query="").geturl()
        return replace(redirect, url=plain), "a query string can't stand behind a carried path: served without it"
    return redirect, ""


def redirects_everything(redirect: Redirect) -> bool:
    """Whether it is what RedirectAllRequestsTo does."""
    return (
        redirect.carry_path
        and redirect.carry_query
        and redirect.status == 301
        and redirect.parts.path in ("", "/")
        and not redirect.parts.query
    )


def website(redirect: Redirect) -> dict[str, Any]:
    """The website configuration of a domain's bucket."""
    target = redirect.parts
    if redirects_everything(redirect):
        return {"RedirectAllRequestsTo": {"HostName": target.netloc, "Protocol": target.scheme}}
    path = target.path.removeprefix("/")
    if redirect.carry_path:
        prefix = path if not path or path.endswith("/") else path + "/"
        key = {"ReplaceKeyPrefixWith": prefix}
    else:
        key = {"ReplaceKeyWith": path + (f"?{target.query}" if target.query else "")}
    rule = {"HostName": target.netloc, "Protocol": target.scheme, "HttpRedirectCode": str(redirect.status), **key}
    return {"IndexDocument": {"Suffix": "index.html"}, "RoutingRules": [{"Redirect": rule}]}


def remove_buckets(session: boto3.Session, name: str, domains: list[str]) -> None:
    """Delete the buckets of these domains that a deployment of that name made."""
    s3 = session.client("s3")
    there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} if domains else set()
    for domain in sorted(there.intersection(domains)):
        try:
            tags = s3.get_bucket_tagging(Bucket=domain)["TagSet"]
        except s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchTagSet":
                raise
            continue
        if {"Key": "deployment", "Value": name} in tags:
            s3.delete_bucket(Bucket=domain)


if __name__ == "__main__":
    main(NAME, deploy)
