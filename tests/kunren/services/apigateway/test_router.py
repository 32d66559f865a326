"""Which resource and method answer: literal before variable before greedy, as pairs."""

from hypothesis import given
from hypothesis import strategies as st

from kunren.services.apigateway.serving.router import Router


def router(**methods):
    """Of resources by path, written as `POST_GET="/a"`... as (path, methods) pairs."""
    return Router({"id": path, "path": path, "methods": {each: {"httpMethod": each} for each in names}}
                  for path, names in methods["of"].items())  # fmt: skip


PETS = router(
    of={
        "/": ["GET"],
        "/{proxy+}": ["ANY"],
        "/jobs/{kind}": ["GET"],
        "/jobs/now": ["POST"],
        "/cors": ["OPTIONS"],
        "/things/{proxy+}": ["POST"],
        "/things/real": ["GET"],
        "/a/{x}/c": ["GET"],
        "/a/b/{y}": ["GET"],
    }
)


def found(method, path):
    matched = PETS.match(method, path)
    return (matched.path, matched.parameters) if matched is not None else None


def test_the_closest_pair_of_resource_and_method_answers():
    assert found("GET", "/") == ("/", {})
    assert found("POST", "/") is None  # a greedy part takes one part at least
    assert found("GET", "/jobs/reboot") == ("/jobs/{kind}", {"kind": "reboot"})
    assert found("POST", "/jobs/now") == ("/jobs/now", {})
    assert found("GET", "/jobs/now") == ("/jobs/{kind}", {"kind": "now"})
    assert found("PUT", "/jobs/now") == ("/{proxy+}", {"proxy": "jobs/now"})
    assert found("GET", "/cors") == ("/{proxy+}", {"proxy": "cors"})
    assert found("POST", "/things/real") == ("/things/{proxy+}", {"proxy": "real"})
    assert found("GET", "/things/real/") == ("/things/real", {})
    assert found("GET", "/a/b/c") == ("/a/b/{y}", {"y": "c"})
    assert found("GET", "/a/z/c") == ("/a/{x}/c", {"x": "z"})
    assert found("GET", "/a%20b/c%2Fd") == ("/{proxy+}", {"proxy": "a b/c/d"})


@given(st.lists(st.sampled_from(["a", "b", "c", "jobs", "now", "things", "real", "%41", ""]), max_size=5))
def test_every_path_but_the_root_is_answered_by_somebody(parts):
    path = "/" + "/".join(parts)
    matched = PETS.match("DELETE", path)
    assert (matched is None) == (path.strip("/") == "")
