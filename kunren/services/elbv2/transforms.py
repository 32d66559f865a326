"""A rule's transforms: what AWS accepts, the form it echoes, and what they make of a request.

`dataplane/rewriting.py` says the same to Envoy. "Transforms for listener rules" in the Application Load Balancer guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kunren.services.elbv2.conditions import regex_is_linear
from kunren.services.elbv2.errors import validation_error

Wire = Mapping[str, Any]
HOST, URL = "host-header-rewrite", "url-rewrite"
CONFIGS = {HOST: "HostHeaderRewriteConfig", URL: "UrlRewriteConfig"}
HOST_NAME = re.compile(r"[A-Za-z0-9.\-_]+")
"""What a rewritten host must be; a rewritten URL begins with a slash."""
_LENGTH_MAX = 1024
_REFERENCE = re.compile(r"\$(\d)")


def normalise(transforms: Sequence[Wire]) -> tuple[dict[str, Any], ...]:
    """The transforms as AWS stores and echoes them: at most one of each kind. Raises ValidationError."""
    done = tuple(_one(each) for each in transforms)
    for kind in CONFIGS:
        if sum(each["Type"] == kind for each in done) > 1:
            raise validation_error(f"A rule can only have one '{kind}' transform")
    return done


def _one(transform: Wire) -> dict[str, Any]:
    kind = transform["Type"]
    if kind not in CONFIGS:
        raise validation_error(f"Transform type '{kind}' must be one of '[{','.join(CONFIGS)}]'")
    for other, member in CONFIGS.items():
        if other != kind and transform.get(member):
            raise validation_error(f"The '{member}' field is not compatible with '{kind}'")
    rewrites = (transform.get(CONFIGS[kind]) or {}).get("Rewrites") or []
    if len(rewrites) != 1:
        raise validation_error(f"A transform of type '{kind}' must have exactly one rewrite")
    regex, replace = rewrites[0]["Regex"], rewrites[0]["Replace"]
    if not regex or len(regex) > _LENGTH_MAX or len(replace) > _LENGTH_MAX:
        raise validation_error(f"The regular expression and the replacement can have '1-{_LENGTH_MAX}' characters")
    if not regex_is_linear(regex):
        raise validation_error(f"The regular expression '{regex}' is not valid")
    if any(int(number) > re.compile(regex).groups for number in _REFERENCE.findall(replace)):
        raise validation_error(f"The replacement '{replace}' names a group that '{regex}' does not have")
    return {"Type": kind, CONFIGS[kind]: {"Rewrites": [{"Regex": regex, "Replace": replace}]}}


def rewrite_of(transforms: Iterable[Wire], kind: str) -> tuple[str, str] | None:
    """(regular expression, replacement) of the transform of that kind."""
    for each in transforms:
        if each["Type"] == kind:
            rewrite = each[CONFIGS[kind]]["Rewrites"][0]
            return rewrite["Regex"], rewrite["Replace"]
    return None


def rewritten(rewrite: tuple[str, str] | None, text: str) -> str | None:
    """The text with what matched first replaced; None where nothing does."""
    if rewrite is None:
        return None
    regex, replace = rewrite
    found = re.search(regex, text)
    if found is None:
        return None
    put = _REFERENCE.sub(lambda reference: found[int(reference[1])] or "", replace)
    return text[: found.start()] + put + text[found.end() :]
