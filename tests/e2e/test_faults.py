"""Faults as those who break things on purpose have them: over the management socket, met by clients in the world."""

from __future__ import annotations

import pytest

from kunren.management.client import Management, Refused


@pytest.fixture
def management(kunren):
    found = Management(kunren.state)
    yield found
    found.post("/faults/heal", {"owner": "tests"})


def test_an_edge_location_and_a_region_go_dark_and_come_back(kunren, account, site, until, management):
    api = kunren.client("globalaccelerator", account, "us-west-2")
    site.listen(site.fixed("here"))
    site.wait_active()
    front = api.create_accelerator(Name="front", IdempotencyToken="one")["Accelerator"]
    listener = api.create_listener(
        AcceleratorArn=front["AcceleratorArn"], PortRanges=[{"FromPort": 80, "ToPort": 80}], Protocol="TCP",
        IdempotencyToken="one",
    )["Listener"]["ListenerArn"]  # fmt: skip
    api.create_endpoint_group(
        ListenerArn=listener, EndpointGroupRegion="us-east-1", EndpointConfigurations=[{"EndpointId": site.arn}],
        IdempotencyToken="one",
    )  # fmt: skip
    client, url = site.client("tokyo"), f"http://{front['IpSets'][0]['IpAddresses'][0]}"
    until(lambda: client.status(url) == 200, "an answer by the nearest edge location")

    fault = management.post("/faults", {"what": "edge", "name": "tokyo", "owner": "tests"})
    assert (fault["what"], fault["loss"], fault["owner"]) == ("edge", 1.0, "tests")
    assert management.get("/faults") == [fault]
    assert kunren.exec("getent", "hosts", site.name, place="tokyo").stdout  # the place itself is well
    until(lambda: client.status(url) == 200, "an answer by the next edge location")

    management.post("/faults", {"what": "region", "name": "us-east-1", "owner": "tests"})
    assert client.status(site.url, timeout=1) != 200
    healed = management.post("/faults/heal", {"owner": "tests"})
    assert [each["what"] for each in healed] == ["edge", "region"]
    until(lambda: client.status(site.url) == 200, "an answer")
    until(lambda: client.status(url) == 200, "an answer by the nearest edge location again")

    with pytest.raises(Refused, match="there is no region 'us-nowhere-1'"):
        management.post("/faults", {"what": "region", "name": "us-nowhere-1"})
    with pytest.raises(Refused, match="unknown field `colour`"):
        management.post("/faults", {"what": "region", "name": "us-east-1", "colour": "dark"})
