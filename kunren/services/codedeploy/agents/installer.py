"""How the agent gets into an instance: as AWS documents it, by an installer from a bucket of CodeDeploy's.

`https://aws-codedeploy-REGION.s3.REGION.amazonaws.com/latest/install` (or by path, or `aws s3 cp`) is a script that
fetches the program from beside it, installs it, and has it start at each boot. ("Install the CodeDeploy agent for
Amazon Linux or RHEL"; "CodeDeploy resource kit reference".)
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from kunren.core.fronts import FrontAnswer, FrontRequest
from kunren.services.codedeploy.agents.door import BUCKET_HOST, BUCKET_PATH

_INSIDE = "kunren.services.codedeploy.agents.inside"


async def answer(request: FrontRequest) -> FrontAnswer:
    """The installer, or the program."""
    by_host, by_path = BUCKET_HOST.fullmatch(request.host), BUCKET_PATH.fullmatch(request.path)
    region = by_host[1] if by_host is not None else by_path[1] if by_path is not None else ""
    if request.path.endswith("install"):
        body = (files(_INSIDE) / "install.sh").read_bytes().replace(b"@REGION@", region.encode())
    else:
        body = await asyncio.to_thread(archive)
    headers = [
        ("Content-Type", "binary/octet-stream"), ("Accept-Ranges", "bytes"),
        ("ETag", f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'),
        ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ]  # fmt: skip
    if request.method == "HEAD":
        return FrontAnswer(200, [*headers, ("Content-Length", str(len(body)))])
    return FrontAnswer(200, headers, body)


@lru_cache(maxsize=1)
def archive() -> bytes:
    """The program as a compressed tar: its modules, PyYAML's, and what starts it. Blocks for some milliseconds."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for name in ("__init__.py", "program.py", "installing.py"):
            _add(made, f"lib/codedeploy_agent/{name}", (files(_INSIDE) / name).read_bytes())
        for name, path in (("init.d/codedeploy-agent", "service.sh"),):
            _add(made, name, (files(_INSIDE) / path).read_bytes(), 0o755)
        spec = find_spec("yaml")
        assert spec is not None
        assert spec.origin is not None
        for each in sorted(Path(spec.origin).parent.glob("*.py")):
            _add(made, f"lib/yaml/{each.name}", each.read_bytes())
    return out.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))
