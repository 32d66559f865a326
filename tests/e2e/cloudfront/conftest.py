"""A distribution in the world, before an origin that tells what it was asked."""

from __future__ import annotations

import pytest

CACHING = "658327ea-f89d-4fab-a63d-7e88639e58f6"


class Delivered:
    """A distribution before a load balancer with one target that tells what it was asked."""

    def __init__(self, kunren, account, site, until):
        self.api, self.until, self.kunren, self.account = kunren.client("cloudfront", account), until, kunren, account
        self.target = site.target("origin")
        site.listen(site.forward(site.group((self.target, 80))))
        site.wait_active()
        self.origin = {
            "Id": "web", "DomainName": site.name,
            "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"},
        }  # fmt: skip
        self.client = site.client("tokyo")

    def create(self, *behaviours, origins=(), **given):
        listed = [self.origin, *origins]
        config = {
            "CallerReference": "1", "Comment": "", "Enabled": True, "IsIPV6Enabled": False,
            "Origins": {"Quantity": len(listed), "Items": listed},
            "DefaultCacheBehavior": self.behaviour(),
            **({"CacheBehaviors": {"Quantity": len(behaviours), "Items": list(behaviours)}} if behaviours else {}),
            **given,
        }  # fmt: skip
        made = self.api.create_distribution(DistributionConfig=config)["Distribution"]
        self.id, self.name = made["Id"], made["DomainName"]
        self.deployed()
        return made

    def behaviour(self, pattern=None, policy=CACHING, **given):
        made = {"TargetOriginId": "web", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": policy, **given}
        return {**made, "PathPattern": pattern} if pattern else made

    def deployed(self):
        def status():
            return self.api.get_distribution(Id=self.id)["Distribution"]["Status"]

        self.until(lambda: status() == "Deployed", "the distribution deployed")

    def change(self, **changed):
        shown = self.api.get_distribution_config(Id=self.id)
        config = {**shown["DistributionConfig"], **changed}
        self.api.update_distribution(Id=self.id, IfMatch=shown["ETag"], DistributionConfig=config)
        self.deployed()

    def get(self, path, **options):
        return self.client.get(f"http://{self.name}{path}", **options)

    def cached(self, path, **options):
        return self.get(path, **options)["headers"]["x-cache"]


@pytest.fixture
def delivered(kunren, account, site, until):
    return Delivered(kunren, account, site, until)
