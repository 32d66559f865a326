"""Manifests that are wrong, odd or made to harm: refused in words, never an error of ours."""

from __future__ import annotations

import json

import pytest

from kunren.services.ecr.errors import InvalidParameterException
from kunren.services.ecr.manifests import OCI_MANIFEST, read

PART = {"mediaType": "x", "digest": f"sha256:{'0' * 64}", "size": 1}
GOOD = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": PART, "layers": [PART]}


def test_a_manifest_names_its_blobs():
    assert read(json.dumps(GOOD).encode()).blobs == ((PART["digest"], 1), (PART["digest"], 1))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        json.dumps({**GOOD, "layers": [{**PART, "size": "SIZE"}]}).replace('"SIZE"', "1e999"),
        json.dumps({**GOOD, "layers": [{**PART, "size": -1}]}),
        json.dumps({**GOOD, "layers": [{**PART, "size": 10**30}]}),
        json.dumps({**GOOD, "layers": [{**PART, "size": True}]}),
        json.dumps({**GOOD, "layers": [{**PART, "digest": "sha256:.."}]}),
        json.dumps({**GOOD, "annotations": {"half": "\ud800"}}),
        json.dumps({**GOOD, "artifactType": "\udfff"}),
    ],
    ids=["deep", "infinite", "negative", "huge", "bool", "digest", "annotation", "type"],
)
def test_what_is_no_manifest_is_refused(text):
    with pytest.raises(InvalidParameterException):
        read(text.encode())
