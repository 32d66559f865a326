"""Operation names in Python's spelling, exactly as botocore spells its client methods."""

from __future__ import annotations

import re
from functools import cache

_PLURAL_ACRONYM = re.compile(r"[A-Z]{2,}s$")
_BEFORE_WORD = re.compile(r"(.)([A-Z][a-z]+)")
_BEFORE_CAPITAL = re.compile(r"([a-z0-9])([A-Z])")

_OAUTH = re.compile(r"OAuth2(?=Token(?:WithIAM)?$)")
_SPELLED_AS_ONE = {
    "CachediSCSI": "CachedIscsi",
    "StorediSCSI": "StoredIscsi",
    "HITsFor": "HitsFor",
    "PartiQL": "Partiql",
    "WhatsApp": "Whatsapp",
    "OTel": "Otel",
}
"""Words whose capitals do not begin words: botocore lists each operation that has one, we list the words."""


@cache
def xform_name(name: str) -> str:
    """`DescribeDBInstances` → `describe_db_instances`."""
    if "_" in name:
        return name
    for word, spelled in _SPELLED_AS_ONE.items():
        if word in name:
            name = name.replace(word, spelled)
    name = _OAUTH.sub("Oauth2", name)
    if found := _PLURAL_ACRONYM.search(name):
        name = f"{name[: found.start()]}_{found.group().lower()}"
    return _BEFORE_CAPITAL.sub(r"\1_\2", _BEFORE_WORD.sub(r"\1_\2", name)).lower()
