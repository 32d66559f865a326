"""Results as a JUnit report: a test suite for each run, a test case for each objective."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from kunren.drills.checkers.judge import Result


class Case(NamedTuple):
    """One test case; `wrong` is "failure", "error" or nothing."""

    name: str
    wrong: str = ""
    message: str = ""


def junit(runs: Sequence[Result]) -> str:
    """The document. What is unknown is an error, what does not hold a failure."""
    return document(_numbered([run.drill for run in runs]), [list(_cases(run)) for run in runs])


def _cases(run: Result) -> Iterator[Case]:
    for each in run.objectives:
        label = each.name + (f" of {each.traffic}" if each.traffic else "")
        if run.verdict not in (True, False):
            yield Case(label, "error", run.reason)
        else:
            wrong = "" if each.met is True else "failure" if each.met is False else "error"
            yield Case(label, wrong, each.why if wrong else "")


def _numbered(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each with the name of its suite: with a number where there are several."""
    for number, name in enumerate(names, 1):
        yield name, name if len(names) == 1 else f"{name} #{number}"


def document(suites: Iterable[tuple[str, str]], cases: Iterable[Sequence[Case]]) -> str:
    """Of suites, each a drill and a name, and the cases of each."""
    root = ElementTree.Element("testsuites", name="kunren drills")
    for (drill, name), held in zip(suites, cases, strict=True):
        suite = ElementTree.SubElement(root, "testsuite", name=name)
        for each in held:
            case = ElementTree.SubElement(suite, "testcase", classname=f"kunren.{drill}", name=each.name)
            if each.wrong:
                ElementTree.SubElement(case, each.wrong, message=each.message)
        counts = {"tests": len(held)}
        counts |= {f"{kind}s": sum(each.wrong == kind for each in held) for kind in ("failure", "error")}
        for key, value in counts.items():
            suite.set(key, str(value))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def junit_of_checks(drill: str, runs: Sequence[Sequence[tuple[str, str]]]) -> str:
    """Of runs that are checks: each a name and what is wrong, if anything."""
    cases = [[Case(name, "failure" if wrong else "", wrong) for name, wrong in run] for run in runs]
    return document(_numbered([drill] * len(runs)), cases)
