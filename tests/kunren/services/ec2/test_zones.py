import pytest

from kunren.services.ec2.zones import region_code, region_index, zones_of
from kunren.world.spec import Region, WorldSpec


@pytest.mark.parametrize(
    ("region", "code"),
    [
        ("us-east-1", "use1"),
        ("eu-central-1", "euc1"),
        ("ap-northeast-1", "apne1"),
        ("ap-southeast-2", "apse2"),
        ("us-gov-west-1", "usgw1"),
        ("sa-east-1", "sae1"),
        ("me-south-1", "mes1"),
    ],
)
def test_zone_ids_begin_with_the_regions_short_form(region, code):
    assert region_code(region) == code


def test_zones_have_names_and_ids():
    zones = zones_of(Region("us-east-1", "abc", 0, 0))
    assert [(each.name, each.id) for each in zones] == [
        ("us-east-1a", "use1-az1"),
        ("us-east-1b", "use1-az2"),
        ("us-east-1c", "use1-az3"),
    ]


def test_a_region_stands_at_its_index():
    spec = WorldSpec((), (Region("us-east-1", "a", 0, 0), Region("eu-west-1", "a", 0, 0)))
    assert region_index(spec, "eu-west-1") == 1
    with pytest.raises(ValueError, match="mars-1"):
        region_index(spec, "mars-1")
