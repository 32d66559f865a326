"""The tree as a pipe gets it."""

from kunren.graph.build import architecture
from kunren.graph.model import Graph
from kunren.graph.reach import reachable
from kunren.graph.svg import svg
from kunren.graph.text import lines, plain
from kunren.services.ec2.model import NatGateway, PeeringSide, Vpc, VpcEndpoint, VpcPeering
from kunren.services.route53.model import AssociatedVpc, HostedZone

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


def test_records_show_the_health_check_that_they_follow_and_checks_what_they_have_come_to(shop, with_failover):
    store = shop().store
    with_failover(store)
    graph = architecture(store.snapshot())
    told = plain(graph)
    assert "├─ A app.shop.test  [one: failover primary]  ● unhealthy  alias → load balancer lb0\n" in told
    assert "├─ A app.shop.test  [two: failover secondary]  ttl 60 → 198.19.9.9\n" in told
    _, _, checks = told.partition("Health checks\n")
    assert checks.partition("\n\n")[0] == (
        "├─ HTTP lb0-1.us-east-1.elb.amazonaws.com:80/up  ● unhealthy  0 of 2 healthy\n"
        "├─ TCP 198.19.0.16:443, inverted  ● healthy\n"
        "└─ app  2 of 2 health checks  ● unhealthy\n"
        "   ├─ HTTP lb0-1.us-east-1.elb.amazonaws.com:80/up  ● unhealthy\n"
        "   └─ TCP 198.19.0.16:443  ● healthy"
    )
    ill = next(each for each in graph.nodes if each.id == "health-check/ill")
    assert ill.details["failing"] == "Failure: Connection refused."
    assert {each.source for each in graph.edges if each.target == ill.id} == {
        "health-check/both",
        "record/Z1/app.shop.test./A/one",
    }
    kept = reachable(graph, "app.shop.test")
    assert [each.id for each in kept.nodes if each.kind == "health-check"] == ["health-check/ill"]
    assert "failover primary" in svg(graph)


def test_what_leads_out_of_a_vpc_is_drawn_with_it(shop):
    made = shop()
    here = {"account": "123456789012", "region": "us-east-1"}
    side, other = (PeeringSide(**here, vpc_id=each) for each in ("vpc-1", "vpc-2"))
    with made.store.write() as tx:
        tx.put(Vpc(**here, id="vpc-2", cidr="10.1.0.0/16"))
        tx.put(
            NatGateway(
                **here, id="nat-1", vpc_id="vpc-1", subnet_id="subnet-0", availability_zone="us-east-1a",
                connectivity="public", created_at=0, interface_id="eni-nat", private_ip="10.0.0.9",
                public_ip="198.19.0.9",
            )
        )  # fmt: skip
        tx.put(
            VpcEndpoint(
                **here, id="vpce-1", vpc_id="vpc-1", service="s3", type="Gateway", policy="", label="",
                private_zone_id="", created=0,
            )
        )  # fmt: skip
        tx.put(VpcPeering(**here, id="pcx-1", requester=side, accepter=other, decision="accepted", expires_at=0))
        associated = AssociatedVpc(id="vpc-2", region="us-east-1", account="123456789012")
        tx.put(
            HostedZone(
                account="123456789012", region="", id="Z2", name="corp.", caller_reference="2", name_servers=(),
                created=0, vpcs=(associated,),
            )
        )  # fmt: skip
    graph = architecture(made.store.snapshot())
    text = plain(graph)
    for line in (
        "NAT gateway nat-1  10.0.0.9 → 198.19.0.9  ● pending",
        "endpoint com.amazonaws.us-east-1.s3  Gateway  ● available",
        "peering pcx-1  → VPC vpc-2  ● ",
        "peering pcx-1  → VPC vpc-1  ● ",
        "corp  hosted zone Z2  private in vpc-2",
    ):
        assert line in text
    drawn = svg(graph)
    for words in ("NAT gateway · 10.0.0.9", "Gateway endpoint", "peering → vpc-2"):
        assert words in drawn
    edges = {(each.source, each.target, each.label) for each in graph.edges}
    assert {("pcx-1/vpc-1", "vpc-2", "peering"), ("hosted-zone/Z2", "vpc-2", "private")} <= edges
