"""The tree as a pipe gets it."""

from kunren.graph.build import architecture
from kunren.graph.model import Graph
from kunren.graph.text import lines, plain

EXPECTED = """\
DNS
└─ shop.test  hosted zone Z1  and 1 other record  ● INSYNC
   ├─ A shop.test  [s0: weight 3, 100 %]  alias → load balancer lb0
   ├─ A *.shop.test  alias → load balancer lb0
   ├─ A gone.shop.test  alias → dualstack.lb999-1.us-east-1.elb.amazonaws.com  ● leads to nothing
   └─ CNAME www.shop.test  ttl 60 → record shop.test

VPC shop (vpc-1)  10.0.0.0/16  us-east-1  account 123456789012
└─ load balancer lb0  application, internet-facing  ● active
   ├─ name lb0-1.us-east-1.elb.amazonaws.com
   ├─ node us-east-1a  subnet-0  198.19.0.16 → 10.0.0.4  ● live
   ├─ node us-east-1b  subnet-1  198.19.1.16 → 10.0.1.4  ● live
   └─ listener HTTPS :443
      ├─ default certificate  shop.test, *.shop.test  ● ISSUED
      ├─ 1  host is h0.shop.test  → forward
      │  └─ target group g0  HTTP:80  ● degraded
      │     ├─ 10.0.0.100:8000  ● unhealthy  Target.Timeout: Request timed out
      │     └─ 10.0.1.100:8000  ● healthy
      ├─ 2  host is h1.shop.test  → forward
      │  └─ target group g0  HTTP:80  ● degraded  targets as above
      └─ default  → fixed response 404
"""


def test_the_tree_reads_from_name_to_target(shop):
    assert plain(architecture(shop(1, 2, 2).store.snapshot())) == EXPECTED


def test_states_carry_their_health_for_a_terminal_to_colour(shop):
    spans = [span for line in lines(architecture(shop().store.snapshot())) for span in line]
    assert ("  ● unhealthy", "bad") in spans
    assert ("  ● healthy", "good") in spans


def test_nothing_deployed_says_so():
    assert plain(Graph()) == "Nothing is deployed yet.\n"


def test_functions_outside_of_vpcs_show_the_alias_that_a_group_leads_to(shop, with_function):
    store = shop().store
    with_function(store)
    _, _, outside = plain(architecture(store.snapshot())).partition("Outside of VPCs\n")
    assert outside == (
        "└─ unused  target group pay  lambda  ● unused\n"
        "   └─ alias pay:live  → version 1 (90 %), version 2 (10 %)  python3.13\n"
    )
