"""What the edge compresses: the table of "Serve compressed files"."""

import gzip

import brotli
import pytest

from kunren.dataplane.edge.compression import coding, compressed, mark
from kunren.dataplane.edge.message import Answer, Request, Viewer, Whereabouts
from kunren.dataplane.edge.site import Behaviour, CacheRules


def chosen(accepted="gzip, br", encodings=("br", "gzip"), compress=True, status=200, **headers):
    given = {"Content-Type": "text/html; charset=utf-8", "Content-Length": "5000"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    rules = CacheRules(0, 60, 60, encodings=encodings)
    behaviour = Behaviour("*", "o", "allow-all", frozenset(), frozenset(), rules, compress=compress)
    viewer = Viewer("198.18.65.10", 1, "tokyo", Whereabouts(), secure=False)
    request = Request("GET", "/", "", [("Accept-Encoding", accepted)], viewer, "id")
    return coding(behaviour, request, Answer(status, [(k, v) for k, v in given.items() if v is not None]))


def test_brotli_goes_before_gzip_where_policy_and_viewer_have_it():
    assert chosen() == "br"
    assert chosen(encodings=("gzip",)) == "gzip"
    assert chosen(accepted="gzip") == "gzip"
    assert chosen(accepted="deflate") is None
    assert chosen(encodings=()) is None
    assert chosen(compress=False) is None


@pytest.mark.parametrize(("status", "made"), [(200, "br"), (403, "br"), (404, "br"), (500, None), (301, None)])
def test_only_answers_with_these_statuses_are_compressed(status, made):
    assert chosen(status=status) == made


@pytest.mark.parametrize(
    ("length", "made"),
    [("999", None), ("1000", "br"), ("10000000", "br"), ("10000001", None), (None, None), ("x", None)],
)
def test_the_size_must_be_told_and_between_the_limits(length, made):
    assert chosen(Content_Length=length) == made


def test_only_kinds_of_the_list_are_compressed_and_nothing_twice():
    assert chosen(Content_Type="image/png") is None
    assert chosen(Content_Type="APPLICATION/JSON") == "br"
    assert chosen(Content_Type="text/markdown") is None
    assert chosen(Content_Encoding="gzip") is None


def test_a_strong_validator_becomes_weak_and_vary_names_the_header():
    answer = Answer(200, [("ETag", '"a"'), ("Vary", "Origin"), ("Content-Length", "9"), ("Accept-Ranges", "bytes")])
    mark(answer, "br")
    assert answer.headers == [("Content-Encoding", "br"), ("ETag", 'W/"a"'), ("Vary", "Origin, Accept-Encoding")]
    weak = Answer(200, [("ETag", 'W/"a"'), ("Vary", "accept-encoding")])
    mark(weak, "gzip")
    assert weak.headers == [("ETag", 'W/"a"'), ("Vary", "accept-encoding"), ("Content-Encoding", "gzip")]


def test_bytes_come_back():
    body = b"<p>hello</p>" * 1000
    assert brotli.decompress(compressed(body, "br")) == body
    assert gzip.decompress(compressed(body, "gzip")) == body
    assert compressed(body, "gzip") == compressed(body, "gzip")
