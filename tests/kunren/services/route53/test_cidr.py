from __future__ import annotations

from typing import Any

import pytest

from kunren.services.route53.errors import (
    CidrBlockInUse,
    CidrCollectionAlreadyExists,
    CidrCollectionInUse,
    CidrCollectionVersionMismatch,
    InvalidInput,
    LimitsExceeded,
    NoSuchCidrCollection,
    NoSuchCidrLocation,
)


def new(service: Any, name: str = "c", reference: str = "1") -> dict[str, Any]:
    made: dict[str, Any] = service.call("create_cidr_collection", Name=name, CallerReference=reference)["Collection"]
    return made


def change(service: Any, id: str, *changes: tuple[str, str, list[str]], **more: Any) -> None:
    given = [{"Action": action, "LocationName": where, "CidrList": blocks} for action, where, blocks in changes]
    service.call("change_cidr_collection", Id=id, Changes=given, **more)


def test_the_same_name_and_reference_give_the_same_collection(service: Any) -> None:
    made = new(service)
    assert made["Version"] == 1 and made["Arn"] == f"arn:aws:route53::000000000000:cidrcollection/{made['Id']}"
    assert new(service) == made
    with pytest.raises(CidrCollectionAlreadyExists):
        new(service, reference="2")
    for each in range(4):
        new(service, f"d{each}")
    with pytest.raises(LimitsExceeded):
        new(service, "one-too-many")
    assert len(service.call("list_cidr_collections", MaxResults="3")["CidrCollections"]) == 3


def test_blocks_move_between_locations_in_one_change(service: Any) -> None:
    id = new(service)["Id"]
    change(service, id, ("PUT", "a", ["198.51.100.0/24", "2001:db8::/48"]), ("PUT", "b", ["198.51.0.0/16"]))
    with pytest.raises(CidrBlockInUse):
        change(service, id, ("PUT", "b", ["198.51.100.0/24"]))
    change(service, id, ("PUT", "b", ["198.51.100.0/24"]), ("DELETE_IF_EXISTS", "a", ["198.51.100.0/24"]))
    blocks = service.call("list_cidr_blocks", CollectionId=id)["CidrBlocks"]
    assert [(each["CidrBlock"], each["LocationName"]) for each in blocks] == [
        ("198.51.0.0/16", "b"), ("198.51.100.0/24", "b"), ("2001:db8::/48", "a"),
    ]  # fmt: skip
    assert service.call("list_cidr_locations", CollectionId=id)["CidrLocations"] == [
        {"LocationName": "a"}, {"LocationName": "b"}
    ]  # fmt: skip
    assert len(service.call("list_cidr_blocks", CollectionId=id, LocationName="b")["CidrBlocks"]) == 2
    with pytest.raises(NoSuchCidrLocation):
        service.call("list_cidr_blocks", CollectionId=id, LocationName="z")


@pytest.mark.parametrize("block", ["198.51.100.1/24", "198.51.100.0/25", "0.0.0.0/0", "2001:db8::/49", "office"])
def test_what_is_no_block_of_a_collection_is_refused_and_changes_nothing(service: Any, block: str) -> None:
    id = new(service)["Id"]
    with pytest.raises(InvalidInput):
        change(service, id, ("PUT", "a", ["198.51.100.0/24", block]))
    assert service.call("list_cidr_blocks", CollectionId=id)["CidrBlocks"] == []
    assert new(service)["Version"] == 1


def test_a_stale_version_is_a_mismatch(service: Any) -> None:
    id = new(service)["Id"]
    change(service, id, ("PUT", "a", ["198.51.100.0/24"]), CollectionVersion=1)
    with pytest.raises(CidrCollectionVersionMismatch):
        change(service, id, ("PUT", "a", ["198.51.101.0/24"]), CollectionVersion=1)


def test_only_an_empty_collection_goes(service: Any) -> None:
    id = new(service)["Id"]
    change(service, id, ("PUT", "a", ["198.51.100.0/24"]))
    with pytest.raises(CidrCollectionInUse):
        service.call("delete_cidr_collection", Id=id)
    change(service, id, ("DELETE_IF_EXISTS", "a", ["198.51.100.0/24"]))
    service.call("delete_cidr_collection", Id=id)
    with pytest.raises(NoSuchCidrCollection):
        service.call("delete_cidr_collection", Id=id)


def test_geo_locations_are_countries_with_their_states_and_continents_last(service: Any) -> None:
    found: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    while True:
        page = service.call("list_geo_locations", MaxItems="100", **more)
        found += page["GeoLocationDetailsList"]
        if not page["IsTruncated"]:
            break
        more = {f"Start{each}": page[f"Next{each}"] for each in ("ContinentCode", "CountryCode", "SubdivisionCode")}
    assert found[0] == {"CountryCode": "*", "CountryName": "Default"}
    assert [each["ContinentCode"] for each in found[-7:]] == ["AF", "AN", "AS", "EU", "NA", "OC", "SA"]
    at = found.index({"CountryCode": "US", "CountryName": "United States"})
    assert found[at + 1]["SubdivisionName"] == "Alaska" and found[at + 51]["SubdivisionName"] == "Wyoming"
    assert len({str(each) for each in found}) == len(found) == 1 + 245 + 51 + 7
    details = service.call("get_geo_location", CountryCode="US", SubdivisionCode="WA")["GeoLocationDetails"]
    assert details == {
        "CountryCode": "US", "CountryName": "United States", "SubdivisionCode": "WA", "SubdivisionName": "Washington",
    }  # fmt: skip
