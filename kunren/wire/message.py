"""What the wire reads and writes: the few attributes of a request it needs, and an answer as plain values.

A request is anything shaped like `Message` (the gateway's HttpRequest is). An answer is a `WireResponse`. Failures to
understand a request are `WireError`s made here, so that every protocol says them with the same words as AWS.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple, Protocol

from kunren.core.errors import WireError


class Message(Protocol):
    """One request. Header names are lower case; `path` and `query` are as received (percent-encoded)."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class WireResponse(NamedTuple):
    """Status, headers (without Content-Length) and body; a stream of events comes in pieces."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | AsyncIterator[bytes]


Params = dict[str, Any]
Parser = Callable[[Message, Mapping[str, str]], Params]
"""(request, labels matched in the path) → parameters by the model's member names."""
Serializer = Callable[[Mapping[str, Any], str], WireResponse]
"""(result by the model's member names, request id) → answer."""


class WireFault(NamedTuple):
    """An error ready to be written in any protocol.

    `code` is the wire's code of the query protocols, `name` the shape's name (they differ where the model has an
    error code of its own), `members` the other members of the modelled shape.
    """

    code: str
    name: str
    message: str
    status: int
    members: Mapping[str, Any]
    sender: bool


def serialization_error(text: str) -> WireError:
    """The JSON protocols' answer to a value of the wrong type or to a body that is not JSON."""
    return WireError("SerializationException", text, 400)


def malformed_input(text: str) -> WireError:
    """The query protocols' answer to a parameter that cannot be read."""
    return WireError("MalformedInput", text, 400)


def malformed_xml(text: str = "") -> WireError:
    """The rest-xml answer to a body that is not the XML that the operation takes."""
    return WireError(
        "MalformedXML",
        text or "The XML you provided was not well-formed or did not validate against our published schema",
        400,
    )
