"""Which rule brings what through a cache, and when it is looked for again."""

import pytest

from kunren.control.store import Store
from kunren.services.ecr.caching import cache, rule_for, upstream_of
from kunren.services.ecr.model import KINDS, CacheRule, Image, Repository
from kunren.services.ecr.pushing import Place, by_tag, without

OWNER = "111111111111"
UPSTREAM = f"{OWNER}.dkr.ecr.us-east-1.amazonaws.com"


def rule(prefix, upstream_prefix="ROOT"):
    return CacheRule(
        account=OWNER, region="us-west-2", id=prefix, upstream=UPSTREAM, upstream_prefix=upstream_prefix, created_at=0,
        updated_at=0,
    )  # fmt: skip


@pytest.mark.parametrize("prefixes, name, found", [
    (["east"], "east/web", "east"),
    (["east"], "eastern/web", None),
    (["east"], "east", None),
    (["east", "east/team"], "east/team/web", "east/team"),
    (["ROOT"], "web", "ROOT"),
    (["ROOT", "east"], "east/web", "east"),
    ([], "east/web", None),
])  # fmt: skip
def test_the_longest_prefix_claims_a_repository(prefixes, name, found):
    chosen = rule_for([rule(each) for each in prefixes], name)
    assert (chosen.id if chosen is not None else None) == found


@pytest.mark.parametrize("prefix, upstream_prefix, name, upstream", [
    ("east", "ROOT", "east/team/web", "team/web"),
    ("east", "team", "east/web", "team/web"),
    ("ROOT", "ROOT", "team/web", "team/web"),
    ("ROOT", "team", "web", "team/web"),
])  # fmt: skip
def test_prefixes_are_exchanged(prefix, upstream_prefix, name, upstream):
    assert upstream_of(rule(prefix, upstream_prefix), name) == Place(OWNER, "us-east-1", upstream)


def test_a_tag_is_looked_for_upstream_again_after_a_day():
    store, here = Store(None), Place(OWNER, "us-west-2", "east/web")
    store.register(*KINDS)

    def push(tx, digest):
        tx.put(
            Image(
                account=OWNER, region="us-east-1", id=f"web@{digest}", repository="web", digest=digest,
                manifest=digest, media_type="m", image_tags=("1",), pushed_at=0,
            )
        )  # fmt: skip

    def held(at):
        with store.write() as tx:
            cache(tx, here, "1", at)
            return by_tag(tx, tx.get(Repository, *here), "1").digest

    with store.write() as tx:
        tx.put(rule("east"))
        upstream = Repository(account=OWNER, region="us-east-1", id="web", created_at=0, encryption={})
        tx.put(upstream)
        push(tx, "sha256:a")
    assert held(0) == "sha256:a"
    with store.write() as tx:
        tx.put(without(by_tag(tx, upstream, "1"), ("1",)))
        push(tx, "sha256:b")
    assert held(3_600) == "sha256:a"
    assert held(86_400) == "sha256:b"
