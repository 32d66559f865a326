"""Documents of the redirect service that are wrong, odd or large: refused or served, by a message that names the entry."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "redirect"


@pytest.fixture(scope="module")
def document():
    spec = importlib.util.spec_from_file_location("redirect_document", EXAMPLE / "document.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def drill(kunren, tmp_path, text, architecture="alb", *options):
    (tmp_path / "domains.json").write_text(text)
    where = ("--architecture", architecture, "--domains", str(tmp_path / "domains.json"))
    return kunren.run("drill", "run", "redirect", *where, *options)


def many(count):
    return json.dumps({f"d{number}.many.test": f"https://t{number}.example/" for number in range(count)})


REFUSED = {
    '{"a.test": "https://x.example/", "b.test": "not a url"}': ("'b.test'", "not a url"),
    '{"a.test": "ftp://x.example/"}': ("'a.test'", "ftp://x.example/"),
    '{"a.test": "https://"}': ("'a.test'", "https://"),
    '{"a.test": "https://x.example:99999/"}': ("'a.test'", "99999"),
    '{"a.test": "https://x.example/a b"}': ("'a.test'", "spaces"),
    '{"a.test": "https://x.example/\\u00e9"}': ("'a.test'", "ASCII"),
    '{"a.test": "https://me:secret@x.example/"}': ("'a.test'", "credentials"),
    '{"a.test": "https://x.example/#part"}': ("'a.test'", "fragment"),
    '{"a.test": "https://a.test/"}': ("'a.test'", "itself"),
    '{"a.test": 7}': ("'a.test'", "URL"),
    '{"a.test": null}': ("'a.test'", "URL"),
    '{"a.test": {"url": "https://x.example/", "status": 200}}': ("'a.test'", "301 or 302"),
    '{"a.test": {"url": "https://x.example/", "carry_path": "yes"}}': ("'a.test'", "carry_path"),
    '{"a.test": {"url": "https://x.example/", "colour": "red"}}': ("'a.test'", "colour"),
    '{"a.test": "https://x.example/", "a.test": "https://y.example/"}': ("'a.test'", "twice"),
    '{"a.test": "https://x.example/", "A.TEST.": "https://y.example/"}': ("'A.TEST.'", "twice"),
    '{"b\\u00fccher.test": "https://x.example/", "xn--bcher-kva.test": "https://y.example/"}': ("kva.test'", "twice"),
    '{"no_such..name": "https://x.example/"}': ("'no_such..name'", "not a domain name"),
    '{"*.a.test": "https://x.example/"}': ("'*.a.test'", "not a domain name"),
    '{"test": "https://x.example/"}': ("'test'", "two labels"),
    '{"198.18.0.1": "https://x.example/"}': ("'198.18.0.1'", "address"),
    '{"' + "a" * 64 + '.test": "https://x.example/"}': ("a" * 64, "not a domain name"),
    "{}": ("names no domain",),
    '["a.test"]': ("one JSON object",),
    '{"a.test": ': ("not JSON", "line 1"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_wrong_document_is_refused_by_entry(document, text):
    with pytest.raises(document.BadDocument) as refused:
        document.parse_document(text)
    for part in REFUSED[text]:
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ('{"a.test": "https://x.example/", "b.test": "not a url"}', "'b.test'"),
        ('{"a.test": "https://x.example/", "A.test.": "https://y.example/"}', "'A.test.'"),
        ("\x00", "not JSON"),
    ],
)
def test_the_drill_refuses_a_wrong_document_before_it_changes_anything(kunren, tmp_path, text, entry):
    done = drill(kunren, tmp_path, text)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert entry in done.stderr
    assert "Traceback" not in done.stderr
    missing = kunren.run("drill", "run", "redirect", "--domains", str(tmp_path / "no-such-file.json"))
    assert missing.returncode == 2
    assert "no-such-file.json" in missing.stderr


@pytest.mark.parametrize(("architecture", "last", "limit"), [("alb", "d50", "50"), ("alb-lambda", "d260", "260")])
def test_five_hundred_entries_are_refused_naming_the_first_without_room(kunren, tmp_path, architecture, last, limit):
    done = drill(kunren, tmp_path, many(500), architecture)
    assert done.returncode == 2
    assert f"'{last}.many.test'" in done.stderr
    assert f"hold {limit}" in done.stderr
    assert "Traceback" not in done.stderr
    assert kunren.client("route53").list_hosted_zones()["HostedZones"] == []


@pytest.mark.parametrize("architecture", ["alb", "alb-lambda"])
def test_internationalised_domains_are_served_by_their_ascii_names(kunren, tmp_path, architecture):
    text = json.dumps(
        {
            "bücher.test": "https://books.example/",
            "日本語.test": {"url": "https://ja.example/top", "status": 302, "carry_path": True},
        }
    )
    done = drill(kunren, tmp_path, text, architecture, "--json", "-")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["verdict"] is True
    assert {check["domain"] for check in outcome["checks"]} == {"xn--bcher-kva.test", "xn--wgv71a119e.test"}
    assert len(outcome["checks"]) == 2 * 2 * 3


def test_the_deployment_script_itself_refuses_by_entry(tmp_path):
    (tmp_path / "domains.json").write_text('{"a.test": "nonsense"}')
    command = [sys.executable, str(EXAMPLE / "deploy_alb.py"), str(tmp_path / "domains.json"), "--region", "us-east-1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "domains.json: entry 'a.test'" in done.stderr
    assert "Traceback" not in done.stderr
