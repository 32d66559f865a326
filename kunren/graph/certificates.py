"""Certificates, as the nodes that listeners and distributions serve with."""

from __future__ import annotations

from kunren.graph.draft import Draft
from kunren.graph.model import Node
from kunren.services.acm.model import Certificate


def join(draft: Draft, source: str, arn: str, label: str) -> None:
    """Lead from what serves with the certificate to it; one that is gone is "dangling"."""
    if arn not in draft.nodes:
        _, _, _, region, account, _ = arn.split(":", 5)
        certificate = draft.snapshot.get(Certificate, account, region, arn)
        names = certificate.names if certificate is not None else ()
        draft.add(
            Node(
                id=arn, kind="certificate", name=names[0] if names else arn.rpartition("/")[2], arn=arn,
                account=account, region=region, state=certificate.status if certificate is not None else "dangling",
                details={"names": ", ".join(names)},
            )
        )  # fmt: skip
    draft.join(source, arn, label)
