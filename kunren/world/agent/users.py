"""Who a container's program is: the `user` of a task definition or an image, read with the container's own /etc/passwd
and /etc/group, as Docker reads it ("docker run --user").
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

_FILE_BYTES_MAX = 4 << 20
_ROOT_HOME = "/root"
_ID_MAX = (1 << 31) - 1


class Identity(NamedTuple):
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def identity(wanted: str, passwd: str, group: str) -> Identity:
    """USER, USER:GROUP, each by name or number. A user's groups are those of /etc/group, unless one was named. Raises
    LookupError in runc's words for a name that is in neither file, and for numbers out of its bounds."""
    found = _found(wanted, passwd, group)
    if any(each > _ID_MAX for each in (found.uid, found.gid, *found.groups)):
        raise LookupError(f"uids and gids must be in range 0-{_ID_MAX}")
    return found


def _found(wanted: str, passwd: str, group: str) -> Identity:
    user, _, own_group = wanted.partition(":")
    known = next((each for each in _lines(passwd, 7) if user in (each[0], each[2])), None)
    if user == "":
        known = next((each for each in _lines(passwd, 7) if each[2] == "0"), None)
    if known is not None:
        name, uid, gid, home = known[0], int(known[2]), int(known[3]), known[5] or "/"
    elif user == "" or user.isdecimal():
        name, uid, gid, home = "", int(user or 0), 0, "/"
    else:
        raise LookupError(f"unable to find user {user}: no matching entries in passwd file")
    if not own_group:
        groups = (int(each[2]) for each in _lines(group, 4) if name and name in each[3].split(","))
        return Identity(uid, gid, tuple(groups), home)
    found = next((int(each[2]) for each in _lines(group, 4) if own_group in (each[0], each[2])), None)
    if found is None and not own_group.isdecimal():
        raise LookupError(f"unable to find group {own_group}: no matching entries in group file")
    return Identity(uid, int(own_group) if found is None else found, (), home)


def _lines(text: str, members: int) -> list[list[str]]:
    """The entries of a file such as /etc/passwd that can be read, padded; ids are numbers in all of them."""
    found = [line.split(":") for line in text.splitlines()]
    return [
        [*each, *[""] * (members - len(each))]
        for each in found
        if len(each) > 2 and each[2].isdecimal() and (members < 7 or (len(each) > 3 and each[3].isdecimal()))
    ]


def become(wanted: str, env: dict[str, str]) -> None:
    """Be that user of the root that this process is in, with his standard streams and his home. Raises OSError."""
    try:
        who = identity(wanted, content("/etc/passwd"), content("/etc/group"))
    except LookupError as error:
        raise OSError(0, str(error.args[0])) from None
    for stream in range(3):
        if not stat.S_ISCHR(os.fstat(stream).st_mode):  # /dev/stdout leads to it, and is opened again by many an image
            os.fchown(stream, who.uid, -1)
    os.setgroups(who.groups)
    os.setgid(who.gid)
    os.setuid(who.uid)
    if env.get("HOME", _ROOT_HOME) == _ROOT_HOME:
        env["HOME"] = who.home


def content(path: str) -> str:
    """Of a container's own file; empty where that is something else, which one might wait at for ever."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, errors="replace") as file:
            return file.read(_FILE_BYTES_MAX) if stat.S_ISREG(os.fstat(descriptor).st_mode) else ""
    except OSError:
        return ""
