"""JSONPaths: names, items, wildcards, slices, descent, filters; one value where the path is definite, else a list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.core.json_path import BadPath, find

STORE = {
    "book": [{"t": "a", "p": 5, "tags": ["x"]}, {"t": "b", "p": 9}, {"t": "c", "p": 12}],
    "a-b": {"c d": 1},
    "none": None,
}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("$", STORE),
        ("$.book[0].t", "a"),
        ("$.book[-1]['t']", "c"),
        ("$['a-b']['c d']", 1),
        ("$.a-b", {"c d": 1}),
        ("book[1].p", 9),
        ("$.missing.more", None),
        ("$.book[9]", None),
        ("$.book[*].t", ["a", "b", "c"]),
        ("$.book[0,2].p", [5, 12]),
        ("$.book[1:].t", ["b", "c"]),
        ("$..t", ["a", "b", "c"]),
        ("$.book[?(@.p < 10)].t", ["a", "b"]),
        ("$.book[?(@.t == 'b')].p", [9]),
        ("$.book[?(@.tags)].t", ["a"]),
        ("$.book.length()", 3),
        ("$.none", None),
    ],
)
def test_a_path_finds_what_it_says(path, wanted):
    assert find(path, STORE) == wanted


@pytest.mark.parametrize("path", ["$.", "$.a[", "$.a[?(", "$.a[x]", "$.a b"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(BadPath):
        find(path, STORE)


@given(st.text(alphabet="$.[]*'\"?(@)=<ab01:,- ", max_size=30))
def test_any_text_is_a_path_or_is_refused(text):
    try:
        find(text, STORE)
    except BadPath:
        pass
