"""Images that need nobody to load them: behind a few ordinary names stand this machine's own programs. Pure."""

from __future__ import annotations

import re
import signal

_HUB = r"(?:(?:docker\.io|public\.ecr\.aws/docker|mirror\.gcr\.io)/)?(?:library/)?"
_OWN = re.compile(
    rf"(?:{_HUB}(?P<hub>alpine|amazonlinux|bash|busybox|debian|python|ubuntu)|"
    r"public\.ecr\.aws/amazonlinux/(?P<linux>amazonlinux)|public\.ecr\.aws/(?:ubuntu|debian)/(?P<other>ubuntu|debian)|"
    r"(?P<kunren>kunren))(?::[\w][\w.-]{0,127})?"
)
_COMMANDS = {"python": ("python3",), "busybox": ("sh",), "alpine": ("/bin/sh",)}


def command(reference: str) -> tuple[str, ...] | None:
    """What a container of that image runs where nothing else is said; None where it is not the machine that is called
    so."""
    found = _OWN.fullmatch(reference)
    if found is None:
        return None
    name = next(each for each in found.groups() if each)
    return _COMMANDS.get(name, ("/bin/bash",))


def signal_number(text: str) -> int:
    """An image's stop signal ("SIGQUIT", "3"); SIGTERM where it has none."""
    if text.isdecimal():
        return int(text)
    return next((each.value for each in signal.Signals if each.name in (text, f"SIG{text}")), signal.SIGTERM.value)
