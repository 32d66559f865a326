"""World files: what they may add, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from kunren.world.worldfile import DEFAULT_WORLD, WorldFileError, load_world, parse_world


def test_the_default_world_has_awss_regions_and_the_places_that_the_address_plan_has_room_for():
    assert DEFAULT_WORLD.region("us-east-1").zones == "abcdef"
    assert DEFAULT_WORLD.region("ap-northeast-1").zones == "acd"
    assert {"tokyo", "virginia", "sydney"} <= {place.name for place in DEFAULT_WORLD.places}
    assert load_world(None) is DEFAULT_WORLD


def test_a_file_appends_so_that_the_default_places_keep_their_addresses():
    spec = parse_world(
        "default_place: kyoto\nplaces: [{name: kyoto, latitude: 35, longitude: 135.8, country: JP, continent: AS}]\n"
    )
    assert spec.places[: len(DEFAULT_WORLD.places)] == DEFAULT_WORLD.places
    assert (spec.places[-1].name, spec.default_place) == ("kyoto", "kyoto")
    assert parse_world("") == DEFAULT_WORLD
    assert parse_world("capacity: {us-east-1a: {t3.micro: 4}}").capacity == {"us-east-1a": {"t3.micro": 4}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("places:\n  - {name: x\n  - y", "line 3"),
        ("- tokyo", "a mapping is expected"),
        ("cities: []", "cities is not known"),
        ("places: tokyo", "places: a list is expected"),
        ("places: [tokyo]", r"places\[0\]: a mapping is expected"),
        (
            "places: [{name: Kyōto, latitude: 1, longitude: 1, country: JP, continent: AS}]",
            r"places\[0\]: name: 'Kyōto' is not small letters",
        ),
        ("places: [{name: oslo, latitude: 91, longitude: 1, country: NO, continent: EU}]", "quote it"),
        ("places: [{name: oslo, latitude: 91, longitude: 1, country: FI, continent: EU}]", "latitude: a number"),
        ("places: [{name: oslo, latitude: 1, longitude: .nan, country: FI, continent: EU}]", "longitude: a number"),
        ("places: [{name: tokyo, latitude: 1, longitude: 1, country: JP, continent: AS}]", "tokyo is there twice"),
        ("regions: [{name: us-gov-1, zones: aab, latitude: 1, longitude: 1}]", r"regions\[0\]: zones: 'aab'"),
        ("capacity: {us-east-1z: {}}", "there is no zone 'us-east-1z'"),
        ("capacity: {us-east-1a: {t3.micro: -1}}", "t3.micro: a number of instances"),
        ("default_place: atlantis", "there is no place 'atlantis'"),
        ("default_place: [tokyo]", "there is no place"),
    ],
)
def test_a_wrong_file_is_refused_with_the_entrys_name(text, says):
    with pytest.raises(WorldFileError, match=says):
        parse_world(text)


def test_more_places_than_the_address_plan_has_room_for_are_refused():
    entries = "".join(f"  - {{name: p{n}, latitude: 0, longitude: 0, country: JP, continent: AS}}\n" for n in range(64))
    with pytest.raises(WorldFileError, match="room for 64"):
        parse_world(f"places:\n{entries}")


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(WorldFileError, match="can't be read"):
        load_world(tmp_path / "none.yaml")
