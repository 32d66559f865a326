"""User data as cloud-init reads it, and what it makes process 1 of the instance do: pure.

A script (`#!`), `#cloud-config`, `#cloud-boothook`, several of these as a MIME archive, each perhaps compressed by
gzip. Of cloud-config there are `MODULES`; another key is refused by name rather than left out. What is none of these is
not run, as by cloud-init. ("User-data formats" and "Module reference" in cloud-init's documentation; EC2 User Guide,
"Run commands when you launch an EC2 instance with user data input".)
"""

from __future__ import annotations

import base64
import binascii
import gzip
import shlex
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

BYTES_MAX = 16 * 1024
_DECODED_MAX = 1 << 20
_VALUES_MAX = 10_000
MODULES = frozenset({"bootcmd", "runcmd", "write_files", "hostname", "preserve_hostname", "output", "merge_how"})
_MIME = {"text/x-shellscript": "script", "text/cloud-config": "config", "text/cloud-boothook": "boothook"}
_STARTS = ((b"#!", "script"), (b"#cloud-config", "config"), (b"#cloud-boothook", "boothook"))
CLOUD = "/var/lib/cloud"
_ENCODINGS = {"b64", "base64"}, {"gz", "gzip"}, {"gz+b64", "gz+base64", "gzip+base64", "gzip+b64"}, {"text/plain", ""}


class Refused(Exception):
    """The text says what there is not, or what is wrong."""


@dataclass(frozen=True, slots=True)
class Part:
    """`kind` is "script", "config" or "boothook"."""

    kind: str
    content: bytes


def decoded(text: str) -> bytes:
    """The bytes of base64. Raises ValueError."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def parts(data: bytes) -> list[Part]:
    """What is to be run, in order. Raises Refused for what Kunren has not."""
    return list(_parts(data, ""))


def _parts(data: bytes, told: str) -> Iterator[Part]:
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)[:_DECODED_MAX]
        except (OSError, EOFError, zlib.error) as error:
            raise Refused("user data that is compressed and can't be read") from error
    head = data.lstrip()
    if head[:13].lower() == b"content-type:" or head[:13].lower() == b"mime-version:":
        from email import message_from_bytes

        for each in message_from_bytes(head).walk():
            if not each.is_multipart():
                content = each.get_payload(decode=True)
                assert isinstance(content, bytes)
                yield from _parts(content, each.get_content_type())
        return
    kind = next((kind for start, kind in _STARTS if data.startswith(start)), _MIME.get(told))
    if kind == "config":
        config(data)
    if kind is not None:
        yield Part(kind, data)


def config(data: bytes) -> dict[str, Any]:
    """A cloud-config, checked. Raises Refused."""
    import yaml

    try:
        found = yaml.safe_load(data) or {}
    except (yaml.YAMLError, ValueError, AttributeError, LookupError, RecursionError) as error:  # as its constructors do
        raise Refused("cloud-config that is not YAML") from error
    if not isinstance(found, dict):
        raise Refused("cloud-config that is no mapping")
    _check_size(found)
    if unknown := sorted(set(map(str, found)) - MODULES):
        raise Refused(f"cloud-config module {unknown[0]!r} (there are {', '.join(sorted(MODULES))})")
    for name in ("bootcmd", "runcmd", "write_files"):
        if not isinstance(found.get(name) or [], list):
            raise Refused(f"cloud-config whose {name} is no list")
    for file in found.get("write_files") or ():
        if not isinstance(file, dict) or not isinstance(file.get("path"), str) or not file["path"].startswith("/"):
            raise Refused("cloud-config whose write_files has an entry without an absolute path")
        if file.get("owner", "root:root") not in ("root:root", "root", "ec2-user", "ec2-user:ec2-user"):
            raise Refused("files of other owners than root in write_files")
        if not any(str(file.get("encoding", "")) in each for each in _ENCODINGS):
            raise Refused(f"encoding {file['encoding']!r} in write_files")
        _written(file)
    return found


def _check_size(found: Any) -> None:
    """Raises Refused where aliases make far more of the text than there is, or something without an end."""
    left, seen = [found], 0
    while left:
        each = left.pop()
        seen += 1
        if seen > _VALUES_MAX:
            raise Refused(f"cloud-config of more than {_VALUES_MAX} values")
        if isinstance(each, dict):
            left.extend(each.values())
        elif isinstance(each, list | tuple | set):
            left.extend(each)


def plan(instance_id: str, given: Sequence[Part], keys: Sequence[str] = (), hostname: str = "") -> list[dict[str, Any]]:
    """The boot plan (`kunren.world.agent.init`): what is done at each boot, and what at the first boot alone."""
    once = f"{CLOUD}/instances/{instance_id}/sem"
    configs = [config(each.content) for each in given if each.kind == "config"]
    hooks = [each.content for each in given if each.kind == "boothook"]
    scripts = [each.content for each in given if each.kind == "script"]
    steps: list[dict[str, Any]] = []
    names = [str(each["hostname"]) for each in configs if each.get("hostname")]
    steps.append({"files": [_file("/etc/hostname", f"{(names or [hostname])[-1]}\n")]})
    if keys:
        files = [
            _file(f"{home}/.ssh/authorized_keys", "\n".join(keys) + "\n", 0o600) for home in ("/root", "/home/ec2-user")
        ]
        steps.append({"once": f"{once}/config_ssh", "files": files})
    early = [f"{CLOUD}/instance/boothooks/part-{number:03}" for number, _ in enumerate(hooks, 1)]
    for path, content in zip(early, hooks, strict=True):
        steps.append({"files": [_file(path, content.partition(b"\n")[2] if content[:2] != b"#!" else content, 0o700)]})
        steps.append({"argv": [path]})
    for commands in filter(None, (each.get("bootcmd") for each in configs)):
        path = f"{CLOUD}/instance/scripts/bootcmd"
        steps.append({"files": [_file(path, _shell(commands), 0o700)], "argv": ["/bin/sh", path]})
    written = [_written(each) for found in configs for each in found.get("write_files") or ()]
    if written:
        steps.append({"once": f"{once}/config_write_files", "files": written})
    for folder, mark in (
        ("per-once", f"{CLOUD}/sem/scripts_per_once.once"),
        ("per-boot", ""),
        ("per-instance", f"{once}/config_scripts_per_instance"),
    ):
        steps.append({**({"once": mark} if mark else {}), "folder": f"{CLOUD}/scripts/{folder}"})
    late = [
        _file(f"{CLOUD}/instance/scripts/part-{number:03}", content, 0o700) for number, content in enumerate(scripts, 1)
    ]
    commands = [each for found in configs for each in found.get("runcmd") or ()]
    if commands:
        late.append(_file(f"{CLOUD}/instance/scripts/runcmd", _shell(commands), 0o700))
    if late:
        # One step, so that an instance that ends in the middle of it does not begin it once more.
        user_scripts = f"{CLOUD}/instance/scripts/user"
        run = "".join(f"{shlex.quote(each['path'])}\n" for each in late)
        late.append(_file(user_scripts, f"#!/bin/sh\n{run}".encode(), 0o700))
        steps.append({"once": f"{once}/config_scripts_user", "files": late, "argv": [user_scripts]})
    steps.append({"files": [_file(f"{CLOUD}/instance/boot-finished", "")]})
    return steps


def _file(path: str, content: bytes | str, mode: int = 0o644) -> dict[str, Any]:
    data = content.encode() if isinstance(content, str) else content
    return {"path": path, "content": base64.b64encode(data).decode(), "mode": mode}


def _written(file: dict[str, Any]) -> dict[str, Any]:
    encoding, content = str(file.get("encoding", "")), file.get("content") or ""
    data = content if isinstance(content, bytes) else str(content).encode()
    try:
        if "b64" in encoding or "base64" in encoding:
            data = base64.b64decode(b"".join(data.split()), validate=True)
        if "gz" in encoding:
            data = gzip.decompress(data)
        mode = int(str(file.get("permissions", "0644")), 8)
        if not 0 <= mode <= 0o7777 or "\0" in file["path"]:
            raise ValueError("no path, or no permissions, that a file can have")
        return {**_file(file["path"], data, mode), "append": bool(file.get("append"))}
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise Refused(f"write_files of {file['path']}, whose content or permissions can't be read") from error


def _shell(commands: Sequence[Any]) -> bytes:
    """Commands as a script, as cloud-init makes it: a list is a program with its arguments, a text is for the shell."""
    lines = [shlex.join(map(str, each)) if isinstance(each, list) else str(each) for each in commands]
    return ("#!/bin/sh\n" + "\n".join(lines) + "\n").encode()
