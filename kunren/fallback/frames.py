"""What daemon and child say to each other over their socket: frames of MessagePack behind a length of four bytes."""

from __future__ import annotations

import struct

import msgspec

LENGTH = struct.Struct("<I")
FRAME_MAX = 2**32 - 1

OK, NOT_IMPLEMENTED, FAILED = "ok", "not-implemented", "failed"


class Call(msgspec.Struct, array_like=True, frozen=True):
    """One request for moto. `seed` is where its random numbers come from and `now` its time (AWS time, seconds since
    1970): the same call with the same two has the same outcome. `kind` is from `mutations`; `caller` says in strict
    mode who signed ("arn", "id", "account")."""

    id: int
    service: str
    operation: str
    account: str
    kind: str
    seed: int
    now: float
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    secure: bool
    caller: dict[str, str] = {}


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """`wait` is how many seconds of AWS time an empty SQS ReceiveMessage was told to go on waiting."""

    id: int
    outcome: str
    status: int = 200
    headers: list[tuple[str, str]] = []
    body: bytes = b""
    message: str = ""
    wait: float = 0.0


class Hello(msgspec.Struct, array_like=True, frozen=True):
    """The child's first frame, once it has replayed its journal. `error` is why it cannot serve."""

    error: str = ""
    replayed: int = 0
    differing: int = 0
    replay_s: float = 0.0
    dropped_bytes: int = 0
    journal_bytes: int = 0


def frame(message: msgspec.Struct) -> bytes:
    payload = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(payload)) + payload
