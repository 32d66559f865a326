"""docs/coverage.md says what the code does."""

from __future__ import annotations

from kunren.management.coverage import PAGE, coverage, own_lines, page, versions_line


def test_the_committed_coverage_page_is_up_to_date() -> None:
    committed, now = PAGE.read_text(), page(coverage())
    assert own_lines(committed) == own_lines(now), "run `make coverage-doc`"
    if versions_line(committed) == versions_line(now):  # another moto or botocore has other operations
        assert committed == now, "run `make coverage-doc`"


def test_every_service_of_ours_has_operations_and_none_is_motos_too() -> None:
    found = coverage()
    assert len({each.service for each in found}) == len(found)
    assert all(each.count("real") for each in found if each.owner == "Kunren")
    assert all(each.count("moto") for each in found if each.owner == "moto")
