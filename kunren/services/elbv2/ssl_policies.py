"""The security policies that an HTTPS listener may name: protocols and ciphers in order of preference.

"Security policies for your Application Load Balancer". Ciphers have OpenSSL's names, groups of key exchange those of
the TLS registry. What a FIPS policy keeps here is its list of protocols, ciphers and groups; that the module was
validated, no program can promise. The policies of RFC 9151 are not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DEFAULT_POLICY = "ELBSecurityPolicy-2016-08"

_FIPS_TLS13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")
_TLS13 = (*_FIPS_TLS13, "TLS_CHACHA20_POLY1305_SHA256")
_FIPS_GROUPS = ("P-256", "P-384", "P-521")
_GROUPS = ("X25519", *_FIPS_GROUPS)
_HYBRID = ("X25519MLKEM768",)

# Every cipher below TLS 1.3 that some policy has, in the order in which each policy that has it lists it, with the
# family that decides which policies those are.
_FAMILIES: tuple[tuple[str, str], ...] = (
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "fs-gcm"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "fs-gcm"),
    ("ECDHE-ECDSA-AES128-SHA256", "fs-sha2"),
    ("ECDHE-RSA-AES128-SHA256", "fs-sha2"),
    ("ECDHE-ECDSA-AES128-SHA", "fs-sha1"),
    ("ECDHE-RSA-AES128-SHA", "fs-sha1"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "fs-gcm"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "fs-gcm"),
    ("ECDHE-ECDSA-AES256-SHA384", "fs-sha2"),
    ("ECDHE-RSA-AES256-SHA384", "fs-sha2"),
    ("ECDHE-ECDSA-AES256-SHA", "fs-sha1"),
    ("ECDHE-RSA-AES256-SHA", "fs-sha1"),
    ("AES128-GCM-SHA256", "rsa-sha2"),
    ("AES128-SHA256", "rsa-sha2"),
    ("AES128-SHA", "rsa-sha1"),
    ("AES256-GCM-SHA384", "rsa-sha2"),
    ("AES256-SHA256", "rsa-sha2"),
    ("AES256-SHA", "rsa-sha1"),
    ("DES-CBC3-SHA", "3des"),
)

_RESTRICTED = ("fs-gcm",)
_FORWARD_SHA2 = ("fs-gcm", "fs-sha2")
_FORWARD = ("fs-gcm", "fs-sha2", "fs-sha1")
_SHA2 = ("fs-gcm", "fs-sha2", "rsa-sha2")
_ALL = ("fs-gcm", "fs-sha2", "fs-sha1", "rsa-sha2", "rsa-sha1")

_FROM_1_0 = ("TLSv1", "TLSv1.1", "TLSv1.2")
_FROM_1_1 = ("TLSv1.1", "TLSv1.2")
_ONLY_1_2 = ("TLSv1.2",)


@dataclass(frozen=True, slots=True)
class SslPolicy:
    """`protocols` ascending; `ciphers` and `groups` (of key exchange) most preferred first."""

    name: str
    protocols: tuple[str, ...]
    ciphers: tuple[str, ...]
    groups: tuple[str, ...] = _GROUPS

    def described(self) -> dict[str, Any]:
        """As the SslPolicy shape has it."""
        return {
            "Name": self.name,
            "SslProtocols": list(self.protocols),
            "Ciphers": [{"Name": name, "Priority": index} for index, name in enumerate(self.ciphers, 1)],
            "SupportedLoadBalancerTypes": ["application", "network"],
        }


def _policy(suffix: str, protocols: tuple[str, ...], families: tuple[str, ...]) -> SslPolicy:
    fips = "-FIPS-" in suffix
    below = tuple(cipher for cipher, family in _FAMILIES if family in families)
    modern = (_FIPS_TLS13 if fips else _TLS13) if "TLSv1.3" in protocols else ()
    groups = (_HYBRID if "-PQ-" in suffix else ()) + (_FIPS_GROUPS if fips else _GROUPS)
    return SslPolicy(f"ELBSecurityPolicy-{suffix}", protocols, modern + below, groups)


_WITH_1_3: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("TLS13-1-3", (), ()),
    ("TLS13-1-2", _ONLY_1_2, _FORWARD_SHA2),
    ("TLS13-1-2-Res", _ONLY_1_2, _RESTRICTED),
    ("TLS13-1-2-Ext0", _ONLY_1_2, _FORWARD),
    ("TLS13-1-2-Ext1", _ONLY_1_2, _SHA2),
    ("TLS13-1-2-Ext2", _ONLY_1_2, _ALL),
    ("TLS13-1-1", _FROM_1_1, _ALL),
    ("TLS13-1-0", _FROM_1_0, _ALL),
)
_NOT_THERE = {"TLS13-1-2-Ext0-2021-06", "TLS13-1-2-Ext0-PQ-2025-09"} | {
    f"TLS13-1-1-{kind}-2025-09" for kind in ("PQ", "FIPS-PQ")
}
_POLICIES = (
    _policy("2016-08", _FROM_1_0, _ALL),
    *(
        _policy(f"{base}-{edition}", (*protocols, "TLSv1.3"), families)
        for base, protocols, families in _WITH_1_3
        for edition in ("2021-06", "FIPS-2023-04", "PQ-2025-09", "FIPS-PQ-2025-09")
        if f"{base}-{edition}" not in _NOT_THERE
    ),
    _policy("TLS-1-2-2017-01", _ONLY_1_2, _SHA2),
    _policy("TLS-1-1-2017-01", _FROM_1_1, _ALL),
    _policy("TLS-1-2-Ext-2018-06", _ONLY_1_2, _ALL),
    _policy("FS-2018-06", _FROM_1_0, _FORWARD),
    _policy("2015-05", _FROM_1_0, _ALL),
    _policy("TLS-1-0-2015-04", _FROM_1_0, (*_ALL, "3des")),
    _policy("FS-1-2-Res-2019-08", _ONLY_1_2, _FORWARD_SHA2),
    _policy("FS-1-1-2019-08", _FROM_1_1, _FORWARD),
    _policy("FS-1-2-2019-08", _ONLY_1_2, _FORWARD),
    _policy("FS-1-2-Res-2020-10", _ONLY_1_2, _RESTRICTED),
)

POLICIES: dict[str, SslPolicy] = {policy.name: policy for policy in _POLICIES}


def ssl_policy(name: str | None) -> SslPolicy | None:
    """The policy of that name (the default for None), or None where there is none."""
    return POLICIES.get(name or DEFAULT_POLICY)
