"""From what nft lists of an interface's sets to accepted and rejected flows."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kunren.world.flow_counts import Count, Flow, Gate, Observer, counted, observers
from kunren.world.network import Acl, NodeAddress, SubnetNetwork, VpcNetwork, Workload

FLOW = Flow("ingress", "10.0.0.4", "10.0.1.5", 6, 40000, 80)
PACKETS = st.integers(0, 1000)


def element(packets, destination="10.0.1.5"):
    return (
        f"elements = {{ 10.0.0.4 . {destination} . 6 . 40000 . 80 counter packets {packets} bytes {packets * 40} "
        "expires 1199s }"
    )


def observer(*gates):
    made = Observer("eni-1", totals={"ingress": "in_total"})
    made.gates["ingress"] += gates
    return made


@given(PACKETS, PACKETS, PACKETS)
def test_each_packet_was_accepted_or_rejected_at_one_of_the_gates(passed, dropped, dropped_before):
    """A network ACL before the security group: what it drops never comes to the point where the total is counted."""
    listed = {
        "acl_before": element(passed + dropped + dropped_before), "acl_after": element(passed + dropped),
        "in_total": element(passed + dropped), "in_passed": element(passed),
    }  # fmt: skip
    both = observer(Gate("in_total", "in_passed"), Gate("acl_before", "acl_after", upstream=True))
    counts = counted(both, listed, {})
    assert counts.accepted[FLOW] == (Count(passed, passed * 40) if passed else Count())
    rejected = dropped + dropped_before
    assert counts.rejected[FLOW] == (Count(rejected, rejected * 40) if rejected else Count())


def test_packets_that_are_under_way_while_the_sets_are_read_are_not_taken_for_dropped_ones():
    counts = counted(observer(Gate("in_total", "in_passed")), {"in_total": element(3), "in_passed": element(4)}, {})
    assert (counts.accepted[FLOW].packets, counts.rejected[FLOW].packets) == (3, 0)


def test_public_addresses_are_shown_as_the_private_ones_they_are_translated_to():
    listed = {"in_total": element(2, "198.19.0.20"), "in_passed": element(2, "198.19.0.20")}
    counts = counted(observer(Gate("in_total", "in_passed")), listed, {"198.19.0.20": "10.0.1.5"})
    assert counts.accepted == {FLOW: Count(2, 80)}


def test_only_what_is_watched_is_counted_and_acls_only_where_there_is_one():
    network = VpcNetwork(
        id="vpc-1", region="us-east-1", cidrs=("10.0.0.0/16",),
        subnets=(
            SubnetNetwork("one", "10.0.0.0/24", "us-east-1a"),
            SubnetNetwork("two", "10.0.1.0/24", "us-east-1a", acl=Acl("acl-1")),
        ),
        nodes=(NodeAddress("node", "two", "10.0.1.9"),),
        workloads=(Workload("open", "one", "10.0.0.4", ""), Workload("guarded", "two", "10.0.1.5", "")),
    )  # fmt: skip
    assert observers(network) == []
    found = observers(replace(network, observed=frozenset({"open", "guarded", "node"})))
    where = {each.id: [table.namespace for table in each.tables] for each in found}
    assert where == {"open": ["open"], "guarded": ["guarded", "vpc-1"], "node": ["vpc-1"]}
