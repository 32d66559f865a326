import base64
import gzip
import re

from kunren.drills.checkers.judge import judge
from kunren.drills.report.page import page


def test_the_numbers_are_those_of_the_result(report):
    html, result, _ = report()
    assert result.rto_s == 2.001
    for shown in ("1.5 s", "<strong>2 s</strong>", "50 %", "<strong>71.429 %</strong>", "missed", "holds", "RTO 2 s"):
        assert shown in html
    cells = re.findall(r'<td class="number">([^<]*)</td>', html)
    assert [cells[index] for index in range(2, 6)] == ["1,000", "800", "200", "0"]
    assert "An objective was missed.</strong> RTO is 2 s, not within 1.5 s." in html
    assert '<svg id="drawn">' in html
    assert "<?xml" not in html
    assert "target a: healthy → unhealthy" in html


def test_it_loads_nothing_and_takes_no_text_for_html(report):
    html, _, _ = report(title="<script>alert(1)</script>")
    assert "<script" not in html
    assert "<b>a fault" not in html
    assert re.findall(r'(?:src|href)="(?!data:)', html) == []


def test_the_raw_history_is_attached(report):
    html, _, history = report()
    packed = re.search(r'href="data:application/gzip;base64,([^"]+)"', html)
    assert gzip.decompress(base64.b64decode(packed[1])) == history.path.read_bytes()


def test_a_history_without_anything_has_a_page(made, saved):
    history = saved(made().history())
    assert "Nothing is known" in page(judge(history), history)
