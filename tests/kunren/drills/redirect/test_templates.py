"""The redirect service's templates: the ten domains stand in them as in domains.json, and others can be put there."""

from __future__ import annotations

import importlib
import json
import sys

import pytest

from kunren.drills.access import Access
from kunren.drills.failures import DrillFailed
from kunren.drills.redirect import cdk
from kunren.drills.redirect.run import ARCHITECTURES, example_folder
from kunren.services.cloudformation.template import parse
from kunren.services.cloudformation.transforms import with_loops

FOLDER = example_folder()


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("template")
    finally:
        sys.path.remove(str(FOLDER))


def plain(template):
    """With what may be written in several ways written in one."""
    parameters = template["Parameters"]
    parameters["Domains"]["Default"] = parameters["Domains"]["Default"].replace(" ", "")
    if "Document" in parameters:
        parameters["Document"]["Default"] = json.loads(parameters["Document"]["Default"])
    return template


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_shipped_template_holds_the_shipped_document(example, architecture):
    shipped = parse((FOLDER / "templates" / f"{architecture}.yaml").read_text())
    made = example.template(architecture, example.load_document(FOLDER / "domains.json"))
    assert plain(made) == plain(shipped)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_template_takes_other_domains(example, architecture):
    redirects = [
        example.Redirect("a-b.test", "https://new.test/it's", 302),
        example.Redirect("c.d.test", "https://x.test"),
    ]
    made = example.template(architecture, redirects)
    assert "example-" not in json.dumps(made)
    resources = with_loops(made, {"Domains": ["a-b.test", "c.d.test"]})["Resources"]
    assert [name for name in resources if name.startswith("Zone")] == ["Zoneabtest", "Zonecdtest"]
    assert resources["Recordcdtest"]["Properties"]["Name"] == "c.d.test"
    assert resources["Recordcdtest"]["Properties"]["HostedZoneId"] == {"Ref": "Zonecdtest"}
    if "Document" in made["Parameters"]:
        told = made["Parameters"]["Document"]["Default"]
        assert "'" not in told
        assert json.loads(told)["a-b.test"] == {
            "url": "https://new.test/it's", "status": 302, "carry_path": False, "carry_query": False,
        }  # fmt: skip


@pytest.mark.parametrize(
    ("architecture", "file"),
    [
        ("alb-lambda", "redirect_function.py"),
        ("api-gateway", "redirect_api_function.py"),
        ("cloudfront-lambda-edge", "redirect_edge_function.py"),
    ],
)
def test_a_function_in_a_template_is_the_one_beside_it(architecture, file):
    function = parse((FOLDER / "templates" / f"{architecture}.yaml").read_text())["Resources"]["Function"]
    code = function["Properties"]["Code"]["ZipFile"]
    inline = (code["Fn::Sub"] if isinstance(code, dict) else code).splitlines()
    said = (FOLDER / file).read_text().splitlines()
    differ = [line for line in inline if line not in said]
    source = "r'''${Document}'''" if isinstance(code, dict) else 'os.environ["DOMAINS"]'
    assert [line for line in differ if line != "import os"] == [f"DOMAINS = json.loads({source})"]
    assert [line for line in said if line not in inline] == [
        "from pathlib import Path", 'DOMAINS = json.loads(Path(__file__).with_name("domains.json").read_text())',
    ]  # fmt: skip


def test_more_than_fits_is_refused_with_the_entry_s_name(example):
    many = [example.Redirect(f"d{number}.test", "https://new.test") for number in range(11)]
    with pytest.raises(example.BadDocument, match=r"'d10\.test' is number 11: .* one certificate hold 10"):
        example.template("cloudfront-function", many)
    long = [example.Redirect(f"d{number}.test", f"https://new.test/{'x' * 400}") for number in range(10)]
    with pytest.raises(example.BadDocument, match="a parameter holds 4096"):
        example.template("api-gateway", long)


def test_where_no_cdk_is_it_is_said_what_brings_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUNREN_CDK", raising=False)
    with pytest.raises(DrillFailed, match=f"^the CDK is not there: `npm install` in {tmp_path} brings it"):
        cdk.deploy(Access(tmp_path, ""), tmp_path, "alb", [], print)
