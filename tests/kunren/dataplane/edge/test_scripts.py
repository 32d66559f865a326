"""CloudFront Functions and the stores they read: the helper methods of the Developer Guide."""

from __future__ import annotations

import json

import pytest

from kunren.dataplane.edge.key_values import KeyValues
from kunren.dataplane.edge.scripts import ScriptError, Scripts
from kunren.dataplane.edge.site import Script

STORE = KeyValues({"plain": "text", "object": '{"a": [1, 2]}', "é": "ü"}.get, 3, 1700000000.0, 1700000001.5)
IMPORT = "import cf from 'cloudfront'; const store = cf.kvs({id});"


def run(body: str, *, own: tuple[str, ...] = ("s",), identity: str = "", runtime: str = "cloudfront-js-2.0"):
    code = f"{IMPORT.format(id=identity)}\nasync function handler(event) {{ return {body}; }}"
    ran = Scripts({"s": STORE, "t": STORE}).run(Script("f", runtime, code, "1", own), "{}")
    return json.loads(ran.output)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("await store.get('plain')", "text"),
        ("await store.get('plain', {format: 'string'})", "text"),
        ("await store.get('object', {format: 'json'})", {"a": [1, 2]}),
        ("Array.from(await store.get('é', {format: 'bytes'}))", [0xC3, 0xBC]),
        ("[await store.exists('plain'), await store.exists('other')]", [True, False]),
        ("await store.count()", 3),
        ("await Promise.all([store.get('plain'), store.count()])", ["text", 3]),
        ("await store.get('other').catch(() => 'none')", "none"),
    ],
)
def test_helper_methods(body, value):
    assert run(body) == value


def test_meta_tells_when_the_store_was_made_and_changed_and_how_many_keys_it_has():
    assert run("await store.meta()") == {
        "creationDateTime": "2023-11-14T22:13:20.000Z",
        "lastUpdatedDateTime": "2023-11-14T22:13:21.500Z",
        "keyCount": 3,
    }


def test_a_store_may_be_named_and_none_but_the_functions_own_can_be_read():
    assert run("await store.get('plain')", identity="'s'") == "text"
    with pytest.raises(ScriptError, match="not associated"):
        run("await store.get('plain')", identity="'t'")
    with pytest.raises(ScriptError, match="No KeyValueStore"):
        run("await store.get('plain')", own=())


def test_a_missing_key_fails_the_function_that_does_not_mind():
    with pytest.raises(ScriptError, match="other"):
        run("await store.get('other')")


def test_runtime_1_has_no_stores():
    with pytest.raises(ScriptError, match="cloudfront"):
        run("1", runtime="cloudfront-js-1.0")


def test_a_function_that_asks_for_ever_is_ended():
    with pytest.raises(ScriptError):
        run("await (async () => { while (true) await store.count(); })()")
