"""Answers as bytes of HTTP/1.1."""

from kunren.gateway.http import HttpRequest, HttpResponse, response_head

DATE = "Sun, 15 Jun 2025 15:06:40 GMT"


def test_the_head_has_length_date_and_the_given_headers() -> None:
    head, chunked = response_head(HttpResponse(200, [("A", "b")], b"xyz"), "GET", DATE, True)
    assert head == f"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\nDate: {DATE}\r\n\r\n".encode()
    assert not chunked


def test_framing_headers_of_a_response_are_not_passed_on() -> None:
    response = HttpResponse(200, [("Transfer-Encoding", "chunked"), ("Connection", "upgrade"), ("Date", "x")], b"")
    head, _ = response_head(response, "GET", DATE, False)
    assert head == f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: {DATE}\r\nConnection: close\r\n\r\n".encode()


def test_no_content_has_no_length() -> None:
    assert b"Content-Length" not in response_head(HttpResponse(204), "DELETE", DATE, True)[0]


def test_a_head_answer_keeps_the_length_it_is_told() -> None:
    head, _ = response_head(HttpResponse(200, [("Content-Length", "99")]), "HEAD", DATE, True)
    assert b"Content-Length: 99\r\n" in head


def test_an_unknown_status_still_has_a_line() -> None:
    assert response_head(HttpResponse(599), "GET", DATE, True)[0].startswith(b"HTTP/1.1 599 ")


def test_the_target_is_path_and_query() -> None:
    assert HttpRequest("GET", "/a", "b=c", {}).target == "/a?b=c"
    assert HttpRequest("GET", "/a", "", {}).target == "/a"
    assert HttpResponse(200, [("ETag", "x")]).header("etag") == "x"
