import base64
import gzip
import re

from kunren.drills.checkers.judge import judge
from kunren.drills.history import NOTE, RECORDS, HistoryWriter, read_history
from kunren.drills.report.page import page


def saved(history, path):
    import msgspec

    writer = HistoryWriter(path)
    for each in history.notes:
        writer.frame(NOTE, msgspec.json.encode(each))
    writer.frame(RECORDS, history.records.tobytes())
    writer.close()
    return read_history(path)


def report(made, tmp_path, **header):
    told = made(objectives={"rto": 1.5, "availability": 0.5}, faults=["<b>a fault</b>"], **header)
    told.every(10, 10_000, lambda at: 3000 <= at < 5000).fault(3000, 8000, name="<b>a fault</b>")
    told.note("picture", 1, svg='<?xml version="1.0"?><svg id="drawn"></svg>')
    told.note("health", 3500, what="target a", before="healthy", now="unhealthy")
    history = saved(told.ended(10_000), tmp_path / "made.history")
    result = judge(history)
    return page(result, history), result, history


def test_the_numbers_are_those_of_the_result(made, tmp_path):
    html, result, _ = report(made, tmp_path)
    assert result.rto_s == 2.001
    for shown in ("1.5 s", "<strong>2 s</strong>", "50 %", "<strong>71.429 %</strong>", "missed", "holds", "RTO 2 s"):
        assert shown in html
    cells = re.findall(r'<td class="number">([^<]*)</td>', html)
    assert [cells[index] for index in range(2, 6)] == ["1,000", "800", "200", "0"]
    assert "An objective was missed.</strong> RTO is 2 s, not within 1.5 s." in html
    assert '<svg id="drawn">' in html
    assert "<?xml" not in html
    assert "target a: healthy → unhealthy" in html


def test_it_loads_nothing_and_takes_no_text_for_html(made, tmp_path):
    html, _, _ = report(made, tmp_path, title="<script>alert(1)</script>")
    assert "<script" not in html
    assert "<b>a fault" not in html
    assert re.findall(r'(?:src|href)="(?!data:)', html) == []


def test_the_raw_history_is_attached(made, tmp_path):
    html, _, history = report(made, tmp_path)
    packed = re.search(r'href="data:application/gzip;base64,([^"]+)"', html)
    assert gzip.decompress(base64.b64decode(packed[1])) == history.path.read_bytes()


def test_a_history_without_anything_has_a_page(made, tmp_path):
    history = saved(made().history(), tmp_path / "empty.history")
    assert "Nothing is known" in page(judge(history), history)
