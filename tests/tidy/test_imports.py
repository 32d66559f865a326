"""The arrows between the packages: who may import whom, read from the source."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "kunren"
# package → the packages it may import; a package not named here (app, daemon, cli) may import all
ALLOWED = {
    "core": {"core"},
    "wire": {"wire", "core"},
    "control": {"control", "core"},
    "world": {"world", "core", "settings"},
    "gateway": {"gateway", "wire", "control", "core", "settings"},
    "access": {"access", "gateway", "wire", "core"},
    "fallback": {"fallback", "gateway", "wire", "world", "core", "settings"},
    "dataplane": {"dataplane", "world", "core", "settings"},
    "services": {"services", "dataplane", "world", "control", "core", "settings"},
    "graph": {"graph", "services", "dataplane", "control", "core"},
    "trace": {"trace", "services", "dataplane", "world", "control", "core"},
    "drills": {"drills", "management", "core"},
    "simulate": {"simulate", "drills", "trace", "services", "dataplane", "world", "control", "core"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "kunren" else [node.module]
            )
        found |= {name.split(".")[1] for name in names if name.startswith("kunren.")}
    return found


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_imports_point_one_way(package):
    wrong = {
        str(path.relative_to(PACKAGE)): sorted(imported(path) - ALLOWED[package])
        for path in FILES
        if path.relative_to(PACKAGE).parts[0] == package and imported(path) - ALLOWED[package]
    }
    assert wrong == {}


def test_files_stay_small_enough_to_hold_one_idea():
    long = {str(path.relative_to(PACKAGE)): count for path in FILES if (count := path.read_text().count("\n")) > 500}
    assert long == {}


def test_functions_fit_a_screen():
    long = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 80:
                    long[f"{path.relative_to(PACKAGE)}:{node.name}"] = lines
    assert long == {}


def test_each_decision_has_a_number_of_its_own():
    numbers = sorted(path.name[:4] for path in (PACKAGE.parent / "docs" / "decisions").glob("*.md"))
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
