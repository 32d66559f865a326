import io
import os
import stat
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.lambda_.code import CodeStore, check
from kunren.services.lambda_.errors import InvalidParameterValueException

REFUSED = "Could not unzip uploaded file. Please check your file, then try to upload again."


def archive(*entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, data)
    return out.getvalue()


def test_a_package_is_kept_and_unpacked_with_its_permissions(tmp_path):
    store = CodeStore(tmp_path)
    package = archive(("bootstrap", b"#!/bin/sh", 0o100755), ("lib/a.py", b"x", 0o100600))
    code = store.put(package)
    assert code.size == len(package)
    assert store.package(code.sha256).read_bytes() == package
    folder = store.unpack(code.sha256)
    assert os.access(folder / "bootstrap", os.X_OK)
    assert stat.S_IMODE((folder / "lib" / "a.py").stat().st_mode) == 0o644
    assert store.unpack(code.sha256) == folder


def test_a_small_package_that_was_put_is_known_as_long_as_it_is_there(tmp_path):
    store = CodeStore(tmp_path)
    package = archive(("a.py", b"x", 0o100644))
    assert store.kept(package) is None
    code = store.put(package)
    assert store.kept(package) == code
    assert store.kept(package + b"another") is None
    store.package(code.sha256).unlink()
    assert store.kept(package) is None
    large = archive(("a", os.urandom(100_000), 0o100644))
    store.put(large)
    assert store.kept(large) is None


def test_links_inside_are_made_and_links_out_are_refused(tmp_path):
    store = CodeStore(tmp_path)
    link = stat.S_IFLNK | 0o777
    inside = store.put(archive(("a/real", b"x", 0o100644), ("a/link", b"../a/real", link)))
    assert (store.unpack(inside.sha256) / "a" / "link").read_text() == "x"
    for aim in (b"../../etc/passwd", b"/etc/passwd"):
        with pytest.raises(InvalidParameterValueException, match="Could not unzip"):
            store.put(archive(("a/link", aim, link)))


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil"])
def test_paths_that_leave_the_folder_are_refused(name):
    with pytest.raises(InvalidParameterValueException) as caught:
        check(archive((name, b"x", 0o100644)))
    assert caught.value.message == REFUSED


def test_what_is_no_archive_is_refused():
    for package in (b"", b"no zip", archive(("a", b"x" * 1000, 0o100644))[:-30]):
        with pytest.raises(InvalidParameterValueException) as caught:
            check(package)
        assert caught.value.message == REFUSED


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_holds():
    bomb = archive(*((f"{number}", b"\0" * 30_000_000, 0o100644) for number in range(9)))
    assert len(bomb) < 1_000_000
    with pytest.raises(InvalidParameterValueException) as caught:
        check(bomb)
    assert caught.value.message == "Unzipped size must be smaller than 262144000 bytes"
    liar = bytearray(bomb)
    at = 0
    while (at := liar.find(b"PK\x01\x02", at)) >= 0:  # the directory says that every entry is one byte
        struct.pack_into("<I", liar, at + 24, 1)
        at += 4
    with pytest.raises(InvalidParameterValueException):
        check(bytes(liar))


def test_unused_packages_are_dropped(tmp_path):
    store = CodeStore(tmp_path)
    one, two = store.put(archive(("a", b"1", 0))), store.put(archive(("a", b"2", 0)))
    store.unpack(one.sha256), store.unpack(two.sha256)
    store.discard_except({one.sha256})
    assert store.package(one.sha256).exists() and store.folder(one.sha256).exists()
    assert not store.package(two.sha256).exists() and not store.folder(two.sha256).exists()


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_otherwise(data):
    try:
        check(data)
    except InvalidParameterValueException:
        pass


def test_versions_that_share_a_package_may_unpack_it_at_once(tmp_path):
    store = CodeStore(tmp_path)
    code = store.put(archive(*((f"{number}.py", b"x", 0o100644) for number in range(200))))
    with ThreadPoolExecutor(4) as threads:
        folders = set(threads.map(store.unpack, [code.sha256] * 4))
    assert [len(list(each.iterdir())) for each in folders] == [200]
    assert len(list((tmp_path / "code").iterdir())) == 1
