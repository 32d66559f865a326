"""The registry's front: who asks, and what for. A host `ACCOUNT.dkr.ecr.REGION.amazonaws.com` is a registry.

"Private registry authentication": basic authentication as user AWS with an authorization token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kunren.control.store import Store
from kunren.core.clock import Clock
from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.services.ecr.caching import due, held
from kunren.services.ecr.errors import EcrError
from kunren.services.ecr.model import LayerUpload, Repository
from kunren.services.ecr.policy import policy_of, policy_of_registry
from kunren.services.ecr.registry.answers import VERSION, Refusal, document, of_error, told
from kunren.services.ecr.registry.asked import Asked, query_of, read, registry_of
from kunren.services.ecr.registry.blobs import BlobAnswers
from kunren.services.ecr.registry.manifests import ManifestAnswers
from kunren.services.ecr.registry.permission import RegistryAccess, denied, denied_action
from kunren.services.ecr.tokens import USER, BadToken, Expired, Holder, basic, layer_name, verify
from kunren.services.ecr.uploads import LayerUploads


class RegistryFront:
    """A front of the gateway (`kunren.core.fronts`) that takes bodies as they arrive (`streamed`)."""

    streamed = True
    endpoint = "dkr.ecr"

    def __init__(self, store: Store, clock: Clock, uploads: LayerUploads, secret: Callable[[], str]) -> None:
        self._clock, self._secret = clock, secret
        self._blobs = BlobAnswers(store, clock, uploads)
        self._manifests = ManifestAnswers(store, clock)
        self._store = store
        self.access: RegistryAccess | None = None
        """Strict mode: policies decide."""

    def claims(self, host: str, path: str) -> bool:
        return ".dkr.ecr." in host and registry_of(host) is not None

    def wanted(self, method: str, target: str, headers: Mapping[str, str]) -> LayerUpload | None:
        """The upload that a body belongs to that is about to arrive; None where the answer will be an error."""
        path, _, query = target.partition("?")
        found = read(headers.get("host", ""), path)
        request = FrontRequest(method, "", path, query, headers, b"", "", None)
        try:
            if found is None or found.kind != "blobs/uploads":
                return None
            asked = Asked(found, query_of(query), request)
            self._holder(asked)
            return self._blobs.wanted(asked)
        except (EcrError, Refusal):
            return None

    async def answer(self, request: FrontRequest) -> FrontAnswer:
        found = read(request.headers.get("host", ""), request.path)
        if found is None:
            return told(404, "UNSUPPORTED", "page not found")
        asked = Asked(found, query_of(request.query), request)
        try:
            holder = self._holder(asked)
            if (why := await self._denied(holder, asked)) is not None:
                raise Refusal(403, "DENIED", why)
            if (source := asked.mounted) is not None and await self._denied(holder, source) is not None:
                asked = asked._replace(query={})  # who may not read a layer there has to upload it
            if asked.path.kind == "manifests" and request.method in ("GET", "HEAD"):
                asked = await self._as_it_may_import(holder, asked)
            return await self._answer(asked)
        except EcrError as error:
            return of_error(error)
        except Refusal as refusal:
            return refusal.answer
        finally:
            if request.upload is not None:
                request.upload.abandon()

    async def _denied(self, holder: Holder, asked: Asked) -> str | None:
        if self.access is None:
            return None
        return await denied(self.access, holder, asked, policy_of(self._store.snapshot(), asked.path.place))

    async def _as_it_may_import(self, holder: Holder, asked: Asked) -> Asked:
        """Who may not have a cache bring an image gets the one that is there. Raises Refusal where none is. "IAM
        permissions required to sync an upstream registry with an Amazon ECR private registry"."""
        snapshot, place = self._store.snapshot(), asked.path.place
        if self.access is None or due(snapshot, place, asked.path.rest, self._clock.now()) is None:
            return asked
        of_registry = policy_of_registry(snapshot, place.account, place.region)
        needed = {"BatchImportUpstreamImage": (*policy_of(snapshot, place), *of_registry)}
        if snapshot.get(Repository, *place) is None:
            needed["CreateRepository"] = of_registry
        for action, policy in needed.items():
            why = await denied_action(self.access, holder, asked, action, policy)
            if why is not None and not held(snapshot, place, asked.path.rest):
                raise Refusal(403, "DENIED", why)
            if why is not None:
                return asked._replace(imports=False)
        return asked

    async def _answer(self, asked: Asked) -> FrontAnswer:
        kind = asked.path.kind
        if kind == "manifests":
            return await self._manifests.manifest(asked)
        if kind == "blobs/uploads":
            return await self._blobs.upload(asked)
        if kind == "blobs":
            return self._blobs.get(asked)
        if asked.request.method not in ("GET", "HEAD"):
            raise Refusal(405, "UNSUPPORTED", "The operation is unsupported.")
        if kind == "tags":
            return self._manifests.tags(asked)
        if kind == "referrers":
            return self._manifests.referrers(asked)
        return self._manifests.catalog(asked) if kind == "catalog" else document(200, {})

    def _holder(self, asked: Asked) -> Holder:
        """Raises Refusal."""
        given, layer = basic(asked.request.headers.get("authorization", "")), ""
        if given is None and asked.path.kind == "blobs" and "token" in asked.query:  # a URL of GetDownloadUrlForLayer
            given, layer = (USER, asked.query["token"]), layer_name(*asked.path.place, asked.path.rest)
        try:
            if given is None or given[0] != USER:
                raise BadToken
            return verify(self._secret(), given[1], self._clock.now(), layer)
        except Expired:
            raise Refusal(
                403, "DENIED", "Your authorization token has expired. Reauthenticate and try again."
            ) from None
        except BadToken:
            refusal = Refusal(401, "UNAUTHORIZED", "Not Authorized")
            realm = f"https://{asked.path.account}.dkr.ecr.{asked.path.region}.amazonaws.com/"
            headers = [
                ("Content-Type", "text/plain; charset=utf-8"), VERSION,
                ("Www-Authenticate", f'Basic realm="{realm}",service="ecr.amazonaws.com"'),
            ]  # fmt: skip
            refusal.answer = FrontAnswer(401, headers, b"Not Authorized\n")
            raise refusal from None
