"""The report of an experiment: a small PDF with what it was, what it did and how it ended. Pure.

"Experiment reports for AWS FIS".
"""

from __future__ import annotations

from collections.abc import Sequence

from kunren.services.fis.model import Experiment
from kunren.services.fis.records import stamp

_LINES_A_PAGE, _WIDTH = 60, 100


def lines_of(experiment: Experiment) -> list[str]:
    """What the report says."""
    listed = [
        f"Experiment {experiment.id}",
        "",
        f"Template: {experiment.template_id}",
        f"Description: {experiment.description}",
        f"State: {experiment.status}" + (f" ({experiment.reason})" if experiment.reason else ""),
        f"Started: {_at(experiment.started)}   Ended: {_at(experiment.ended)}",
        f"Stop conditions: {', '.join(each.get('value') or each['source'] for each in experiment.stop_conditions)}",
        "",
        "Actions",
    ]
    for name, run in experiment.runs.items():
        action = experiment.actions[name]
        listed.append(f"  {name}: {action['actionId']}")
        settings = ", ".join(f"{key} {value}" for key, value in (action.get("parameters") or {}).items())
        if settings:
            listed.append(f"    {settings}")
        listed.append(f"    {run.status}, {_at(run.started)} to {_at(run.ended)}")
        if run.reason:
            listed.append(f"    {run.reason}")
    listed += ["", "Targets"]
    for name, found in experiment.found.items():
        listed.append(f"  {name}: {experiment.targets[name]['resourceType']}, {len(found)} resolved")
        listed += [f"    {each.arn}" for each in found]
    return listed


def pdf(lines: Sequence[str]) -> bytes:
    """Lines of text as a PDF of as many pages as they need."""
    cut = [part for line in lines for part in ([line[at : at + _WIDTH] for at in range(0, len(line), _WIDTH)] or [""])]
    pages = [cut[at : at + _LINES_A_PAGE] for at in range(0, len(cut), _LINES_A_PAGE)]
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
    ]
    for number, page in enumerate(pages):
        shown = " ".join(f"({_escaped(line)}) Tj T*" for line in page)
        content = f"BT /F1 9 Tf 40 800 Td 12 TL {shown} ET".encode("latin-1", "replace")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {5 + 2 * number} 0 R >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content))
    return _file(objects)


def _file(objects: Sequence[bytes]) -> bytes:
    body, offsets = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % each for each in offsets)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    return body + head + table + end


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _at(seconds: float | None) -> str:
    return stamp(seconds) if seconds is not None else "-"
