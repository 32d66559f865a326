"""Answers of the registry, and its errors in the form of the OCI distribution-spec."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from kunren.core.fronts import FrontAnswer
from kunren.services.ecr.errors import EcrError

VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")
_PIECE_BYTES = 1 << 20


class Refusal(Exception):
    """An error that the registry alone has."""

    def __init__(self, status: int, code: str, message: str, headers: list[tuple[str, str]] | None = None) -> None:
        super().__init__(message)
        self.answer = told(status, code, message, headers)


def told(status: int, code: str, message: str, headers: list[tuple[str, str]] | None = None) -> FrontAnswer:
    return document(status, {"errors": [{"code": code, "message": message}]}, headers)


def of_error(error: EcrError) -> FrontAnswer:
    return told(error.registry_status, error.oci, error.message)


def document(status: int, found: Any, headers: list[tuple[str, str]] | None = None, kind: str = "") -> FrontAnswer:
    text = json.dumps(found, separators=(",", ":")).encode()
    return FrontAnswer(status, [("Content-Type", kind or "application/json; charset=utf-8"), VERSION, *(headers or ())],
                       text)  # fmt: skip


def empty(status: int, headers: list[tuple[str, str]]) -> FrontAnswer:
    return FrontAnswer(status, [VERSION, *headers])


async def pieces(path: Path, start: int, size: int) -> AsyncIterator[bytes]:
    """A range of a file. It stays whole though it is removed meanwhile."""
    import asyncio

    descriptor = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while size > 0:
            piece = await asyncio.to_thread(os.pread, descriptor, min(size, _PIECE_BYTES), start)
            if not piece:
                raise OSError(f"{path} is shorter than it was")
            yield piece
            start += len(piece)
            size -= len(piece)
    finally:
        os.close(descriptor)
