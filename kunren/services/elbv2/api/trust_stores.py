"""Trust stores and their revocation lists. Bundles and lists are read from S3 first; then everything is one commit."""

from __future__ import annotations

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.errors import AwsError
from kunren.services.elbv2 import arns, errors
from kunren.services.elbv2.api.base import Api, Params, Result, View, find_trust_store, new_tags, pages
from kunren.services.elbv2.arns import check_arn
from kunren.services.elbv2.associations import revocations_of, trust_store_users
from kunren.services.elbv2.lending import lend
from kunren.services.elbv2.model import TrustStore, TrustStoreRevocation
from kunren.services.elbv2.trust_stores import check_bundle, check_revocations

_LENT_FOR_S = 600
_LENDER = "elasticloadbalancing-trust-stores"


class TrustStoresApi(Api):
    async def create_trust_store(self, ctx: RequestContext, params: Params) -> Result:
        """CreateTrustStore from a CA bundle in S3. It is active at once: the bundle has been read and checked."""
        tags = new_tags(params)
        self._check_new(self._store.snapshot(), ctx, params["Name"])
        bundle, count = await self._bundle(ctx, params)
        with self._store.write() as tx:
            self._check_new(tx, ctx, params["Name"])
            created = TrustStore(
                account=ctx.account,
                region=ctx.region,
                id=arns.trust_store_arn(self._parts.entropy, ctx.account, ctx.region, params["Name"]),
                name=params["Name"],
                bundle=bundle,
                certificates=count,
                created_time=self._parts.clock.now(),
                tags=tags,
            )
            tx.put(created)
            return {"TrustStores": [_shown(tx, created)]}

    async def modify_trust_store(self, ctx: RequestContext, params: Params) -> Result:
        """ModifyTrustStore: another bundle; revocation lists stay."""
        find_trust_store(self._store.snapshot(), ctx, params["TrustStoreArn"])
        bundle, count = await self._bundle(ctx, params)
        with self._store.write() as tx:
            found = find_trust_store(tx, ctx, params["TrustStoreArn"])
            changed = msgspec.structs.replace(found, bundle=bundle, certificates=count)
            tx.put(changed)
            return {"TrustStores": [_shown(tx, changed)]}

    def describe_trust_stores(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeTrustStores: all, or those of the ARNs or of the names."""
        wanted, names = params.get("TrustStoreArns") or [], params.get("Names") or []
        for arn in wanted:
            check_arn(arn, "trust store")
        snapshot = self._store.snapshot()
        found = snapshot.list(TrustStore, ctx.account, ctx.region)
        if wanted or names:
            found = [each for each in found if each.id in wanted or each.name in names]
            known = {each.id for each in found} | {each.name for each in found}
            if not set(wanted) | set(names) <= known:
                raise errors.TrustStoreNotFound("One or more trust stores not found")
        chosen, marker = pages(params, found, lambda each: each.id)
        return {"TrustStores": [_shown(snapshot, each) for each in chosen], "NextMarker": marker}

    def delete_trust_store(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = find_trust_store(tx, ctx, params["TrustStoreArn"])
            if trust_store_users(tx, found.id):
                raise errors.TrustStoreInUse(
                    f"Trust store '{found.id}' is currently in use by one or more listeners and cannot be deleted"
                )
            for each in revocations_of(tx, found):
                tx.delete(each)
            tx.delete(found)
        return {}

    async def get_trust_store_ca_certificates_bundle(self, ctx: RequestContext, params: Params) -> Result:
        """GetTrustStoreCaCertificatesBundle: a presigned URL of the bundle, good for ten minutes."""
        found = find_trust_store(self._store.snapshot(), ctx, params["TrustStoreArn"])
        name = f"{found.name}/ca-certificates-bundle"
        return {"Location": await lend(self._parts.call, ctx, _LENDER, name, found.bundle.encode(), _LENT_FOR_S)}

    async def add_trust_store_revocations(self, ctx: RequestContext, params: Params) -> Result:
        """AddTrustStoreRevocations: all of the lists, or none."""
        arn = params["TrustStoreArn"]
        before = find_trust_store(self._store.snapshot(), ctx, arn)
        given = params.get("RevocationContents") or []
        if not given:
            raise errors.validation_error("At least one revocation file must be specified")
        contents = [await self._revocation_file(ctx, each) for each in given]
        checked = [(content, *check_revocations(content, before.bundle)) for content in contents]
        with self._store.write() as tx:
            found = find_trust_store(tx, ctx, arn)
            self._check_revocation_quotas(tx, found, [count for _, _, count in checked])
            made = [
                TrustStoreRevocation(
                    account=ctx.account,
                    region=ctx.region,
                    id=f"{arn}|{number}",
                    trust_store_arn=arn,
                    number=number,
                    entries=count,
                    content=content,
                    pem=pem,
                )
                for number, (content, pem, count) in enumerate(checked, found.last_revocation + 1)
            ]
            for each in made:
                tx.put(each)
            tx.put(msgspec.structs.replace(found, last_revocation=found.last_revocation + len(made)))
        return {"TrustStoreRevocations": [_revocation(each) for each in made]}

    def remove_trust_store_revocations(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = find_trust_store(tx, ctx, params["TrustStoreArn"])
            for number in params["RevocationIds"]:
                tx.delete(_find_revocation(tx, found, number))
        return {}

    def describe_trust_store_revocations(self, ctx: RequestContext, params: Params) -> Result:
        snapshot = self._store.snapshot()
        store = find_trust_store(snapshot, ctx, params["TrustStoreArn"])
        found = revocations_of(snapshot, store)
        if wanted := params.get("RevocationIds"):
            found = [_find_revocation(snapshot, store, number) for number in sorted(set(wanted))]
        chosen, marker = pages(params, found, lambda each: f"{each.number:012d}")
        return {"TrustStoreRevocations": [_revocation(each) for each in chosen], "NextMarker": marker}

    async def get_trust_store_revocation_content(self, ctx: RequestContext, params: Params) -> Result:
        """GetTrustStoreRevocationContent: a presigned URL of the file, good for ten minutes."""
        snapshot = self._store.snapshot()
        store = find_trust_store(snapshot, ctx, params["TrustStoreArn"])
        found = _find_revocation(snapshot, store, params["RevocationId"])
        name = f"{store.name}/revocations/{found.number}"
        return {"Location": await lend(self._parts.call, ctx, _LENDER, name, found.content, _LENT_FOR_S)}

    def describe_trust_store_associations(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeTrustStoreAssociations: the load balancers with a listener that trusts it."""
        snapshot = self._store.snapshot()
        found = find_trust_store(snapshot, ctx, params["TrustStoreArn"])
        chosen, marker = pages(params, trust_store_users(snapshot, found.id), lambda each: each)
        return {"TrustStoreAssociations": [{"ResourceArn": arn} for arn in chosen], "NextMarker": marker}

    def delete_shared_trust_store_association(self, ctx: RequestContext, params: Params) -> Result:
        """DeleteSharedTrustStoreAssociation. Nothing is shared between accounts here, so there is only what may not be
        deleted this way, and what does not exist."""
        snapshot = self._store.snapshot()
        found = find_trust_store(snapshot, ctx, params["TrustStoreArn"])
        if params["ResourceArn"] in trust_store_users(snapshot, found.id):
            raise errors.DeleteAssociationSameAccount(
                "The association of a trust store with a resource of the same account cannot be deleted"
            )
        raise errors.TrustStoreAssociationNotFound(
            f"Trust store '{found.id}' is not associated with '{params['ResourceArn']}'"
        )

    def get_resource_policy(self, ctx: RequestContext, params: Params) -> Result:
        """GetResourcePolicy: only sharing a trust store with other accounts makes a policy, and nothing is shared."""
        arn = params["ResourceArn"]
        try:
            find_trust_store(self._store.snapshot(), ctx, arn)
        except errors.TrustStoreNotFound:
            raise errors.ResourceNotFound(f"Resource '{arn}' not found") from None
        raise errors.ResourceNotFound(f"Resource policy not found for resource '{arn}'")

    def _check_new(self, view: View, ctx: RequestContext, name: str) -> None:
        found = view.list(TrustStore, ctx.account, ctx.region)
        if any(each.name == name for each in found):
            raise errors.DuplicateTrustStoreName(f"A trust store with the name '{name}' already exists")
        if len(found) >= self._limits.trust_stores:
            raise errors.TooManyTrustStores("The maximum number of trust stores has been reached")

    async def _bundle(self, ctx: RequestContext, params: Params) -> tuple[str, int]:
        bucket, key = params["CaCertificatesBundleS3Bucket"], params["CaCertificatesBundleS3Key"]
        version = params.get("CaCertificatesBundleS3ObjectVersion")
        try:
            content = await self._read(ctx, bucket, key, version)
        except AwsError as error:
            raise errors.CaCertificatesBundleNotFound(
                f"The CA certificates bundle '{key}' could not be read from bucket '{bucket}': {error.message}"
            ) from None
        return check_bundle(content, self._limits.certificates_per_trust_store)

    async def _revocation_file(self, ctx: RequestContext, given: Params) -> bytes:
        bucket, key = given.get("S3Bucket"), given.get("S3Key")
        if not bucket or not key:
            raise errors.validation_error("An S3 bucket and an S3 key must be specified for a revocation file")
        try:
            return await self._read(ctx, bucket, key, given.get("S3ObjectVersion"))
        except AwsError as error:
            raise errors.RevocationContentNotFound(
                f"The revocation file '{key}' could not be read from bucket '{bucket}': {error.message}"
            ) from None

    async def _read(self, ctx: RequestContext, bucket: str, key: str, version: str | None) -> bytes:
        told = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
        return bytes((await self._parts.call(ctx.account, ctx.region, "s3", "GetObject", told))["Body"])

    def _check_revocation_quotas(self, tx: Tx, store: TrustStore, added: list[int]) -> None:
        before = revocations_of(tx, store)
        entries = sum(each.entries for each in before) + sum(added)
        if entries > self._limits.revoked_entries_per_trust_store:
            raise errors.TooManyTrustStoreRevocationEntries(
                "The maximum number of revocation entries in the trust store has been reached"
            )
        if len(before) + len(added) > self._limits.revocation_lists_per_trust_store:
            raise errors.TooManyTrustStoreRevocationEntries(
                "The maximum number of revocation files in the trust store has been reached"
            )


def _find_revocation(view: View, store: TrustStore, number: int) -> TrustStoreRevocation:
    found = view.get(TrustStoreRevocation, store.account, store.region, f"{store.id}|{number}")
    if found is None:
        raise errors.RevocationIdNotFound(f"Revocation ID '{number}' not found in trust store '{store.id}'")
    return found


def _shown(view: View, store: TrustStore) -> Result:
    return {
        "Name": store.name,
        "TrustStoreArn": store.id,
        "Status": "ACTIVE",
        "NumberOfCaCertificates": store.certificates,
        "TotalRevokedEntries": sum(each.entries for each in revocations_of(view, store)),
    }


def _revocation(each: TrustStoreRevocation) -> Result:
    return {
        "TrustStoreArn": each.trust_store_arn,
        "RevocationId": each.number,
        "RevocationType": "CRL",
        "NumberOfRevokedEntries": each.entries,
    }
