"""Validation and issuance: from a requested certificate to one that browsers of this world accept.

For each name of a pending certificate the validator asks the world's DNS for the CNAME that RequestCertificate
promised; when every name has it, the authority signs (in a worker thread) and the row becomes ISSUED together with the
certificate and its key. A name without its record is asked for again: quickly at first and after every change in
Route 53, then ever less often, up to once a minute of AWS time. After 72 hours the request times out.

An issued certificate that something uses is renewed under the same ARN from 45 days before its end, by the same check.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store
from kunren.core.ca import CertificateAuthority, IssuedCertificate
from kunren.core.clock import Clock
from kunren.services.acm.api import InUseBy, used_by_nobody
from kunren.services.acm.caa import Lookup, nothing_said, refused
from kunren.services.acm.facts import facts_of
from kunren.services.acm.material import find_certificate
from kunren.services.acm.model import (
    AMAZON_ISSUED,
    FAILED,
    ISSUED,
    PENDING_VALIDATION,
    SUCCESS,
    VALIDATION_TIMED_OUT,
    Certificate,
    CertificateMaterial,
    DomainValidation,
    Renewal,
    X509Facts,
)
from kunren.services.acm.names import same_name
from kunren.services.acm.polling import Polls
from kunren.services.acm.revocation import POINTERS, forget_ended, record

log = logging.getLogger(__name__)
CAA_ERROR = "CAA_ERROR"
VALIDATION_LASTS_S = 72 * 3600.0
RENEWAL_BEFORE_S = 45 * 86400.0
ACME_KEPT_S = 365 * 86400.0
RENEWAL_CHECK_S = 6 * 3600.0


class CertificateController:
    """Runs until cancelled. `lookup(name)` gives the targets of the CNAMEs that the world's authoritative DNS has for
    a name now (an answer from a cache would keep an early "no such name" alive), [] for none; it may raise. `caa(name)`
    gives a name's CAA records."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ca: CertificateAuthority,
        lookup: Lookup,
        in_use_by: InUseBy = used_by_nobody,
        caa: Lookup = nothing_said,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ca = ca
        self._lookup = lookup
        self._in_use_by = in_use_by
        self._caa = caa
        self._controller = Controller(
            "acm",
            store,
            clock,
            keys=self._keys,
            every=_unsettled,
            reconcile=self._reconcile,
            parallel=4,
            wants=lambda kind: kind == Certificate.kind or kind.startswith("route53."),
        )
        self._polls = Polls(clock, self._controller.enqueue)

    def status(self) -> dict[str, object]:
        return {"waiting_for_dns": len(self._polls), "errors": dict(self._controller.last_errors)}

    async def run(self) -> None:
        renewals = asyncio.get_running_loop().create_task(self._watch_renewals(), name="acm:renewals")
        try:
            await self._controller.run()
        finally:
            renewals.cancel()
            self._polls.stop()

    async def _watch_renewals(self) -> None:
        while True:
            await self._clock.wall_sleep(RENEWAL_CHECK_S)
            forget_ended(self._store, self._clock.wall())
            forget_ended_by_acme(self._store, self._clock.wall())
            for each in self._store.snapshot().every(Certificate):
                if each.type == AMAZON_ISSUED and each.status == ISSUED:
                    self._controller.enqueue(each.id)

    def _keys(self, snapshot: Snapshot, key: Key) -> Iterable[str]:
        if key.kind == Certificate.kind:
            return [key.id]
        if not key.kind.startswith("route53."):
            return []
        waiting = [each.id for each in snapshot.every(Certificate) if each.status == PENDING_VALIDATION]
        for arn in waiting:
            self._polls.hasten(arn)
        return waiting

    async def _reconcile(self, arn: str) -> None:
        self._polls.arrived(arn)
        certificate = find_certificate(self._store.snapshot(), arn)
        if certificate is not None and certificate.status == PENDING_VALIDATION:
            await self._validate(certificate)
        elif certificate is not None and self._due_for_renewal(certificate):
            await self._renew(certificate)
        else:
            self._polls.hasten(arn)

    async def _validate(self, certificate: Certificate) -> None:
        seen = await self._look_up(certificate.validation)
        if all(each.status == SUCCESS for each in seen):
            if await refused(certificate.names, self._caa):
                self._settle(
                    certificate.id,
                    lambda _, row: msgspec.structs.replace(
                        row, validation=seen, status=FAILED, failure_reason=CAA_ERROR
                    ),
                )
                return
            issued, facts = await self._issue(certificate)
            self._settle(
                certificate.id,
                lambda now, row: msgspec.structs.replace(
                    row, validation=seen, status=ISSUED, issued_at=now, facts=facts, material=_material(issued)
                ),
                issued,
            )
            log.info("acm: %s issued for %s", certificate.id, ", ".join(certificate.names))
            return
        if self._clock.now() - certificate.created_at >= VALIDATION_LASTS_S:
            failed = tuple(
                each if each.status == SUCCESS else msgspec.structs.replace(each, status=FAILED) for each in seen
            )
            self._settle(
                certificate.id,
                lambda _, row: msgspec.structs.replace(row, validation=failed, status=VALIDATION_TIMED_OUT),
            )
            return
        if seen != certificate.validation:
            self._settle(certificate.id, lambda _, row: msgspec.structs.replace(row, validation=seen))
        self._polls.later(certificate.id, certificate.created_at + VALIDATION_LASTS_S)

    def _settle(
        self,
        arn: str,
        change: Callable[[float, Certificate], Certificate],
        issued: IssuedCertificate | None = None,
    ) -> None:
        """Write what was observed, unless the certificate was deleted or settled while we looked."""
        with self._store.write() as tx:
            row = find_certificate(tx, arn)
            if row is not None and row.status == PENDING_VALIDATION:
                tx.put(change(self._clock.now(), row))
                if issued is not None:
                    record(tx, arn, issued)

    async def _look_up(self, validation: tuple[DomainValidation, ...]) -> tuple[DomainValidation, ...]:
        """The same entries with the status that the DNS shows. A name once proven stays proven."""
        wanted = {each.record_name for each in validation if each.status != SUCCESS}
        answers = dict(zip(wanted, await asyncio.gather(*map(self._targets, wanted)), strict=True))
        return tuple(
            msgspec.structs.replace(each, status=SUCCESS)
            if any(same_name(target, each.record_value) for target in answers.get(each.record_name, ()))
            else each
            for each in validation
        )

    async def _targets(self, name: str) -> list[str]:
        try:
            return await self._lookup(name)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the DNS could not be asked: the name is as unproven as without a record
            log.debug("acm: %s could not be looked up: %r", name, error)
            return []

    async def _issue(self, certificate: Certificate) -> tuple[IssuedCertificate, X509Facts]:
        def sign() -> tuple[IssuedCertificate, X509Facts]:
            issued = self._ca.issue(certificate.names, key_type=certificate.key_algorithm, pointers=POINTERS)
            return issued, facts_of(issued.certificate_pem)

        return await asyncio.to_thread(sign)

    def _due_for_renewal(self, certificate: Certificate) -> bool:
        if certificate.type != AMAZON_ISSUED or certificate.status != ISSUED or certificate.facts is None:
            return False
        if certificate.acme is not None:  # its client renews it
            return False
        if self._clock.wall() < certificate.facts.not_after - RENEWAL_BEFORE_S:
            return False
        return certificate.exported or bool(self._in_use_by(self._store.snapshot(), certificate.id))

    async def _renew(self, certificate: Certificate) -> None:
        unproven = tuple(msgspec.structs.replace(each, status=PENDING_VALIDATION) for each in certificate.validation)
        seen = await self._look_up(unproven)
        proven = all(each.status == SUCCESS for each in seen)
        forbidden = proven and bool(await refused(certificate.names, self._caa))
        issued = await self._issue(certificate) if proven and not forbidden else None
        with self._store.write() as tx:
            row = find_certificate(tx, certificate.id)
            if row is None or row.status != ISSUED or row.facts != certificate.facts:
                return
            now = self._clock.now()
            if issued is None:
                status, reason = (FAILED, CAA_ERROR) if forbidden else (PENDING_VALIDATION, None)
                if row.renewal is None or row.renewal.status != status:
                    waiting = Renewal(status=status, updated_at=now, reason=reason)
                    tx.put(msgspec.structs.replace(row, renewal=waiting))
                return
            done = Renewal(status=SUCCESS, updated_at=now)
            record(tx, row.id, issued[0])
            tx.put(msgspec.structs.replace(row, facts=issued[1], material=_material(issued[0]), renewal=done))


def forget_ended_by_acme(store: Store, wall: float) -> None:
    """ACM removes what was issued through ACME a year after its end."""
    with store.write() as tx:
        for each in store.snapshot().every(Certificate):
            if each.acme is not None and each.facts is not None and each.facts.not_after + ACME_KEPT_S < wall:
                tx.delete(each)


def _material(issued: IssuedCertificate) -> CertificateMaterial:
    return CertificateMaterial(
        certificate_pem=issued.certificate_pem, chain_pem=issued.chain_pem, private_key_pem=issued.private_key_pem
    )


def _unsettled(snapshot: Snapshot) -> list[str]:
    return [each.id for each in snapshot.every(Certificate) if each.status in (PENDING_VALIDATION, ISSUED)]
