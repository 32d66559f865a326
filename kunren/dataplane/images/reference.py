"""What an image is called: `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`, as Docker and containerd read it. Pure.

Source: distribution's reference grammar; a name without a registry is Docker Hub's, one without a folder "library/".
"""

from __future__ import annotations

import re
from typing import NamedTuple

HUB = "docker.io"
LATEST = "latest"
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REGISTRY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?")


class BadReference(ValueError):
    """It is no name of an image."""

    def __init__(self, text: str) -> None:
        super().__init__(f"invalid reference format: {text!r}")


class Reference(NamedTuple):
    """A whole name. Where it has a digest, the tag says nothing."""

    registry: str
    repository: str
    tag: str = LATEST
    digest: str | None = None

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse(text: str) -> Reference:
    """Raises BadReference."""
    rest, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise BadReference(text)
    first, slash, behind = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, rest = first, behind
    else:
        registry = HUB
    repository, colon, tag = rest.partition(":")
    if registry in (HUB, "index.docker.io"):
        registry, repository = HUB, repository if "/" in repository else f"library/{repository}"
    wrong = colon and not TAG.fullmatch(tag)
    if wrong or not _REPOSITORY.fullmatch(repository) or not _REGISTRY.fullmatch(registry) or len(repository) > 255:
        raise BadReference(text)
    return Reference(registry, repository, tag or LATEST, digest or None)
