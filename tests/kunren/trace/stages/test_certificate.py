"""The certificate that SNI chooses."""

import pytest

from kunren.services.acm.model import Certificate
from kunren.trace.stages.certificate import choose, name_covers


def certificate(*names, key="RSA_2048"):
    return Certificate(
        account="", region="", id=names[0] + key, type="AMAZON_ISSUED", domain_name=names[0], names=names,
        key_algorithm=key, created_at=0,
    )  # fmt: skip


DEFAULT, WILD, EXACT = certificate("shop.test"), certificate("*.shop.test"), certificate("a.shop.test")


@pytest.mark.parametrize(
    ("server_name", "chosen"),
    [
        ("shop.test", DEFAULT), ("a.shop.test", EXACT), ("b.shop.test", WILD), ("a.b.shop.test", DEFAULT),
        ("nobody.test", DEFAULT), (None, DEFAULT),
    ],
)  # fmt: skip
def test_an_exact_name_is_preferred_to_a_wildcard_and_the_default_takes_the_rest(server_name, chosen):
    assert choose([DEFAULT, WILD, EXACT], server_name)[0] is chosen


def test_of_several_with_the_name_an_ecdsa_key_is_preferred():
    ecdsa = certificate("shop.test", key="EC_prime256v1")
    assert choose([DEFAULT, ecdsa], "shop.test")[0] is ecdsa


def test_a_wildcard_stands_for_one_label():
    assert name_covers("*.a.test", "x.a.test")
    assert not name_covers("*.a.test", "a.test")
    assert not name_covers("*.a.test", "x.y.a.test")
