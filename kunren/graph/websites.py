"""Buckets that are websites: what they send elsewhere, and the names that lead to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kunren.graph.draft import Draft
from kunren.graph.model import Node
from kunren.services.s3.model import Bucket
from kunren.services.s3.website import redirect_told, rule_told


def add(draft: Draft) -> None:
    """A website is known by its bucket's name at the website endpoint; records lead there by their own name."""
    scope = draft.scope
    for bucket in sorted(draft.snapshot.every(Bucket), key=lambda each: each.id):
        configuration = bucket.settings.get("website")
        if configuration and scope.account in (None, bucket.owner) and scope.region in (None, bucket.home):
            _add(draft, bucket, configuration)


def _add(draft: Draft, bucket: Bucket, configuration: Mapping[str, Any]) -> None:
    id = f"arn:aws:s3:::{bucket.id}"
    for mark in "-.":
        draft.names[f"{bucket.id}.s3-website{mark}{bucket.home}.amazonaws.com"] = id
    rules = configuration.get("RoutingRules") or []
    everything = configuration.get("RedirectAllRequestsTo")
    if everything is not None:
        does = redirect_told(everything)
    elif len(rules) == 1:
        does = rule_told(rules[0])
    else:
        does = f"{len(rules)} routing rules" if rules else "pages"
    draft.add(
        Node(
            id=id, kind="website", name=bucket.id, arn=id, account=bucket.owner, region=bucket.home,
            details={"does": does, "endpoint": f"{bucket.id}.s3-website-{bucket.home}.amazonaws.com"},
        )
    )  # fmt: skip
