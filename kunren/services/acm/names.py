"""Names on a certificate, and the DNS records that prove them. Pure.

The validation record of a name depends on the account and the name alone (ACM User Guide, "DNS validation"): a
wildcard shares the record of the name it covers, and a second request in any region validates by the record that is
there already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kunren.services.acm.errors import InvalidDomainValidationOptionsException, LimitExceededException
from kunren.services.acm.model import DomainValidation

NAMES_MAX = 10  # "Number of domain names per ACM certificate", adjustable to 100 in AWS
FIRST_NAME_MAX = 64  # it is the common name, which X.520 limits
VALIDATION_ZONE = "acm-validations.aws."
# ACM User Guide, "Certificate request fails": names that Amazon owns are never certified.
AMAZON_DOMAINS = ("amazonaws.com", "cloudfront.net", "elasticbeanstalk.com")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def certificate_names(domain_name: str, alternatives: Sequence[str] | None) -> tuple[str, ...]:
    """All names in lower case, the domain name first, none twice. Raises the errors that RequestCertificate has."""
    names = tuple(dict.fromkeys(name.lower() for name in (domain_name, *(alternatives or ()))))
    if len(names[0]) > FIRST_NAME_MAX:
        raise InvalidDomainValidationOptionsException(
            f"The first domain name can be no longer than {FIRST_NAME_MAX} characters."
        )
    if len(names) > NAMES_MAX:
        raise LimitExceededException("Certificate has too many domains.")
    return names


def validation_domains(names: Sequence[str], options: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """The validation domain of each name: as DomainValidationOptions say, else the name itself."""
    domains = {name: name.removeprefix("*.") for name in names}
    for option in options or ():
        name, domain = option["DomainName"].lower(), option["ValidationDomain"].lower()
        if name not in domains:
            raise InvalidDomainValidationOptionsException(
                f"Domain name {name} is not one of the domain names in the certificate request."
            )
        if not covers(domain, name):
            raise InvalidDomainValidationOptionsException(
                f"Validation domain {domain} is not the domain name {name} or a superdomain of it."
            )
        domains[name] = domain
    return domains


def validations(
    account: str, names: Sequence[str], options: Iterable[Mapping[str, Any]] | None = None
) -> tuple[DomainValidation, ...]:
    domains = validation_domains(names, options)
    found = []
    for name in names:
        record_name, record_value = validation_record(account, name)
        found.append(
            DomainValidation(
                domain_name=name,
                # DNS validation reports the name as it was asked for, a wildcard too
                validation_domain=domains[name] if domains[name] != name.removeprefix("*.") else name,
                record_name=record_name,
                record_value=record_value,
            )
        )
    return tuple(found)


def validation_record(account: str, name: str) -> tuple[str, str]:
    """Name and value, both with a final dot, of the CNAME that proves `name` to that account."""
    domain = name.lower().rstrip(".").removeprefix("*.")
    owner = hashlib.sha256(f"acm validation name|{account}|{domain}".encode()).hexdigest()[:32]
    digest = hashlib.sha256(f"acm validation value|{account}|{domain}".encode()).digest()
    zone = "".join(_LETTERS[byte % 26] for byte in digest[16:26])
    return f"_{owner}.{domain}.", f"_{digest[:16].hex()}.{zone}.{VALIDATION_ZONE}"


def same_name(one: str, other: str) -> bool:
    """Whether two DNS names are one name (letter case and the final dot do not count)."""
    return one.rstrip(".").lower() == other.rstrip(".").lower()


def covers(superdomain: str, name: str) -> bool:
    name = name.removeprefix("*.")
    return name == superdomain or name.endswith("." + superdomain)


def belongs_to_amazon(name: str) -> bool:
    return any(covers(domain, name) for domain in AMAZON_DOMAINS)
