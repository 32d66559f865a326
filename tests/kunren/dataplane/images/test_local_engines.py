"""Images of an engine of this machine: asked over its socket, by Docker's API; Podman itself where it is there."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer

import pytest

from kunren.dataplane.images.archives import MACHINE
from kunren.dataplane.images.images import CannotPull, Images
from kunren.dataplane.images.store import ImageStore
from kunren.world import container_engines

TAKEN = "sha256:" + "7" * 64


def archive(text):
    """What `docker save` writes of an image with one file."""
    inner, outer = io.BytesIO(), io.BytesIO()
    _write(inner, {"said": text.encode()})
    config = {"architecture": MACHINE, "config": {"Cmd": ["/run"]}, "rootfs": {"diff_ids": [_digest(inner)]}}
    manifest = [{"Config": "c.json", "Layers": ["l.tar"], "RepoTags": None}]
    _write(
        outer,
        {
            "c.json": json.dumps(config).encode(),
            "l.tar": inner.getvalue(),
            "manifest.json": json.dumps(manifest).encode(),
        },
    )
    return outer.getvalue()


def _write(file, members):
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def _digest(file):
    return f"sha256:{hashlib.sha256(file.getvalue()).hexdigest()}"


class Engine(ThreadingMixIn, UnixStreamServer):
    """`images` by name: id, archive, and what else an inspection says."""

    daemon_threads = True

    def __init__(self, path):
        self.images, self.asked = {}, []
        super().__init__(str(path), Answering)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        name, _, what = self.path.removeprefix("/v1.24/images/").rpartition("/")
        found = self.server.images.get(name)
        if what == "get":
            found = next((each for each in self.server.images.values() if each[0] == name), None)
        body = b'{"message": "No such image"}'
        if found is not None:
            body = found[1] if what == "get" else json.dumps({"Id": found[0], **found[2]}).encode()
        self.send_response(404 if found is None else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *parts):
        pass

    def address_string(self):
        return ""


@pytest.fixture
def engine(tmp_path):
    with Engine(tmp_path / "engine.sock") as server:
        yield server
        server.shutdown()


@pytest.fixture
def pull(tmp_path):
    images = Images(ImageStore(tmp_path / "images"), lambda: [tmp_path / "engine.sock"])
    return lambda name: asyncio.run(images.rootfs(name))


def said(image):
    with open(f"{image.root}/said") as file:
        return file.read()


def test_what_only_the_engine_has_is_taken_out_of_it_once(engine, pull):
    digest = "sha256:" + "5" * 64
    engine.images["shop/web:2"] = (TAKEN, archive("hello"), {"RepoDigests": [f"shop/web@{digest}"]})
    found = pull("shop/web:2")
    assert (said(found), found.command, found.manifest_digest) == ("hello", ("/run",), digest)
    assert pull("shop/web:2") == found
    assert engine.asked == [
        "/v1.24/images/shop/web:2/json", f"/v1.24/images/{TAKEN}/get", "/v1.24/images/shop/web:2/json",
    ]  # fmt: skip


def test_a_tag_that_has_moved_is_another_image(engine, pull):
    engine.images["web"] = (TAKEN, archive("one"), {})
    assert said(pull("web")) == "one"
    engine.images["web"] = ("sha256:" + "8" * 64, archive("two"), {})
    assert said(pull("web")) == "two"


def test_a_name_of_ecr_is_not_looked_for_there(engine, pull):
    name = "000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1"
    engine.images[name] = (TAKEN, archive("tagged, never pushed"), {})
    with pytest.raises(CannotPull, match="web:1: not found"):
        pull(name)
    assert engine.asked == []


def test_what_it_does_not_have_is_missing_as_without_it(engine, pull):
    with pytest.raises(CannotPull, match="pull access denied, repository does not exist or may require authorization"):
        pull("nowhere:1")


@pytest.mark.parametrize("more, content, told", [
    ({"Architecture": "s390x"}, archive("x"), "does not contain descriptor matching platform"),
    ({}, b"no archive", "failed to take web out of the engine"),
])  # fmt: skip
def test_an_image_that_can_not_be_used_says_why(engine, pull, more, content, told):
    engine.images["web"] = (TAKEN, content, more)
    with pytest.raises(CannotPull, match=told):
        pull("web")


def test_an_engine_that_has_gone_is_none(engine, pull, tmp_path):
    engine.shutdown()
    engine.server_close()
    with pytest.raises(CannotPull, match="pull access denied"):
        pull("web")


def test_the_socket_that_docker_host_names_is_the_only_one(tmp_path, engine):
    path = tmp_path / "engine.sock"
    (tmp_path / "docker.sock").symlink_to(path)
    assert container_engines.sockets({"DOCKER_HOST": f"unix://{path}", "XDG_RUNTIME_DIR": str(tmp_path)}) == [path]
    assert container_engines.sockets({"DOCKER_HOST": "tcp://engine.test:2376"}) == []
    assert tmp_path / "docker.sock" in container_engines.sockets({"XDG_RUNTIME_DIR": str(tmp_path)})


@pytest.fixture
def run():
    """A folder whose path has less than 50 characters, as Podman wants it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield folder


@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("podman", "conmon", "runc"))),
    reason="it takes root, podman, conmon and runc",
)
def test_podman_has_what_was_imported_into_it(tmp_path, pull, run):
    (tmp_path / ".config" / "containers").mkdir(parents=True)
    (tmp_path / ".config" / "containers" / "policy.json").write_text(
        '{"default": [{"type": "insecureAcceptAnything"}]}'
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    stores = [
        "--root",
        str(tmp_path / "root"),
        "--runroot",
        run,
        "--tmpdir",
        f"{run}/tmp",
        "--runtime",
        "runc",
        "--storage-driver",
        "vfs",
        "--cgroup-manager",
        "cgroupfs",
    ]
    with (tmp_path / "root.tar").open("wb") as file:
        _write(file, {"said": b"built here"})
    imported = ["podman", *stores, "import", "-c", "CMD /run", str(tmp_path / "root.tar"), "localhost/shop:1"]
    done = subprocess.run(imported, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    socket = f"unix://{tmp_path / 'engine.sock'}"
    serving = subprocess.Popen(["podman", *stores, "system", "service", "--time", "0", socket], env=environment)
    try:
        for _ in range(600):
            if (tmp_path / "engine.sock").exists():
                break
            try:
                serving.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        found = pull("shop:1")
    finally:
        serving.terminate()
        serving.wait(30)
    assert (said(found), found.manifest_digest.startswith("sha256:")) == ("built here", True)
