"""AWS Certificate Manager's operations (ACM API Reference).

RequestCertificate only writes what is wanted; `controllers.py` looks the validation records up in the world's DNS and
has the certificate signed. Nothing here claims a status that it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from kunren.control.store import Snapshot, Store, Tx
from kunren.core.arn import build_arn, parse_arn
from kunren.core.clock import Clock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.tags import tags_from_wire, tags_to_wire
from kunren.services.acm import search, views
from kunren.services.acm.acme.bindings import BindingOperations
from kunren.services.acm.acme.endpoints import EndpointOperations
from kunren.services.acm.acme.model import KINDS as ACME_KINDS
from kunren.services.acm.acme.validations import DomainValidationOperations
from kunren.services.acm.errors import (
    InvalidArgsException,
    InvalidArnException,
    InvalidParameterException,
    InvalidStateException,
    InvalidTagException,
    LimitExceededException,
    NotHere,
    ResourceInUseException,
    ResourceNotFoundException,
    TooManyTagsException,
    ValidationException,
)
from kunren.services.acm.importing import check_import
from kunren.services.acm.model import (
    AMAZON_ISSUED,
    EXPIRED,
    FAILED,
    IMPORTED,
    ISSUED,
    REVOKED,
    AccountConfiguration,
    Certificate,
    CertificateMaterial,
    Issuance,
)
from kunren.services.acm.names import belongs_to_amazon, certificate_names, validations
from kunren.services.acm.revocation import REASONS, check_revocable, revoke

InUseBy = Callable[[Snapshot, str], list[str]]
# "Number of ACM certificates" and "Number of imported certificates", both per account and region, without ACME
CERTIFICATES_MAX = 2500
TAGS_MAX = 50
TOKEN_LASTS_S = 3600.0
REQUESTABLE_KEYS = ("RSA_2048", "EC_prime256v1", "EC_secp384r1")
DAYS_BEFORE_EXPIRY = 45
_NO_MAIL = (
    "There is no mail in this world, so a certificate cannot be validated by e-mail. Pass ValidationMethod=DNS and"
    " create the CNAME that DescribeCertificate names."
)


def used_by_nobody(snapshot: Snapshot, arn: str) -> list[str]:
    return []


class AcmApi(EndpointOperations, DomainValidationOperations, BindingOperations):
    """Handlers of acm. `in_use_by(snapshot, certificate ARN)` lists the ARNs of what uses a certificate."""

    service: ClassVar[str] = "acm"

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, in_use_by: InUseBy = used_by_nobody) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._in_use_by = in_use_by
        store.register(Certificate, AccountConfiguration, Issuance, *ACME_KINDS)

    # --- requesting and importing

    def request_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("CertificateAuthorityArn"):
            raise NotHere("Kunren has no AWS Private CA: leave CertificateAuthorityArn out for a public certificate.")
        if params.get("ManagedBy"):
            raise NotHere("Kunren has no certificates that another service manages: leave ManagedBy out.")
        method = params.get("ValidationMethod") or (params.get("Options") or {}).get("ValidationMethod") or "EMAIL"
        if method == "EMAIL":
            raise NotHere(_NO_MAIL)
        if method == "HTTP":
            raise InvalidParameterException("HTTP validation is only available for certificates used by CloudFront.")
        key_algorithm = params.get("KeyAlgorithm") or "RSA_2048"
        if key_algorithm not in REQUESTABLE_KEYS:
            raise InvalidParameterException(f"The key algorithm {key_algorithm} is for imported certificates only.")
        options = params.get("Options") or {}
        if options.get("CertificateTransparencyLoggingPreference") == "DISABLED":
            raise InvalidParameterException("Certificate transparency logging opt-out is no longer available.")
        names = certificate_names(params["DomainName"], params.get("SubjectAlternativeNames"))
        validation = validations(ctx.account, names, params.get("DomainValidationOptions"))
        tags = checked_tags({}, params.get("Tags"))
        with self._store.write() as tx:
            if known := self._same_request(tx, ctx, params.get("IdempotencyToken"), names):
                return {"CertificateArn": known.id}
            refused = any(belongs_to_amazon(name) for name in names)
            certificate = Certificate(
                account=ctx.account,
                region=ctx.region,
                id=self._new_arn(tx, ctx, AMAZON_ISSUED),
                type=AMAZON_ISSUED,
                domain_name=names[0],
                names=names,
                key_algorithm=key_algorithm,
                created_at=self._clock.now(),
                validation=validation,
                export=options.get("Export") or "DISABLED",
                idempotency_token=params.get("IdempotencyToken") or "",
                tags=tags,
            )
            if refused:
                certificate = msgspec.structs.replace(certificate, status=FAILED, failure_reason="DOMAIN_NOT_ALLOWED")
            tx.put(certificate)
        return {"CertificateArn": certificate.id}

    def import_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        arn = params.get("CertificateArn")
        if arn and params.get("Tags"):
            raise InvalidParameterException("Tagging is not permitted on re-import.")
        material, facts = check_import(
            params["Certificate"], params["PrivateKey"], params.get("CertificateChain"), self._clock.wall()
        )
        tags = checked_tags({}, params.get("Tags"))
        now = self._clock.now()
        with self._store.write() as tx:
            before = self._find(tx, ctx, arn) if arn else None
            if before is not None and before.type != IMPORTED:
                raise ValidationException(f"The certificate {arn} was not imported and cannot be re-imported.")
            if before is not None and self._in_use(before.id) and before.key_algorithm != facts.key_algorithm:
                raise ValidationException("The key algorithm of a certificate that is in use cannot be changed.")
            certificate = Certificate(
                account=ctx.account,
                region=ctx.region,
                id=before.id if before is not None else self._new_arn(tx, ctx, IMPORTED),
                type=IMPORTED,
                domain_name=facts.names[0] if facts.names else "",
                names=facts.names,
                key_algorithm=facts.key_algorithm,
                created_at=before.created_at if before is not None else now,
                imported_at=now,
                status=ISSUED,
                facts=facts,
                material=material,
                tags=before.tags if before is not None else tags,
            )
            tx.put(certificate)
        return {"CertificateArn": certificate.id}

    # --- reading

    def describe_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        certificate = self._find(self._store.snapshot(), ctx, params["CertificateArn"])
        return {"Certificate": views.detail(certificate, self._in_use(certificate.id), self._clock.wall())}

    def list_certificates(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        snapshot, wall = self._store.snapshot(), self._clock.wall()
        found = snapshot.list(Certificate, ctx.account, ctx.region)
        shown, token = views.page_of([each for each in found if views.chosen(each, params, wall)], params)
        summaries = [views.summary(each, bool(self._in_use(each.id)), wall) for each in shown]
        return {"CertificateSummaryList": summaries, "NextToken": token}

    def search_certificates(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        statement = params.get("FilterStatement")
        if statement is not None:
            search.check(statement)
        snapshot, wall = self._store.snapshot(), self._clock.wall()
        found = [
            search.Candidate(each, bool(self._in_use_by(snapshot, each.id)), wall)
            for each in snapshot.list(Certificate, ctx.account, ctx.region)
        ]
        if statement is not None:
            found = [each for each in found if search.matches(statement, each)]
        shown, token = search.page_of(found, params)
        return {"Results": [search.result(each) for each in shown], "NextToken": token}

    def list_certificate_domain_validations(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        certificate = self._find(self._store.snapshot(), ctx, params["CertificateArn"])
        limit = params.get("MaxItems") or views.DEFAULT_PAGE
        try:
            start = int(params.get("NextToken") or 0)
        except ValueError:
            raise InvalidArgsException("The value passed to NextToken is invalid.") from None
        shown = certificate.validation[start : start + limit]
        more = start + limit < len(certificate.validation)
        return {
            "DomainValidationSummaryList": [views.domain_validation_summary(each) for each in shown],
            "NextToken": str(start + limit) if more else None,
        }

    def get_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        material = self._material(self._find(self._store.snapshot(), ctx, params["CertificateArn"]))
        return {"Certificate": material.certificate_pem, "CertificateChain": material.chain_pem or None}

    def export_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            certificate = self._find(tx, ctx, params["CertificateArn"])
            if certificate.type != AMAZON_ISSUED or certificate.export != "ENABLED":
                raise ValidationException(f"Certificate ARN: {certificate.id} is not a private certificate")
            if certificate.acme is not None:
                raise ValidationException(f"The private key of {certificate.id} is with its ACME client.")
            if certificate.status == REVOKED:
                raise ValidationException(f"Certificate {certificate.id} is revoked and cannot be exported.")
            material = self._material(certificate)
            tx.put(msgspec.structs.replace(certificate, exported=True))
        return {
            "Certificate": material.certificate_pem,
            "CertificateChain": material.chain_pem,
            "PrivateKey": encrypted_key(material.private_key_pem, params["Passphrase"]),
        }

    # --- changing

    def delete_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            certificate = self._find(tx, ctx, params["CertificateArn"])
            if self._in_use(certificate.id):
                raise ResourceInUseException(certificate.id)
            if certificate.acme is not None and certificate.status_at(self._clock.wall()) != EXPIRED:
                raise ValidationException(f"Certificate {certificate.id} was issued through ACME and has not expired.")
            tx.delete(certificate)

    def revoke_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        reason = params["RevocationReason"]
        with self._store.write() as tx:
            certificate = self._find(tx, ctx, params["CertificateArn"])
            check_revocable(certificate, reason)
            if self._in_use(certificate.id):
                raise ResourceInUseException(certificate.id)
            revoke(tx, certificate, reason, REASONS[reason], self._clock.now(), self._clock.wall())
        return {"CertificateArn": certificate.id}

    def update_certificate_options(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        options = params["Options"]
        if options.get("CertificateTransparencyLoggingPreference") == "DISABLED":
            raise ValidationException("Certificate transparency logging opt-out is no longer available.")
        if options.get("ValidationMethod") == "EMAIL":
            raise NotHere(_NO_MAIL)
        with self._store.write() as tx:
            certificate = self._find(tx, ctx, params["CertificateArn"])
            if certificate.type != AMAZON_ISSUED:
                raise InvalidStateException(f"Certificate {certificate.id} is imported and has no options.")
            tx.put(msgspec.structs.replace(certificate, export=options.get("Export") or certificate.export))

    def renew_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        certificate = self._find(self._store.snapshot(), ctx, params["CertificateArn"])
        # "At this time, only exported private certificates can be renewed with the RenewCertificate command."
        raise ValidationException(f"Certificate {certificate.id} is not a private certificate and cannot be renewed.")

    def resend_validation_email(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        certificate = self._find(self._store.snapshot(), ctx, params["CertificateArn"])
        raise InvalidStateException(f"Certificate {certificate.id} is not validated by e-mail.")

    # --- tags and account

    def add_tags_to_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            certificate = self._find(tx, ctx, params["CertificateArn"])
            tags = checked_tags(certificate.tags, params["Tags"])
            tx.put(msgspec.structs.replace(certificate, tags=tags))

    def remove_tags_from_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        with self._store.write() as tx:
            certificate = self._find(tx, ctx, params["CertificateArn"])
            tags = dict(certificate.tags)
            for tag in params["Tags"]:
                value = tag.get("Value")
                if tag["Key"] in tags and (value is None or tags[tag["Key"]] == value):
                    del tags[tag["Key"]]
            tx.put(msgspec.structs.replace(certificate, tags=tags))

    def list_tags_for_certificate(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        certificate = self._find(self._store.snapshot(), ctx, params["CertificateArn"])
        return {"Tags": tags_to_wire(certificate.tags)}

    def get_account_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = self._store.snapshot().get(AccountConfiguration, ctx.account, ctx.region, "configuration")
        days = found.days_before_expiry if found is not None else DAYS_BEFORE_EXPIRY
        return {"ExpiryEvents": {"DaysBeforeExpiry": days}}

    def put_account_configuration(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        days = (params.get("ExpiryEvents") or {}).get("DaysBeforeExpiry")
        if days is None:
            return
        if days > 90:
            raise ValidationException("DaysBeforeExpiry must be between 1 and 90.")
        with self._store.write() as tx:
            tx.put(
                AccountConfiguration(
                    account=ctx.account, region=ctx.region, id="configuration", days_before_expiry=days
                )
            )

    # --- shared

    def _find(self, reader: Snapshot | Tx, ctx: RequestContext, arn: str) -> Certificate:
        parts = parse_arn(arn)
        if parts is None or parts.service != "acm" or not parts.resource.startswith("certificate/"):
            raise InvalidArnException(f"The ARN {arn} is not the ARN of a certificate.")
        found = reader.get(Certificate, ctx.account, ctx.region, arn)
        if found is None:
            raise ResourceNotFoundException(arn, ctx.account)
        return found

    def _in_use(self, arn: str) -> list[str]:
        return self._in_use_by(self._store.snapshot(), arn)

    def _material(self, certificate: Certificate) -> CertificateMaterial:
        if certificate.material is None:
            raise views.why_no_bytes(certificate)
        return certificate.material

    def _new_arn(self, tx: Tx, ctx: RequestContext, type: str) -> str:
        rows = tx.list(Certificate, ctx.account, ctx.region)
        if sum(each.type == type and each.acme is None for each in rows) >= CERTIFICATES_MAX:
            raise LimitExceededException(f"Error: you have reached your limit of {CERTIFICATES_MAX} certificates.")
        return build_arn("acm", ctx.region, ctx.account, f"certificate/{self._entropy.uuid()}")

    def _same_request(
        self, tx: Tx, ctx: RequestContext, token: str | None, names: tuple[str, ...]
    ) -> Certificate | None:
        """The certificate that an earlier call with this token, for the same names, asked for within the hour."""
        if not token:
            return None
        since = self._clock.now() - TOKEN_LASTS_S
        for each in tx.list(Certificate, ctx.account, ctx.region):
            if each.idempotency_token == token and each.names == names and each.created_at > since:
                return each
        return None


def checked_tags(before: Mapping[str, str], added: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """The tags after adding. Raises InvalidTagException and TooManyTagsException."""
    new = tags_from_wire(added)
    for key in new:
        if key.lower().startswith("aws:"):
            raise InvalidTagException(f'Invalid Tag Key: "{key}". AWS internal tags cannot be changed with this API')
    tags = {**before, **new}
    if len(tags) > TAGS_MAX:
        raise TooManyTagsException(f"A certificate can have at most {TAGS_MAX} tags.")
    return tags


def encrypted_key(key_pem: str, passphrase: bytes) -> str:
    """The key as encrypted PKCS #8, which `openssl pkey -passin` opens."""
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(key_pem.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase)).decode()
