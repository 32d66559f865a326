"""Names of images, as Docker reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.dataplane.images.reference import BadReference, parse

DIGEST = "sha256:" + "0f" * 32


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("my/web", "docker.io/my/web:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("localhost/web:1", "localhost/web:1"),
        ("localhost:5000/a/b_c", "localhost:5000/a/b_c:latest"),
        ("public.ecr.aws/nginx/nginx:1", "public.ecr.aws/nginx/nginx:1"),
        (f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1@{DIGEST}",
         f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/web@{DIGEST}"),
    ],
)  # fmt: skip
def test_names_have_a_registry_and_a_tag(text, whole):
    assert str(parse(text)) == whole
    assert parse(str(parse(text))) == parse(text)._replace(tag=parse(str(parse(text))).tag)


@pytest.mark.parametrize(
    "text", ["", "A", "a:", "a@sha256:1", "a//b", "/a", "a:b:c", "a b", "../x", "a.b/", "x@", "-a"]
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(BadReference, match="invalid reference format"):
        parse(text)


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_refused(text):
    try:
        found = parse(text)
    except BadReference:
        return
    assert ".." not in found.repository.split("/")
