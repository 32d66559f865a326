"""Images as `docker save` and OCI tools write them, unpacked: layers over each other, and no way out of the folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from kunren.dataplane.images.layers import apply
from kunren.dataplane.images.store import BROKEN, ImageStore, NoImage


def member(name: str, text: str | None = None, link: str = "", hard: bool = False, mode: int = 0o644):
    made = tarfile.TarInfo(name)
    made.mode = mode
    if link:
        made.type, made.linkname = (tarfile.LNKTYPE if hard else tarfile.SYMTYPE), link
    elif text is None:
        made.type, made.mode = tarfile.DIRTYPE, 0o555
    else:
        made.size = len(text)
    return made, io.BytesIO((text or "").encode())


def packed(*members, mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for made, content in members:
            tar.addfile(made, content)
    return out.getvalue()


def configured(*layers: bytes, **config) -> bytes:
    plain = [gzip.decompress(each) if each[:2] == b"\x1f\x8b" else each for each in layers]
    diff_ids = [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in plain]
    return json.dumps({"config": config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()


def only(images: ImageStore, source: Path, name: str):
    """The one image that is loaded."""
    (loaded,) = images.load(source, name).values()
    return loaded


def saved(path: Path, *layers: bytes, **config) -> Path:
    """An archive as `docker save` writes it."""
    files = {f"{number}/layer.tar": layer for number, layer in enumerate(layers)}
    files["config.json"] = configured(*layers, **config)
    files["manifest.json"] = json.dumps([{"Config": "config.json", "Layers": list(files)[: len(layers)]}]).encode()
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            made = tarfile.TarInfo(name)
            made.size = len(content)
            tar.addfile(made, io.BytesIO(content))
    return path


@pytest.fixture
def images(tmp_path):
    return ImageStore(tmp_path / "images")


def test_layers_lie_over_each_other_and_whiteouts_take_away(images, tmp_path):
    lower = packed(
        member("a/one", "1"), member("a/two", "2"), member("b/inner/file", "3"), member("c", "4"), member("d/e", "5"),
        mode="w:gz",
    )  # fmt: skip
    upper = packed(
        member("a/.wh.one", ""), member("b/.wh..wh..opq", ""), member("b/new", "6"), member("c"), member("c/now", "7"),
        member("d", "a file now"), member("run.sh", "8", mode=0o4755),
    )  # fmt: skip
    image = only(images, saved(tmp_path / "i.tar", lower, upper, Cmd=["x"], Env=["A=b=c"]), "my/image:v1")
    root = Path(image.root)
    own = {"a/two", "b/new", "c/now", "d", "run.sh"}
    laid = {"etc/hosts", "etc/resolv.conf", "etc/kunren/ca-bundle.pem"}
    assert {str(each.relative_to(root)) for each in root.rglob("*") if each.is_file()} == own | laid
    assert (root / "d").read_text() == "a file now"
    assert (root / "run.sh").stat().st_mode & 0o7777 == 0o755
    assert (image.command, image.entry_point, image.environment) == (("x",), (), {"A": "b=c"})
    assert all((root / each).is_dir() for each in ("dev", "proc", "sys", "tmp"))


def test_links_lead_where_they_would_if_the_image_were_the_machine(images, tmp_path):
    (tmp_path / "outside").mkdir()
    layer = packed(
        member("usr/lib/x", "x"), member("lib", link="usr/lib"), member("abs", link="/usr"),
        member("out", link=str(tmp_path / "outside")), member("up", link="../../../../../.."),
    )  # fmt: skip
    over = packed(
        member("lib/y", "y"), member("abs/z", "z"), member("out/escaped", "e"), member("up/higher", "h"),
        member("../../dots", "d"), member("same", link="lib/x", hard=True),
    )  # fmt: skip
    root = Path(only(images, saved(tmp_path / "i.tar", layer, over), "links").root)
    assert sorted(each.name for each in (root / "usr/lib").iterdir()) == ["x", "y"]
    assert (root / "usr" / "z").read_text() == "z"
    assert (root / "higher").read_text() == "h"
    assert (root / "dots").read_text() == "d"
    assert (root / "same").read_text() == "x"
    assert not list((tmp_path / "outside").iterdir())
    assert (root / str(tmp_path / "outside").lstrip("/") / "escaped").read_text() == "e"


def test_names_move_on_and_digests_stay(images, tmp_path):
    one = only(images, saved(tmp_path / "1.tar", packed(member("f", "1")), Cmd=["1"]), "it:1")
    again = images.load(saved(tmp_path / "1.tar", packed(member("f", "1")), Cmd=["1"]), "docker.io/library/it")
    assert again == {"docker.io/library/it:latest": one}
    two = only(images, saved(tmp_path / "2.tar", packed(member("f", "22")), Cmd=["2"]), "it:1")
    assert (images.loaded("it:1"), images.loaded("it"), images.loaded("library/it:latest")) == (two, one, one)
    assert images.loaded(f"whatever@sha256:{one.digest}") == one
    assert images.get(one.digest).root == one.root
    found = {name: each.config for name, each in images.names().items()}
    assert found == {"docker.io/library/it:1": two.digest, "docker.io/library/it:latest": one.digest}
    assert images.forget("it:1") and not images.forget("it:1")
    assert images.loaded("it:1") is None


def test_an_oci_archive_with_an_index_of_platforms_is_read_too(images, tmp_path):
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, **more) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"digest": f"sha256:{digest}", "mediaType": "x", **more}

    content = packed(member("f", "here"))
    manifest = {"config": blob(configured(content, Entrypoint=["/e"])), "layers": [blob(content)]}
    other = blob(b"{}", platform={"architecture": "s390x"})
    index = {"manifests": [other, blob(json.dumps(manifest).encode())]}
    blobs["index.json"] = json.dumps({"manifests": [blob(json.dumps(index).encode())]}).encode()
    with tarfile.open(tmp_path / "i.tar", "w") as tar:
        for name, content in blobs.items():
            made = tarfile.TarInfo(name)
            made.size = len(content)
            tar.addfile(made, io.BytesIO(content))
    image = only(images, tmp_path / "i.tar", "oci:1")
    assert (image.entry_point, (Path(image.root) / "f").read_text()) == (("/e",), "here")


def test_what_is_no_image_leaves_nothing(images, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no archive")
    for source in (tmp_path / "empty", tmp_path / "text", tmp_path / "missing"):
        with pytest.raises(NoImage, match="is no image that can be read"):
            images.load(source, "x:1")
    with pytest.raises(NoImage, match="no name of an image"):
        images.load(tmp_path / "text", "Not A Name")
    assert images.names() == {}


def test_layers_are_those_that_the_configuration_names(images, tmp_path):
    """Otherwise an image with another's configuration and layers of its own would be taken for that one."""
    genuine, other = packed(member("f", "1")), packed(member("f", "2"))
    config = configured(genuine)
    for layers in ([other], [genuine, other], []):
        with pytest.raises(ValueError, match="configuration"):
            images.unpack(config, [lambda each=each: io.BytesIO(each) for each in layers])
    assert (Path(images.unpack(config, [lambda: io.BytesIO(genuine)]).root) / "f").read_text() == "1"


def test_a_whiteout_takes_nothing_away_but_a_file_beside_it(images, tmp_path):
    lower = packed(member("a/b/c", "1"))
    for name in (".wh.", ".wh..", ".wh...", "a/b/.wh...", "a/b/.wh."):
        with pytest.raises(NoImage, match="no whiteout"):
            images.load(saved(tmp_path / "i.tar", lower, packed(member(name, ""))), "x")
    assert not [each for each in (tmp_path / "images").iterdir() if each.is_dir()]


def headed(size: bytes, type: bytes = tarfile.REGTYPE) -> bytes:
    """An archive that begins with a header that claims to be so large."""
    made = tarfile.TarInfo("f")
    made.type = type
    block = bytearray(made.tobuf())
    block[124:136] = size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(10240)


@pytest.mark.parametrize(
    "layer",
    [
        headed(b"\xff" * 12),  # minus one
        headed(b"%011o\0" % (1 << 32), tarfile.GNUTYPE_LONGNAME),  # would be read into memory
        headed(b"%011o\0" % (1 << 32), tarfile.XHDTYPE),
        gzip.compress(packed(member("f", "x" * 100_000)))[:60],  # cut off
        gzip.compress(packed(member("f", "x" * 100_000)))[:40] + b"damaged" * 9,
    ],
    ids=["negative", "name", "pax", "short", "damaged"],
)
def test_archives_made_to_harm_are_refused(images, layer):
    config = json.dumps({"rootfs": {"diff_ids": ["sha256:0"]}}).encode()
    with pytest.raises(BROKEN):
        images.unpack(config, [lambda: io.BytesIO(layer)])


def test_what_is_packed_small_and_endless_is_refused_in_time(tmp_path):
    bombs = [
        gzip.compress(packed(member(".wh.x", "0" * (1 << 20)))), gzip.compress(bytes(4 << 20)),
        gzip.compress(packed(member("f", "0" * (1 << 20)))),
    ]  # fmt: skip
    for bomb in bombs:
        with pytest.raises(ValueError, match="larger"):
            apply(io.BytesIO(bomb), "sha256:0", tmp_path, 0, 1 << 19)


def test_each_image_of_an_archive_is_loaded_under_its_own_names(images, tmp_path):
    one, two = packed(member("f", "1")), packed(member("f", "2"))
    files = {"1.tar": one, "2.tar": two, "1.json": configured(one), "2.json": configured(two)}
    told = [
        {"Config": "1.json", "RepoTags": ["one:1", "one:2"], "Layers": ["1.tar"]},
        {"Config": "2.json", "RepoTags": ["two:1"], "Layers": ["2.tar"]},
    ]
    blobs = {f"blobs/sha256/{hashlib.sha256(each).hexdigest()}": each for each in files.values()}
    described = {name: {"digest": f"sha256:{hashlib.sha256(each).hexdigest()}"} for name, each in files.items()}
    index = []
    for number, names in (("1", ["one:1", "one:2"]), ("2", ["two:1"])):
        manifest = {"config": described[f"{number}.json"], "layers": [described[f"{number}.tar"]]}
        text = json.dumps(manifest).encode()
        blobs[f"blobs/sha256/{hashlib.sha256(text).hexdigest()}"] = text
        index += [
            {
                "digest": f"sha256:{hashlib.sha256(text).hexdigest()}",
                "annotations": {"io.containerd.image.name": f"docker.io/library/{each}"},
            }
            for each in names
        ]
    for number, contents in enumerate(
        ({**files, "manifest.json": json.dumps(told).encode()},
         {**blobs, "index.json": json.dumps({"manifests": index}).encode()})
    ):  # fmt: skip
        folder = tmp_path / str(number)
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        found = {name: (Path(each.root) / "f").read_text() for name, each in images.load(folder).items()}
        names = ("docker.io/library/one:1", "docker.io/library/one:2", "docker.io/library/two:1")
        assert found == dict(zip(names, "112", strict=True))
        with pytest.raises(NoImage, match="2 images"):
            images.load(folder, "x")


def test_what_nothing_means_any_more_goes(images, tmp_path):
    files = {name: saved(tmp_path / f"{name}.tar", packed(member("f", name)), Cmd=[name]) for name in "abc"}
    a, b, c = (only(images, source, name) for name, source in files.items())
    half = Path(a.root).parent.with_name("0.new")
    half.mkdir()
    for name in "bc":
        images.forget(name)
    images.sweep({c.digest})
    assert (images.loaded("a"), images.get(b.digest), images.get(c.digest).root) == (a, None, c.root)
    assert not half.exists() and not Path(b.root).exists()
    assert only(images, files["b"], "b") == b
