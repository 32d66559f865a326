"""Instance types by their attributes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.errors import AwsError
from kunren.services.ec2.instances import requirements
from kunren.services.ec2.instances.types import all_types

ANY = {"VCpuCount": {"Min": 0}, "MemoryMiB": {"Min": 0}}
X86 = ("x86_64",)


def names(**needs):
    return [each.name for each in requirements.matching({**ANY, **needs}, X86)]


def test_attributes_choose_types():
    two = {"VCpuCount": {"Min": 2, "Max": 2}, "MemoryMiB": {"Min": 8192, "Max": 8192}}
    assert names(**two, CpuManufacturers=["amd"]) == ["m5a.large", "m6a.large", "m7a.large"]
    assert names(**two, BurstablePerformance="required") == ["t2.large", "t3.large", "t3a.large"]
    assert names(**two, AllowedInstanceTypes=["m5*", "r5.*"]) == ["m5.large", "m5a.large"]
    assert names(**two, ExcludedInstanceTypes=["m*"]) == []
    assert names(MemoryGiBPerVCpu={"Min": 8.0}, VCpuCount={"Min": 2, "Max": 2}) == [
        "r5.large",
        "r6i.large",
        "r7i.large",
    ]
    assert not any(each.startswith("t") for each in names())


@pytest.mark.parametrize(
    "needs",
    [{"BareMetal": "required"}, {"LocalStorage": "required"}, {"AcceleratorCount": {"Min": 1}},
     {"AcceleratorTypes": ["gpu"]}, {"InstanceGenerations": ["previous"]}],
)  # fmt: skip
def test_what_none_of_the_types_has_chooses_none(needs):
    assert names(**needs) == []


def test_processors_are_of_three_makers():
    kinds = all_types()
    found = [requirements.manufacturer(kinds[each]) for each in ("m5.large", "m5a.large", "m6g.large")]
    assert found == ["intel", "amd", "amazon-web-services"]


def test_prices_are_protected():
    two = {"VCpuCount": {"Min": 2, "Max": 2}, "MemoryMiB": {"Min": 4096}, "CpuManufacturers": ["intel"]}
    chosen = requirements.by_market(two, "x86_64", None)
    on_demand = {name for name, markets in chosen.items() if False in markets}
    assert on_demand == {"c5.large", "c6i.large", "c7i.large", "m5.large", "m6i.large", "m7i.large"}  # up to 20 % more
    assert "r5.large" in chosen  # up to twice the lowest Spot price
    wide = {**two, "OnDemandMaxPricePercentageOverLowestPrice": 999999}
    assert False in requirements.by_market(wide, "x86_64", None)["r5.large"]
    share = {**two, "MaxSpotPriceAsPercentageOfOptimalOnDemandPrice": 32}
    assert {name for name, markets in requirements.by_market(share, "x86_64", None).items() if True in markets} == {
        "c5.large", "c6i.large",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("needs", "code"),
    [
        ({"VCpuCount": {"Max": 2}, "MemoryMiB": {"Min": 1}}, "MissingParameter"),
        ({**ANY, "MemoryMiB": {"Min": 9, "Max": 8}}, "InvalidParameterValue"),
        ({**ANY, "AllowedInstanceTypes": ["c5*"], "ExcludedInstanceTypes": ["c5a*"]}, "InvalidParameterCombination"),
        ({**ANY, "NetworkBandwidthGbps": {"Min": 10}}, "NotImplemented"),
    ],
)
def test_what_does_not_fit_is_refused(needs, code):
    with pytest.raises(AwsError) as caught:
        requirements.check(needs)
    assert caught.value.code == code


bounds = st.fixed_dictionaries({"Min": st.integers(0, 8)}, optional={"Max": st.integers(8, 64)})


@given(bounds, bounds, st.sampled_from(["vcpu", "memory-mib", "units", None]))
def test_protection_only_leaves_out(vcpus, gib, unit):
    memory = {name: value * 1024 for name, value in gib.items()}
    needs = {"VCpuCount": vcpus, "MemoryMiB": memory}
    found = {each.name for each in requirements.matching(needs, X86)}
    chosen = requirements.by_market(needs, "x86_64", unit)
    assert set(chosen) <= found
    assert bool(chosen) == bool(found)


def test_the_operation_lists_them(ec2):
    asked = {"ArchitectureTypes": ["x86_64", "arm64"], "VirtualizationTypes": ["hvm"], "InstanceRequirements": {
        "VCpuCount": {"Min": 2, "Max": 2}, "MemoryMiB": {"Min": 4096, "Max": 4096},
    }}  # fmt: skip
    found = ec2.get_instance_types_from_instance_requirements(**asked)["InstanceTypes"]
    assert [each["InstanceType"] for each in found] == [
        "c5.large", "c6a.large", "c6g.large", "c6i.large", "c7g.large", "c7i.large",
    ]  # fmt: skip
    page = ec2.get_instance_types_from_instance_requirements(**asked, MaxResults=2)
    assert len(page["InstanceTypes"]) == 2
    assert page["NextToken"]
