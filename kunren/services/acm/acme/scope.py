"""Which names a domain validation allows, and the record that proves its domain (ACM User Guide, "ACME domain
validation"). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from kunren.services.acm.acme.model import VALID, AcmeDomainValidation, DomainScope
from kunren.services.acm.names import VALIDATION_ZONE

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def validation_record(endpoint_arn: str, domain: str) -> tuple[str, str]:
    """Name and value of the CNAME, both with a final dot. Each endpoint has its own for the same domain."""
    owner = hashlib.sha256(f"acm acme validation name|{endpoint_arn}|{domain}".encode()).hexdigest()[:32]
    digest = hashlib.sha256(f"acm acme validation value|{endpoint_arn}|{domain}".encode()).digest()
    zone = "".join(_LETTERS[byte % 26] for byte in digest[16:26])
    return f"_{owner}.{domain}.", f"_{digest[:16].hex()}.{zone}.{VALIDATION_ZONE}"


def allows(scope: DomainScope, domain: str, name: str) -> bool:
    """Whether a validation of `domain` lets the endpoint issue for `name`. Of wildcards it allows the domain's own."""
    if name == domain:
        return scope.exact_domain
    if name.startswith("*."):
        return scope.wildcards and name[2:] == domain
    return scope.subdomains and name.endswith("." + domain)


def covering(validations: Iterable[AcmeDomainValidation], name: str) -> AcmeDomainValidation | None:
    """The valid validation that allows `name`, the one for the longest domain where there are several."""
    allowing = [each for each in validations if each.status == VALID and allows(each.scope, each.domain_name, name)]
    return max(allowing, key=lambda each: len(each.domain_name), default=None)
