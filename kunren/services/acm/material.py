"""What other services may read of a certificate: its bytes, for a data plane that serves it."""

from __future__ import annotations

from kunren.control.store import Snapshot, Tx
from kunren.core.arn import parse_arn
from kunren.services.acm.model import ISSUED, Certificate, CertificateMaterial

__all__ = ["CertificateMaterial", "certificate_material", "certificate_state", "find_certificate"]


def find_certificate(reader: Snapshot | Tx, arn: str) -> Certificate | None:
    """The certificate of that ARN, in whatever account and region the ARN names; None where there is none."""
    parts = parse_arn(arn)
    if parts is None or parts.service != "acm":
        return None
    return reader.get(Certificate, parts.account, parts.region, arn)


def certificate_material(reader: Snapshot | Tx, arn: str) -> CertificateMaterial | None:
    """Certificate, chain and key (PEM) of an issued or imported certificate; None before it is issued."""
    found = find_certificate(reader, arn)
    usable = found is not None and found.status == ISSUED and found.acme is None
    return found.material if found is not None and usable else None


def certificate_state(reader: Snapshot | Tx, account: str, arn: str) -> str | None:
    """The status ("ISSUED", …) of a certificate that this account may use; None where it has none of that ARN.

    "ACME" where an ACME client keeps the key: it serves nobody else.
    """
    found = find_certificate(reader, arn)
    if found is None or found.account != account:
        return None
    return found.status if found.acme is None else "ACME"
