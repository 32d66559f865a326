"""Images in the making: OCI layouts of layers that tests write down."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KIND = "application/vnd.oci.image."


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(texts: Mapping[str, str | bytes] = {}, links: Mapping[str, str] = {}, modes: Mapping[str, int] = {}) -> bytes:
    """A layer with these files and symbolic links, by gzip."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in texts.items():
            content = text if isinstance(text, bytes) else text.encode()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), modes.get(name, 0o644)
            tar.addfile(member, io.BytesIO(content))
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return gzip.compress(out.getvalue(), 1, mtime=0)


def described(content: bytes, kind: str) -> dict[str, Any]:
    return {"mediaType": f"{KIND}{kind}", "digest": digest_of(content), "size": len(content)}


def image(*layers: bytes, **config: Any) -> tuple[bytes, dict[str, bytes]]:
    """A manifest's text, and the blobs that it names by digest."""
    settings = json.dumps({"architecture": "amd64", "os": "linux", "config": config}).encode()
    manifest = {
        "schemaVersion": 2, "mediaType": f"{KIND}manifest.v1+json", "config": described(settings, "config.v1+json"),
        "layers": [described(each, "layer.v1.tar+gzip") for each in layers],
    }  # fmt: skip
    return json.dumps(manifest).encode(), {digest_of(each): each for each in (settings, *layers)}


def layout(folder: Path, *layers: bytes, **config: Any) -> str:
    """An OCI layout there; the manifest's digest."""
    manifest, blobs = image(*layers, **config)
    (folder / "blobs" / "sha256").mkdir(parents=True)
    for digest, content in {**blobs, digest_of(manifest): manifest}.items():
        (folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).write_bytes(content)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    index = {"schemaVersion": 2, "manifests": [described(manifest, "manifest.v1+json")]}
    (folder / "index.json").write_text(json.dumps(index))
    return digest_of(manifest)
