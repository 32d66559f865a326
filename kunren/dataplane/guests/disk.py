"""Root file systems as folders: made from the machine, copied, measured, deleted.

A disk holds what is the guest's own: /etc, /home, /opt, /root, /srv, /tmp, /var. The machine's programs (`programs`)
are laid over it when the guest starts, to be read only; so a new disk is a few hundred small files. These block.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""Where guests find the roots that they trust."""
_FOLDERS = (
    "boot", "dev", "etc", "home/ec2-user", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp",
    "var/cache", "var/lib", "var/log", "var/spool", "var/tmp", "etc/ssl/certs",
)  # fmt: skip
_OPEN = ("tmp", "var/tmp")
_TOP = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
# What programs of the machine look for in /etc and nobody needs to keep for himself.
_OF_ETC = (
    "alternatives", "bash.bashrc", "debian_version", "fonts", "host.conf", "inputrc", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "locale.alias", "localtime", "login.defs", "magic", "magic.mime", "mime.types", "networks",
    "os-release", "pam.conf", "pam.d", "perl", "profile", "profile.d", "protocols", "python3", "redhat-release",
    "rpc", "security", "services", "shells", "skel", "terminfo", "timezone", "ssl/openssl.cnf",
    "pki/tls/openssl.cnf", "crypto-policies",
)  # fmt: skip
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nec2-user:x:0:0:ec2-user:/home/ec2-user:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nec2-user:x:0:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    "etc/resolv.conf": "",
    "var/log/cloud-init-output.log": "",
}


def programs() -> tuple[str, ...]:
    """The machine's folders that guests see: /usr, and those at the top that are no links into it."""
    return ("/usr", *(f"/{each}" for each in _TOP if Path("/", each).is_dir() and not Path("/", each).is_symlink()))


def make(disk: Path) -> None:
    """A new disk there, made from this machine. Half of one that was left there is made anew."""
    new = disk.with_name(f"{disk.name}.new")
    remove(new)
    for folder in (*_FOLDERS, *(each.strip("/") for each in programs())):
        (new / folder).mkdir(parents=True, exist_ok=True)
    for folder in _OPEN:
        (new / folder).chmod(0o1777)
    for name in _TOP:
        if Path("/", name).is_symlink():
            (new / name).symlink_to(Path("/", name).readlink())
    (new / "var/run").symlink_to("/run")
    for name in _OF_ETC:
        _copy_readable(Path("/etc", name), new / "etc" / name)
    for name, text in _FILES.items():
        (new / name).write_text(text)
    (new / "root").chmod(0o700)
    new.rename(disk)


def bare(disk: Path) -> bool:
    """Whether the machine's programs are to be laid over it: it has none of its own."""
    usr = disk / "usr"
    return not usr.is_symlink() and usr.is_dir() and not any(usr.iterdir())


def complete(disk: Path) -> None:
    """Have a root with programs of its own be a guest's: with the folders and files that every guest finds. Nothing of
    it may have changed since it was copied, as links in it are taken for the image's."""
    for folder in (*_FOLDERS, "usr/local/bin"):
        _folder(disk, folder)
    for name in ("etc/passwd", "etc/group"):
        if not os.path.lexists(disk / name):
            (disk / name).write_text(_FILES[name])


def _folder(disk: Path, path: str) -> None:
    """Have a folder there, or leave what is in its way: a link may lead out."""
    place = disk
    for part in path.split("/"):
        place = place / part
        if os.path.lexists(place):
            if place.is_symlink() or not place.is_dir():
                return
        else:
            place.mkdir()


def _copy_readable(source: Path, target: Path) -> None:
    """Copy what everybody may read of it."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for each in sorted(source.iterdir()) if source.stat().st_mode & 0o4 else ():
            _copy_readable(each, target / each.name)
    elif source.is_file() and source.stat().st_mode & 0o4:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(source.stat().st_mode & 0o755)


def copy(source: Path, disk: Path) -> None:
    """The same content there, sharing blocks where the file system can. Raises OSError."""
    if source.is_symlink():
        raise OSError(f"no disk but a link: {source}")
    new = disk.with_name(f"{disk.name}.new")
    remove(new)
    new.parent.mkdir(parents=True, exist_ok=True)
    _copied(str(source), new)
    new.rename(disk)


def fill(source: Path, folder: Path) -> None:
    """Have the folder be as the other one is, with what that has. Raises OSError."""
    _copied(f"{source}/.", folder)


def _copied(source: str, target: Path) -> None:
    command = ["cp", "-a", "--reflink=auto", "--", source, str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"a disk could not be copied: {done.stderr.strip()[-300:]}")


def make_room(own: Path) -> None:
    """Have folders for what a guest changes of a root that it shares."""
    for name in ("upper", "work"):
        (own / name).mkdir(parents=True, exist_ok=True)


def copy_once(shared: Path, own: Path) -> Path:
    """The guest's copy of a root that it would share if the machine could lay folders over each other; made when it is
    first asked for. Raises OSError."""
    if not (own / "copy").exists():
        copy(shared, own / "copy")
    return own / "copy"


def remove(disk: Path) -> None:
    """Delete it; nothing happens where there is none. Where a guest has put something else, that is deleted: of a link,
    what it leads to stays."""
    if disk.is_symlink() or not disk.is_dir():
        disk.unlink(missing_ok=True)
        return
    _open(disk)
    for folder, below, _ in os.walk(disk):
        for name in below:  # before they are looked into: a guest may have made some that even their owner can't enter
            _open(Path(folder, name))
    shutil.rmtree(disk)


def _open(folder: Path) -> None:
    if not folder.is_symlink() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        folder.chmod(0o700)
