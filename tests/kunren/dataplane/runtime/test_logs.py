import asyncio
import os

from kunren.core.clock import SystemClock
from kunren.dataplane.runtime.logs import TAIL_BYTES, FunctionLogs, WorkerLog, report_line
from kunren.dataplane.runtime.version import FunctionVersion

VERSION = FunctionVersion(
    account="0", region="r", name="f", arn="a", version="$LATEST", runtime="x", handler="h", memory_mb=128, timeout_s=3,
    code_dir="/", revision="1", log_group="g",
)  # fmt: skip


def test_report_line_bills_the_init_of_a_cold_start():
    assert report_line("id", duration_ms=1.5, memory_mb=128, max_memory_mb=30, init_ms=100.25) == (
        "REPORT RequestId: id\tDuration: 1.50 ms\tBilled Duration: 102 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\t"
        "Init Duration: 100.25 ms\t"
    )


def test_report_line_leaves_out_what_is_not_known():
    assert report_line("id", duration_ms=2, memory_mb=128, max_memory_mb=None, init_ms=None) == (
        "REPORT RequestId: id\tDuration: 2.00 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t"
    )


def test_lines_are_put_together_kept_and_cut_to_the_tail(tmp_path):
    async def story():
        logs = FunctionLogs(tmp_path, SystemClock(), None)
        log = WorkerLog(logs, VERSION, "s")
        os.write(log.writer, b"one\ntw")
        log.drain()
        os.write(log.writer, b"o\nthree \xff")
        log.settle()
        assert log.take_tail() == b"one\ntwo\nthree \\xff\n"
        for number in range(2000):
            os.write(log.writer, b"line %d\n" % number)
        log.drain()
        tail = log.take_tail()
        assert len(tail) == TAIL_BYTES
        assert tail.endswith(b"line 1999\n")
        log.close()
        logs.flush()
        kept = logs.path("0", "r", "f").read_text()
        assert kept.startswith("one\ntwo\nthree \\xff\nline 0\n")

    asyncio.run(story())
