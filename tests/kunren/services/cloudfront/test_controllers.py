"""What becomes of distributions that can't be translated: nothing of the others."""

from __future__ import annotations

from kunren.control.store import Store
from kunren.core.clock import SimClock
from kunren.core.entropy import Entropy
from kunren.services.cloudfront.api import CloudFrontApi
from kunren.services.cloudfront.controllers import translated
from kunren.services.cloudfront.defaults import completed
from kunren.services.cloudfront.model import Distribution


def distribution(identity, policy):
    origin = {
        "Id": "web", "DomainName": "origin.test",
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"},
    }  # fmt: skip
    behaviour = {"TargetOriginId": "web", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": policy}
    config = completed({"Origins": {"Quantity": 1, "Items": [origin]}, "DefaultCacheBehavior": behaviour})
    return Distribution(
        account="1", region="", id=identity, domain_name=f"{identity}.cloudfront.net", config=config, etag="E",
        created_time=0.0, modified_time=0.0,
    )  # fmt: skip


def test_a_distribution_that_cannot_be_translated_takes_no_other_down_with_it():
    store = Store(None)
    CloudFrontApi(store, SimClock(), Entropy(1))
    good, bad = distribution("E1", "658327ea-f89d-4fab-a63d-7e88639e58f6"), distribution("E2", "gone")
    sites, failed = translated(store.snapshot(), [bad, good])
    assert list(sites) == ["E1"]
    assert failed == {"E2": "NoSuchCachePolicy: The specified cache policy does not exist."}
