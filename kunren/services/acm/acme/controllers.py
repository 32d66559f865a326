"""Domain validations and orders, brought forward: what ACME's operations and servers only write down.

A domain validation puts its CNAME into the hosted zone where one is given, and looks for the record in the world's DNS:
at once, after every change in Route 53, and ever less often for 72 hours of AWS time. An order that was finalized is
issued when the records of its names are still there, and is invalid where one is gone (ACM User Guide, "Troubleshoot
ACME certificate automation").
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.arn import build_arn, parse_arn
from kunren.core.ca import CertificateAuthority, IssuedCertificate
from kunren.core.calling import CallService, nobody_answers
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.acm.acme import jws
from kunren.services.acm.acme.model import (
    INVALID,
    ORDER_INVALID,
    ORDER_VALID,
    PROCESSING,
    VALID,
    VALIDATING,
    AcmeDomainValidation,
    AcmeEndpoint,
    AcmeOrder,
)
from kunren.services.acm.acme.scope import covering
from kunren.services.acm.caa import Lookup, nothing_said
from kunren.services.acm.caa import refused as caa_refused
from kunren.services.acm.facts import facts_of
from kunren.services.acm.model import (
    AMAZON_ISSUED,
    ISSUED,
    SUCCESS,
    AcmeOrigin,
    Certificate,
    CertificateMaterial,
    DomainValidation,
    X509Facts,
)
from kunren.services.acm.names import same_name
from kunren.services.acm.polling import Polls
from kunren.services.acm.revocation import POINTERS, record

log = logging.getLogger(__name__)
VALIDATION_LASTS_S = 72 * 3600.0
CERTIFICATE_DAYS = 45
RECORD_TTL_S = 300
_REASONS = {
    "NoSuchHostedZone": "HOSTED_ZONE_NOT_FOUND",
    "InvalidChangeBatch": "INVALID_CHANGE_BATCH",
    "AccessDenied": "ACCESS_DENIED",
}


class AcmeController:
    """Runs until cancelled. `lookup(name)` and `caa(name)` are CertificateController's; `call` reaches Route 53."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        ca: CertificateAuthority,
        lookup: Lookup,
        call: CallService = nobody_answers,
        caa: Lookup = nothing_said,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._ca = ca
        self._lookup = lookup
        self._call = call
        self._caa = caa
        self._validations = Controller(
            "acme-validations",
            store,
            clock,
            keys=self._validation_keys,
            every=_validating,
            reconcile=self._validate,
            parallel=4,
            wants=lambda kind: kind == AcmeDomainValidation.kind or kind.startswith("route53."),
        )
        self._polls = Polls(clock, self._validations.enqueue)
        self._orders = Controller(
            "acme-orders",
            store,
            clock,
            keys=lambda snapshot, key: [_work(key)],
            every=lambda snapshot: [_work(each.key) for each in snapshot.every(AcmeOrder) if each.status == PROCESSING],
            reconcile=self._issue,
            parallel=4,
            wants=lambda kind: kind == AcmeOrder.kind,
        )

    async def run(self) -> None:
        try:
            await asyncio.gather(self._validations.run(), self._orders.run())
        finally:
            self._polls.stop()

    # --- domain validations

    def _validation_keys(self, snapshot: Snapshot, key: Key) -> Iterable[str]:
        if key.kind == AcmeDomainValidation.kind:
            return [key.id]
        waiting = _validating(snapshot)
        for arn in waiting:
            self._polls.hasten(arn)
        return waiting

    async def _validate(self, arn: str) -> None:
        self._polls.arrived(arn)
        row = _find(self._store.snapshot(), arn)
        if row is None or row.status != VALIDATING:
            self._polls.hasten(arn)
            return
        if row.hosted_zone_id is not None and not row.recorded:
            failed = await self._make_record(row, row.hosted_zone_id)
            if failed is not None:
                self._settle(row, status=INVALID, failure_reason=failed[0], failure_message=failed[1])
            else:
                self._settle(row, recorded=True)  # which brings it here again
            return
        targets = await self._lookup(row.record_name)
        if any(same_name(target, row.record_value) for target in targets):
            self._settle(row, status=VALID)
            log.info("acm: %s may be issued for by %s", row.domain_name, row.endpoint_arn)
        elif self._clock.now() - row.validating_since < VALIDATION_LASTS_S:
            self._polls.later(arn, row.validating_since + VALIDATION_LASTS_S)
        elif targets:
            text = f"The CNAME record {row.record_name} does not have the expected value."
            self._settle(row, status=INVALID, failure_reason="DOMAIN_MISMATCH", failure_message=text)
        else:
            text = f"The CNAME record {row.record_name} was not detected within 72 hours."
            self._settle(row, status=INVALID, failure_reason="TIMED_OUT", failure_message=text)

    async def _make_record(self, row: AcmeDomainValidation, zone: str) -> tuple[str, str] | None:
        """Put the CNAME into the hosted zone; why that failed, None where it did not."""
        values = [{"Value": row.record_value}]
        record_set = {"Name": row.record_name, "Type": "CNAME", "TTL": RECORD_TTL_S, "ResourceRecords": values}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record_set}]}
        params = {"HostedZoneId": zone, "ChangeBatch": batch}
        try:
            await self._call(row.account, row.region, "route53", "ChangeResourceRecordSets", params)
        except AwsError as error:
            return _REASONS.get(error.code, "INTERNAL_FAILURE"), error.message
        return None

    def _settle(self, seen: AcmeDomainValidation, **changes: object) -> None:
        """Write what was observed, unless the validation was deleted or begun anew while we looked."""
        with self._store.write() as tx:
            row = _find(tx, seen.id)
            same = row is not None and row.validating_since == seen.validating_since
            if row is not None and same and row.status == VALIDATING:
                tx.put(msgspec.structs.replace(row, updated_at=self._clock.now(), **changes))

    # --- orders

    async def _issue(self, work: str) -> None:
        account, region, id = work.split(" ")
        snapshot = self._store.snapshot()
        order = snapshot.get(AcmeOrder, account, region, id)
        if order is None or order.status != PROCESSING:
            return
        rows = snapshot.list(AcmeDomainValidation, account, region)
        validations = [row for row in rows if row.endpoint_arn == order.endpoint_arn]
        proofs = [(name, covering(validations, name)) for name in order.identifiers]
        refused = ", ".join(name for name, proof in proofs if proof is None)
        if refused:
            text = f"No valid domain validation of this ACME endpoint allows {refused}."
            self._close(order, problem=("unauthorized", text))
            return
        proven = [_proof(name, row) for name, row in proofs if row is not None]
        missing = [each.record_name for each in proven if not await self._is_there(each)]
        if missing:
            listed = ", ".join(dict.fromkeys(missing))
            self._close(order, problem=("dns", f"DNS CNAME records not found: [{listed}]"))
            return
        if forbidden := await caa_refused(order.identifiers, self._caa):
            self._close(order, problem=("caa", f"CAA records do not allow issuance for {', '.join(forbidden)}."))
            return
        issued, facts = await asyncio.to_thread(self._sign, order)
        self._close(order, certificate=(issued, facts, tuple(proven)))

    async def _is_there(self, each: DomainValidation) -> bool:
        return any(same_name(target, each.record_value) for target in await self._lookup(each.record_name))

    def _sign(self, order: AcmeOrder) -> tuple[IssuedCertificate, X509Facts]:
        from cryptography import x509

        key = x509.load_der_x509_csr(jws.decode(order.csr)).public_key()
        issued = self._ca.certify(key, order.identifiers, days=CERTIFICATE_DAYS, pointers=POINTERS)  # type: ignore[arg-type]
        return issued, facts_of(issued.certificate_pem)

    def _close(
        self,
        seen: AcmeOrder,
        problem: tuple[str, str] | None = None,
        certificate: tuple[IssuedCertificate, X509Facts, tuple[DomainValidation, ...]] | None = None,
    ) -> None:
        """The order's end, with its certificate in one durable write, unless the endpoint was deleted meanwhile."""
        with self._store.write() as tx:
            order = tx.get(AcmeOrder, seen.account, seen.region, seen.id)
            endpoint = tx.get(AcmeEndpoint, seen.account, seen.region, seen.endpoint_arn)
            if order is None or endpoint is None or order.status != PROCESSING:
                return
            if certificate is None:
                tx.put(msgspec.structs.replace(order, status=ORDER_INVALID, problem=problem))
                return
            id = self._entropy.uuid()
            row = self._certificate(order, endpoint, id, *certificate)
            tx.put(row)
            record(tx, row.id, certificate[0])
            tx.put(msgspec.structs.replace(order, status=ORDER_VALID, certificate_id=id))
        log.info("acm: %s issued through ACME for %s", row.id, ", ".join(row.names))

    def _certificate(
        self,
        order: AcmeOrder,
        endpoint: AcmeEndpoint,
        id: str,
        issued: IssuedCertificate,
        facts: X509Facts,
        proven: tuple[DomainValidation, ...],
    ) -> Certificate:
        now = self._clock.now()
        return Certificate(
            account=order.account,
            region=order.region,
            id=build_arn("acm", order.region, order.account, f"certificate/{id}"),
            type=AMAZON_ISSUED,
            domain_name=order.identifiers[0],
            names=order.identifiers,
            key_algorithm=facts.key_algorithm,
            created_at=now,
            validation=proven,
            export="ENABLED",  # User Guide, "Condition keys for ACME issuance": exported by definition
            exported=True,
            tags=endpoint.certificate_tags,
            status=ISSUED,
            issued_at=now,
            facts=facts,
            material=CertificateMaterial(
                certificate_pem=issued.certificate_pem, chain_pem=issued.chain_pem, private_key_pem=""
            ),
            acme=AcmeOrigin(endpoint_arn=endpoint.id, account_id=order.account_id),
        )


def _proof(name: str, row: AcmeDomainValidation) -> DomainValidation:
    return DomainValidation(
        domain_name=name,
        validation_domain=row.domain_name,
        record_name=row.record_name,
        record_value=row.record_value,
        status=SUCCESS,
    )


def _find(reader: Snapshot | Tx, arn: str) -> AcmeDomainValidation | None:
    parts = parse_arn(arn)
    return reader.get(AcmeDomainValidation, parts.account, parts.region, arn) if parts is not None else None


def _validating(snapshot: Snapshot) -> list[str]:
    return [each.id for each in snapshot.every(AcmeDomainValidation) if each.status == VALIDATING]


def _work(key: Key) -> str:
    return f"{key.account} {key.region} {key.id}"
