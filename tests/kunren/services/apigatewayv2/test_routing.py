import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.apigatewayv2.errors import BadRequestException
from kunren.services.apigatewayv2.route_keys import parse_route_key, shape
from kunren.services.apigatewayv2.routing import RouteTable

# "Routing API requests" (HTTP APIs): the developer guide's own example
GUIDE = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"]


def table(*keys):
    return RouteTable({str(number): {"RouteKey": key} for number, key in enumerate(keys)})


def taken(keys, method, path):
    found = table(*keys).choose(method, path)
    return found and found.config["RouteKey"]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1"),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}"),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}"),
        ("POST", "/test/5", "ANY /{proxy+}"),
        ("POST", "/", "$default"),
    ],
)
def test_routes_are_taken_as_the_developer_guide_says(method, path, route):
    assert taken(GUIDE, method, path) == route
    assert taken(GUIDE[::-1], method, path) == route


def test_a_full_match_goes_before_a_greedy_one_and_a_method_before_any():
    assert taken(["GET /a/{proxy+}", "GET /{x}/b"], "GET", "/a/b") == "GET /{x}/b"
    assert taken(["ANY /a", "GET /a"], "GET", "/a") == "GET /a"
    assert taken(["ANY /a", "GET /a"], "PUT", "/a") == "ANY /a"
    assert taken(["POST /a", "GET /{x}"], "GET", "/a") == "GET /{x}"
    assert taken(["ANY /{proxy+}", "ANY /a/{proxy+}"], "GET", "/a/b/c") == "ANY /a/{proxy+}"
    assert taken(["GET /a"], "GET", "/a/") is None
    assert taken(["GET /{x}"], "GET", "/") is None
    assert taken(["GET /{x}/b"], "GET", "//b") is None


def test_variables_are_decoded():
    found = table("GET /a/{x}/{rest+}").choose("GET", "/a/b%2Fc/d%20e/f")
    assert found.parameters == {"x": "b/c", "rest": "d e/f"}
    assert table("GET /a-b").choose("GET", "/a%2Db").parameters == {}


@pytest.mark.parametrize(
    "key", ["get /a", "GET a", "GET", "FETCH /a", "GET /{a", "GET /x{a}", "GET /{a+}/b", "GET /{a}/{a}", ""]
)
def test_bad_route_keys_are_refused(key):
    with pytest.raises(BadRequestException):
        parse_route_key(key)


def test_keys_that_differ_in_names_of_variables_alone_have_one_shape():
    assert shape(parse_route_key("GET /{a}/{b+}")) == shape(parse_route_key("GET /{c}/{d+}"))
    assert shape(parse_route_key("GET /{a}")) != shape(parse_route_key("GET /{a+}"))


SEGMENT = st.sampled_from(["a", "b", "c"])


@given(
    st.lists(
        st.tuples(st.sampled_from(["GET", "ANY"]), st.lists(SEGMENT | st.just("{v}"), min_size=1, max_size=3)),
        max_size=8,
    ),
    st.lists(SEGMENT, min_size=1, max_size=3),
)
def test_the_choice_matches_and_does_not_depend_on_the_order(routes, path):
    keys = {}
    for method, segments in routes:
        named = [f"{{v{at}}}" if each == "{v}" else each for at, each in enumerate(segments)]
        keys[f"{method} /{'/'.join(named)}"] = None
    asked = "/" + "/".join(path)
    found = taken([*keys], "GET", asked)
    assert found == taken([*keys][::-1], "GET", asked)

    def fits(key):
        segments = parse_route_key(key).segments
        return len(segments) == len(path) and all(
            one[0] == "{" or one == other for one, other in zip(segments, path, strict=True)
        )

    fitting = [key for key in keys if fits(key)]
    assert (found in fitting) if fitting else found is None
    if (literal := f"GET {asked}") in keys:
        assert found == literal
