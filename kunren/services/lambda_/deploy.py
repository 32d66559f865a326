"""Brings functions and versions to the runtime: unpacks their code, checks that this machine can run them, and says so.

A level-triggered controller over function rows: it compares what is deployed with the row, and what it finds decides
`State` and `LastUpdateStatus`. What can be mended by waiting (a namespace that is not there yet, a full disk) is
retried; what can't (no interpreter, a damaged package) is a Failed state with AWS's reason code.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import zipfile

import msgspec

from kunren.control.controller import Controller
from kunren.control.store import Key, Snapshot, Store, Tx
from kunren.core.clock import Clock
from kunren.core.own_credentials import session_token
from kunren.dataplane.images.store import NoImage
from kunren.dataplane.runtime.faults import Reply
from kunren.dataplane.runtime.interpreters import RuntimeUnavailable
from kunren.dataplane.runtime.runtime import FunctionRuntime
from kunren.dataplane.runtime.version import FunctionVersion, ImageRun
from kunren.services.lambda_.capacity.rules import concurrency_of, scaling_of
from kunren.services.lambda_.code import CodeStore
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.images import FunctionImages
from kunren.services.lambda_.model import (
    LATEST,
    Configured,
    Function,
    FunctionStatus,
    ImageReference,
    LayerVersion,
    PublishedVersion,
)
from kunren.services.lambda_.names import function_arn
from kunren.services.lambda_.networks import FunctionNetworks, NoInterface

log = logging.getLogger(__name__)
_KINDS = (Function.kind, PublishedVersion.kind)


class Deployer:
    """`run` lives until it is cancelled."""

    def __init__(
        self,
        store: Store,
        runtime: FunctionRuntime,
        code: CodeStore,
        images: FunctionImages,
        networks: FunctionNetworks,
        clock: Clock,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._code = code
        self._images = images
        self._networks = networks
        self.controller = Controller(
            "lambda",
            store,
            clock,
            keys=_work_of,
            every=_all_work,
            reconcile=self._reconcile,
            parallel=4,
            wants=lambda kind: kind in _KINDS,
        )

    async def run(self) -> None:
        snapshot = self._store.snapshot()
        used = {each.code.sha256 for each in snapshot.every(LayerVersion)}
        for configured in itertools.chain(snapshot.every(Function), snapshot.every(PublishedVersion)):
            used |= {configured.code.sha256, *(each.code.sha256 for each in configured.layers)}
        await asyncio.to_thread(self._code.discard_except, used)
        await self.controller.run()

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        snapshot = self._store.snapshot()
        function = _configured(snapshot, account, region, id)
        status = snapshot.get(FunctionStatus, account, region, id)
        if function is None:
            name, _, version = id.partition(":")
            self._runtime.retire(function_arn(account, region, name), version or LATEST)
            if status is not None:
                with self._store.write() as tx:
                    tx.delete(status)
            return
        if status is not None and status.update_id == function.update_id:
            return
        deployed, reason, code = await self._deploy(function)
        with self._store.write() as tx:
            now = _configured(tx, account, region, id)
            if now is None or now.update_id != function.update_id:
                return  # changed meanwhile: its key is queued again
            observed = FunctionStatus(
                account=account,
                region=region,
                id=id,
                update_id=function.update_id,
                deployed=deployed if deployed is not None or status is None else status.deployed,
                reason=reason,
                reason_code=code,
            )
            tx.put(observed)
            if deployed is not None and now.deployed_update_id != function.update_id:
                tx.put(msgspec.structs.replace(now, deployed_update_id=function.update_id))
        if deployed is not None:
            self._runtime.replace(deployed)

    async def _deploy(self, function: Configured) -> tuple[FunctionVersion | None, str, str]:
        """The version as the runtime can run it, or None, the reason and its code."""
        try:
            image = self._image_run(function.image) if function.image is not None else None
            folder = await self._unpacked(function.code.sha256) if image is None else ""
            layers = [each.code.sha256 for each in function.layers]
            opt = await asyncio.to_thread(self._code.merge, layers) if layers else None
        except NoImage as error:
            return None, str(error), "ImageDeleted"
        except (InvalidParameterValueException, zipfile.BadZipFile, FileNotFoundError) as error:
            log.error("the package of function %s cannot be unpacked: %r", function.id, error)
            return None, "The function's deployment package cannot be unpacked.", "InvalidZipFileException"
        try:
            interfaces = await self._networks.ensure(function)
        except NoInterface as error:
            return None, str(error), error.code
        version = FunctionVersion(
            account=function.account,
            region=function.region,
            name=function.name,
            arn=function.arn,
            version=function.version,
            runtime=function.runtime,
            handler=function.handler,
            memory_mb=function.memory_size,
            timeout_s=function.timeout,
            storage_mb=function.ephemeral_storage,
            code_dir=folder,
            opt_dir=str(opt) if opt is not None else "",
            revision=function.update_id,
            environment=function.environment or {},
            log_group=function.log_group,
            interfaces=interfaces,
            concurrency=concurrency_of(function) if isinstance(function, PublishedVersion) else 0,
            session_token=session_token(function.role),
            image=image,
        )
        try:
            await self._runtime.prepare(version)
            if version.concurrency:
                failure = await self._runtime.keep(version, *scaling_of(self._store.snapshot(), function))
                if failure is not None:
                    self._runtime.drop(version)
                    return None, f"The function failed to initialize: {failure.error_type}", _init_code(failure)
        except RuntimeUnavailable as error:
            return None, str(error), "InvalidRuntime"
        return version, "", ""

    async def _unpacked(self, sha256: str) -> str:
        folder = self._code.folder(sha256)
        return str(folder if folder.is_dir() else await asyncio.to_thread(self._code.unpack, sha256))

    def _image_run(self, wanted: ImageReference) -> ImageRun:
        """How to run an image as the function has it. Raises NoImage."""
        image = self._images.get(wanted.config or wanted.digest)
        if image is None:
            raise NoImage(f"The image of {wanted.uri} is not in the state folder any more.")
        entry_point = image.entry_point if wanted.entry_point is None else wanted.entry_point
        # an entry point of one's own makes the image's command void, as with `docker run --entrypoint`
        inherited = image.command if wanted.entry_point is None else ()
        return ImageRun(
            digest=image.digest,
            root=image.root,
            argv=(*entry_point, *(inherited if wanted.command is None else wanted.command)),
            working_directory=wanted.working_directory or image.working_directory,
            environment=image.environment,
        )


def _init_code(failure: Reply) -> str:
    """AWS's StateReasonCode for an environment that did not come up."""
    if failure.status == "timeout":
        return "FunctionError.InitTimeout"
    if failure.error_type == "Runtime.InvalidEntrypoint":
        return "FunctionError.InvalidEntryPoint"
    return "FunctionError.RuntimeInitError"


def _configured(source: Snapshot | Tx, account: str, region: str, id: str) -> Configured | None:
    return source.get(PublishedVersion if ":" in id else Function, account, region, id)


def _work_of(snapshot: Snapshot, key: Key) -> list[str]:
    return [f"{key.account}|{key.region}|{key.id}"] if key.kind in _KINDS else []


def _all_work(snapshot: Snapshot) -> list[str]:
    return [
        f"{each.account}|{each.region}|{each.id}"
        for kind in (Function, PublishedVersion)
        for each in snapshot.every(kind)
    ]
