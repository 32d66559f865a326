"""Results as a JUnit report: a test suite for each run, a test case for each objective."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from kunren.drills.checkers.judge import Result


def junit(runs: Sequence[Result]) -> str:
    """The document. What is unknown is an error, what does not hold a failure."""
    root = ElementTree.Element("testsuites", name="kunren drills")
    for number, run in enumerate(runs, 1):
        name = run.drill if len(runs) == 1 else f"{run.drill} #{number}"
        suite = ElementTree.SubElement(root, "testsuite", name=name)
        counts = {"tests": 0, "failures": 0, "errors": 0}
        for each in run.objectives:
            label = each.name + (f" of {each.traffic}" if each.traffic else "")
            case = ElementTree.SubElement(suite, "testcase", classname=f"kunren.{run.drill}", name=label)
            counts["tests"] += 1
            if run.verdict not in (True, False):
                counts["errors"] += 1
                ElementTree.SubElement(case, "error", message=run.reason)
            elif each.met is False:
                counts["failures"] += 1
                ElementTree.SubElement(case, "failure", message=each.why)
            elif each.met is not True:
                counts["errors"] += 1
                ElementTree.SubElement(case, "error", message=each.why)
        for key, value in counts.items():
            suite.set(key, str(value))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
