"""Pages of keys: whatever the page size, all pages together are what one would list by hand."""

from hypothesis import given
from hypothesis import strategies as st

from kunren.services.s3.listing import walk

KEYS = st.lists(st.text("ab/é", min_size=1, max_size=5), unique=True, max_size=60)


def pages(keys, prefix, delimiter, size):
    ordered = sorted(keys)

    def fetch(position, inclusive, limit):
        return [each for each in ordered if (each >= position if inclusive else each > position)][:limit]

    entries, prefixes, after = [], [], ""
    while True:
        page = walk(fetch, lambda each: each, prefix, delimiter, after, size)
        assert len(page.entries) + len(page.prefixes) <= size
        entries += page.entries
        prefixes += page.prefixes
        if not page.truncated:
            return entries, prefixes
        after = page.last


def by_hand(keys, prefix, delimiter):
    entries, prefixes = [], []
    for key in sorted(each for each in keys if each.startswith(prefix)):
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        if found:
            common = prefix + head + delimiter
            if common not in prefixes:
                prefixes.append(common)
        else:
            entries.append(key)
    return entries, prefixes


@given(KEYS, st.sampled_from(["", "a", "a/", "b"]), st.sampled_from(["", "/", "a"]), st.integers(1, 7))
def test_all_pages_together(keys, prefix, delimiter, size):
    assert pages(keys, prefix, delimiter, size) == by_hand(keys, prefix, delimiter)


def test_a_group_of_keys_is_jumped_over_and_not_read():
    asked = []

    def fetch(position, inclusive, limit):
        asked.append(position)
        keys = [f"logs/{n:06}" for n in range(100_000)] if position < "logs0" else []
        return [each for each in [*keys, "zoo"] if each > position][:limit]

    page = walk(fetch, lambda each: each, "", "/", "", 10)
    assert (page.entries, page.prefixes) == (["zoo"], ["logs/"])
    assert len(asked) == 2
