import struct

import pytest

from kunren.drills.history import (
    FRAME,
    MAGIC,
    RECORD,
    RECORDS,
    BadHistory,
    Event,
    FrameReader,
    HistoryWriter,
    read_history,
)


def test_what_is_written_is_read_and_half_a_frame_is_left_out(tmp_path):
    path = tmp_path / "history"
    writer = HistoryWriter(path)
    writer.note("drill", 0, drill="one", kind="any")
    writer.frame(
        RECORDS, RECORD.pack(5, 7, 1, Event.INVOKE, 0, 0, 0, 12) + RECORD.pack(9, 7, 1, Event.OK, 0, 200, 3, 0)
    )
    writer.close()
    with path.open("ab") as file:
        file.write(FRAME.pack(RECORDS, 24) + b"half")
    read = read_history(path)
    assert read.header == {"note": "drill", "time_ns": 0, "drill": "one", "kind": "any"}
    assert read.records.tolist() == [(5, 7, 1, 0, 0, 0, 0, 12), (9, 7, 1, 1, 0, 200, 3, 0)]


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"PK", "does not begin with"), (MAGIC + struct.pack("<cI", b"X", 1) + b"a", "belongs to no history")],
)
def test_another_file_is_refused(tmp_path, raw, said):
    path = tmp_path / "other"
    path.write_bytes(raw)
    with pytest.raises(BadHistory, match=said):
        read_history(path)


def test_frames_come_whole_however_they_are_cut():
    raw = b"".join(FRAME.pack(b"J", len(text)) + text for text in (b"{}", b"", b"[1]"))
    reader = FrameReader()
    assert [frame for byte in raw for frame in reader.fed(bytes([byte]))] == [
        (b"J", b"{}"),
        (b"J", b""),
        (b"J", b"[1]"),
    ]
