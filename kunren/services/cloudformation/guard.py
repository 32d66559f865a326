"""Guard hooks: AWS's program `cfn-guard` holds rules of a bucket against what is about to happen.

The program is AWS's own (no library of it is kept up): a Guard hook can be made where Kunren finds it on its PATH.
"Write Guard rules to evaluate resources for Guard Hooks".
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kunren.core.calling import CallService
from kunren.services.cloudformation.errors import ValidationError
from kunren.services.cloudformation.hooks import BROKEN, REFUSED, SUCCEEDED, VERSION, Answer, Target
from kunren.services.cloudformation.model import Hook, Stack
from kunren.services.cloudformation.template import parse

PROGRAM = "cfn-guard"
RULES_BYTES_MAX = 1_048_576
ARCHIVE_BYTES_MAX = 16 * RULES_BYTES_MAX  # with what is beside the rules, unpacked
_UNREADABLE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError,
)  # fmt: skip
PASSED, FAILED = 0, 19
"""The program's exit codes; others say that it could not tell."""


def there() -> str | None:
    """The program's path."""
    return shutil.which(PROGRAM)


def document(hook: Hook, target: Target, stack: Stack) -> dict[str, Any]:
    """What rules are held against: `HookContext` beside resources, or beside the template. Raises ValidationError."""
    cloud_control = bool(target.execution)
    context = {
        "AWSAccountID": hook.account,
        "StackId": "" if cloud_control else stack.arn,
        "HookTypeName": hook.id,
        "HookTypeVersion": VERSION,
        "InvocationPoint": f"{target.action}_PRE_PROVISION",
        "TargetName": target.name,
        "TargetType": "RESOURCE" if target.model is not None else target.operation,
        "TargetLogicalId": target.logical,
        "ChangeSetId": target.change_set,
    }
    if target.model is not None:
        now, before = target.model["resourceProperties"], target.model["previousResourceProperties"]
        shown = {target.logical: {"ResourceType": target.name, "ResourceProperties": now or before}}
        previous = {target.logical: {"ResourceType": target.name, "ResourceProperties": before}}
        return {"HookContext": context, "Resources": shown, **({"Previous": previous} if now and before else {})}
    payload = json.loads(target.payload)
    template = parse(payload["template"]) if payload["template"] else {}
    found = {**template, "HookContext": context}
    if payload.get("previousTemplate"):
        found["Previous"] = parse(payload["previousTemplate"])
    return {**found, **({"Changes": payload["changedResources"]} if "changedResources" in payload else {})}


def rules(name: str, content: bytes) -> dict[str, str]:
    """The rules of a file, or of an archive of files, by name. Raises ValidationError."""
    found: dict[str, bytes] = {}
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as held:
                files = [each for each in held.infolist() if each.filename.endswith(".guard")]
                _check_size(name, sum(each.file_size for each in files))
                found = {each.filename: held.read(each) for each in files}
        elif name.endswith((".tar.gz", ".tgz")):
            with gzip.open(io.BytesIO(content)) as outer:
                plain = outer.read(ARCHIVE_BYTES_MAX + 1)
            _check_size(name, len(plain), ARCHIVE_BYTES_MAX)
            with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as packed:
                for each in packed:
                    if each.isfile() and each.name.endswith(".guard"):
                        file = packed.extractfile(each)
                        found[each.name] = file.read() if file is not None else b""
        else:
            found = {name: content}
        texts = {each: text.decode() for each, text in found.items()}
    except _UNREADABLE as error:
        raise ValidationError(f"The rules {name} can't be read: {error}") from None
    _check_size(name, sum(map(len, found.values())))
    return texts


def _check_size(name: str, size: int, most: int = RULES_BYTES_MAX) -> None:
    if not 0 < size <= most:
        raise ValidationError(f"The rules {name} must have one to {most} bytes")


def told(code: int, output: str, errors: str) -> Answer:
    """What the program's end means."""
    if code == PASSED:
        return Answer(SUCCEEDED, "Template passed validation")
    try:
        reports = json.loads(output) if code == FAILED else []
        names = [each["Rule"]["name"] for report in reports for each in report["not_compliant"] if "Rule" in each]
    except (LookupError, TypeError, ValueError):
        names = []
    if not names:
        return Answer(BROKEN, f"{PROGRAM} ended with {code}: {(errors or output).strip()}")
    failed = ", ".join(dict.fromkeys(names))
    return Answer(REFUSED, f"Template failed validation, the following rule(s) failed: {failed}.")


async def answer(call: CallService, hook: Hook, target: Target, stack: Stack) -> Answer:
    """Raises AwsError, TimeoutError is the caller's to set."""
    program = there()
    if program is None:
        return Answer(BROKEN, f"Kunren asks Guard hooks by AWS's program {PROGRAM}, which is not on its PATH")
    location = hook.properties["RuleLocation"]
    held = rules(location["Uri"].rpartition("/")[2], await _object(call, hook, location))
    options = (hook.properties.get("Options") or {}).get("InputParams")
    with tempfile.TemporaryDirectory(prefix="kunren-guard-") as folder:
        at = Path(folder)
        (at / "rules").mkdir()
        for number, text in enumerate(held.values()):
            (at / "rules" / f"{number:04d}.guard").write_text(text)
        (at / "data.json").write_text(json.dumps(document(hook, target, stack), default=str))
        more = []
        if options:
            (at / "input.json").write_bytes(await _object(call, hook, options))
            more = ["--input-parameters", str(at / "input.json")]
        try:
            process = await asyncio.create_subprocess_exec(
                program, "validate", "--rules", str(at / "rules"), "--data", str(at / "data.json"), *more,
                "--structured", "--output-format", "json", "--show-summary", "none",
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            return Answer(BROKEN, f"{PROGRAM} can't be run: {error.strerror}")
        try:
            output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode is not None
    return told(process.returncode, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))


async def _object(call: CallService, hook: Hook, location: Mapping[str, Any]) -> bytes:
    """Of S3, by a location of the hook's. Raises AwsError."""
    parts = urlsplit(location["Uri"])
    params = {"Bucket": parts.netloc, "Key": parts.path.lstrip("/")}
    if location.get("VersionId"):
        params["VersionId"] = location["VersionId"]
    answer = await call(hook.account, hook.region, "s3", "GetObject", params)
    _check_size(location["Uri"], answer["ContentLength"], ARCHIVE_BYTES_MAX)
    body = answer["Body"]
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body])
