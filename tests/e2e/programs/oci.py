"""Images in the making: OCI layouts of layers that tests write down."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LISTS_FILES = """
import encodings.idna, encodings.latin_1, encodings.ascii, http.client, json, os, re, sys
loaded = {os.path.realpath(line.split()[-1]) for line in open("/proc/self/maps") if "/" in line and ".so" in line}
modules = {each.__file__ for each in sys.modules.values() if getattr(each, "__file__", None)}
print(json.dumps([os.path.realpath(sys.executable), *sorted(loaded | modules)]))
"""
PYTHON = os.path.realpath(sys.executable)
KIND = "application/vnd.oci.image."


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(
    texts: Mapping[str, str | bytes] = {}, links: Mapping[str, str] = {}, modes: Mapping[str, int] = {},
    files: Iterable[Path] = (), owner: int = 0,
) -> bytes:  # fmt: skip
    """A layer with these texts, symbolic links, and files of this machine, by gzip."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in files:
            tar.add(path.resolve(), str(path).lstrip("/"))
        for name, text in texts.items():
            content = text if isinstance(text, bytes) else text.encode()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), modes.get(name, 0o644)
            member.uid = member.gid = owner
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
    rootfs = {"type": "layers", "diff_ids": [digest_of(gzip.decompress(each)) for each in layers]}
    settings = json.dumps({"architecture": "amd64", "os": "linux", "config": config, "rootfs": rootfs}).encode()
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


def python_files() -> list[Path]:
    """The files that a small Python program needs: the interpreter, modules, libraries by all their names."""
    done = subprocess.run([PYTHON, "-I", "-S", "-c", LISTS_FILES], capture_output=True, text=True, check=True)
    found = {Path(each) for each in json.loads(done.stdout) if Path(each).is_file()}
    for library in [each for each in found if ".so" in each.name]:
        stem = library.name.partition(".so")[0]
        found |= {each for each in library.parent.glob(f"{stem}.so*") if each.resolve() == library}
    loader = re.search(rb"/lib[^\0]*/ld-linux[^\0]*", Path(PYTHON).read_bytes()[:8192])
    return sorted(found | ({Path(loader[0].decode())} if loader else set()))
