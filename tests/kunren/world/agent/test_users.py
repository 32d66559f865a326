"""Who a container's user is, by its own files."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.world.agent.users import Identity, content, identity

PASSWD = "root:x:0:0:root:/root:/bin/sh\nnginx:x:101:102:nginx:/var/cache/nginx:/sbin/nologin\nbroken\nhalf:x:y:z\n"
GROUP = "root:x:0:\nnginx:x:102:\ntls:x:300:nginx,root\nlogs:x:301:nginx\n"


@pytest.mark.parametrize(
    ("wanted", "who"),
    [
        ("nginx", Identity(101, 102, (300, 301), "/var/cache/nginx")),
        ("101", Identity(101, 102, (300, 301), "/var/cache/nginx")),
        ("nginx:tls", Identity(101, 300, (), "/var/cache/nginx")),
        ("nginx:77", Identity(101, 77, (), "/var/cache/nginx")),
        ("1000", Identity(1000, 0, (), "/")),
        ("1000:1001", Identity(1000, 1001, (), "/")),
        (":logs", Identity(0, 301, (), "/root")),
        ("root", Identity(0, 0, (300,), "/root")),
    ],
)
def test_users_and_groups_are_found_by_name_and_number(wanted, who):
    assert identity(wanted, PASSWD, GROUP) == who


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("nobody", "unable to find user nobody: no matching entries in passwd file"),
        ("nginx:nobody", "unable to find group nobody: no matching entries in group file"),
        ("half", "unable to find user half: no matching entries in passwd file"),
        ("2147483648", "uids and gids must be in range 0-2147483647"),
        ("nginx:9999999999", "uids and gids must be in range 0-2147483647"),
    ],
)
def test_who_is_in_no_file_is_nobody(wanted, text):
    with pytest.raises(LookupError, match=text):
        identity(wanted, PASSWD, GROUP)


@given(st.integers(0, (1 << 31) - 1), st.integers(0, (1 << 31) - 1), st.text(), st.text())
def test_numbers_need_no_files(uid, gid, passwd, group):
    found = identity(f"{uid}:{gid}", passwd, group)
    assert found.uid == uid or str(uid) in passwd
    assert found.gid == gid or str(gid) in group


def test_a_file_that_nobody_writes_to_is_not_waited_at(tmp_path):
    os.mkfifo(tmp_path / "passwd")
    (tmp_path / "group").write_text(GROUP)
    assert [content(str(tmp_path / each)) for each in ("passwd", "group", "none")] == ["", GROUP, ""]
