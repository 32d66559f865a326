"""Data volumes inside a guest: what its `mkfs`, `blkid`, `mount` and `umount` do with them.

There are no block devices. A volume is a folder at FOLDER/xvdX, there while it is attached; /dev/xvdX, /dev/sdX and
/dev/nvmeNn1 are links to it, so that what waits for a device sees it come. `mkfs` writes what file system it "has"
(`type`, `uuid`) and an empty folder `files`, which `mount` binds, with the machine's own mount. What is mounted has a
mark beside it, FOLDER/.mounted-xvdX, for the daemon, which detaches nothing that is. Whatever is no such device is left
to the machine's own programs of these names.
"""

from __future__ import annotations

import os
from string import ascii_lowercase

FOLDER = "/run/kunren/volumes"
MARK = ".mounted-"
LETTERS = ascii_lowercase[1:]
COMMANDS = ("mkfs", "mkfs.ext2", "mkfs.ext3", "mkfs.ext4", "mkfs.xfs", "blkid", "mount", "umount")
SCRIPT = r"""#!/bin/sh
V=/run/kunren/volumes
name=${0##*/}

own() { # the machine's program of our name
    for each in /usr/sbin /usr/bin /sbin /bin; do
        [ -x "$each/$name" ] && exec "$each/$name" "$@"
    done
    echo "$name: command not found" >&2
    exit 127
}

folder() { # of a device, by its path or what it is called by in fstab
    case $1 in
    UUID=*)
        for each in "$V"/xvd*; do
            [ "UUID=$(cat "$each/uuid" 2> /dev/null)" = "$(echo "$1" | tr -d '"')" ] && echo "$each"
        done ;;
    /dev/*)
        found=$(readlink -f -- "$1") && case $found in "$V"/*) [ -d "$found" ] && echo "$found" ;; esac ;;
    esac
}

attach() { # device, mount point, options
    at=$(folder "$1")
    [ -d "$2" ] || { echo "mount: $2: mount point does not exist." >&2; return 32; }
    if [ ! -f "$at/type" ]; then
        echo "mount: $2: wrong fs type, bad option, bad superblock on $1, missing codepage or helper program," \
            "or other error." >&2
        return 32
    fi
    /usr/bin/mount --bind "$at/files" "$2" || return
    touch "$V/.mounted-${at##*/}"
    case ,$3, in *,ro,*) /usr/bin/mount -o remount,bind,ro "$2" ;; esac
}

in_fstab() { # device or mount point; all where none is given
    while read -r device point type options rest; do
        [ -n "$(folder "$device")" ] || continue
        case $1 in
        "") case ,$options, in *,noauto,*) continue ;; esac; mountpoint -q "$point" && continue ;;
        *) [ "$1" = "$device" ] || [ "$1" = "$point" ] || continue ;;
        esac
        attach "$device" "$point" "$options" || return
        [ -z "$1" ] || return 0
    done < /etc/fstab
    [ -z "$1" ]
}

make() {
    type=ext2 force='' device=''
    case $name in mkfs.*) type=${name#mkfs.} ;; esac
    for each in "$@"; do
        case $each in /dev/*) device=$each ;; -f) force=1 ;; esac
        [ "$before" = -t ] && type=$each
        before=$each
    done
    at=$(folder "$device")
    [ -n "$at" ] || own "$@"
    [ -e "$V/.mounted-${at##*/}" ] && { echo "$device is mounted; will not make a filesystem here!" >&2; exit 1; }
    if [ "$type" = xfs ] && [ -z "$force" ] && [ -f "$at/type" ]; then
        echo "mkfs.xfs: $device appears to contain an existing filesystem ($(cat "$at/type"))." >&2
        exit 1
    fi
    rm -rf "$at/type" "$at/files" && mkdir "$at/files" && cat /proc/sys/kernel/random/uuid > "$at/uuid" &&
        echo "$type" > "$at/type"
}

identify() {
    output='' tag='' devices=''
    for each in "$@"; do
        case $before,$each in
        -o,*) output=$each ;;
        -s,*) tag=$each ;;
        *,/dev/*) devices="$devices $each" ;;
        esac
        before=$each
    done
    code=2
    for device in ${devices:-$(ls "$V" 2> /dev/null | sed -n 's,^xvd,/dev/xvd,p')}; do
        at=$(folder "$device")
        [ -n "$at" ] || own "$@"
        [ -f "$at/type" ] || continue
        code=0 line=$device:
        for pair in "UUID=$(cat "$at/uuid")" "TYPE=$(cat "$at/type")"; do
            [ -z "$tag" ] || [ "$tag" = "${pair%%=*}" ] || continue
            if [ "$output" = value ]; then echo "${pair#*=}"; else line="$line ${pair%%=*}=\"${pair#*=}\""; fi
        done
        [ "$output" = value ] || echo "$line"
    done
    exit $code
}

case $name in
mkfs*) make "$@" ;;
blkid) identify "$@" ;;
umount)
    for target in "$@"; do :; done
    at=$(folder "$target")
    [ -n "$at" ] || at=$(for each in "$V"/xvd*; do [ "$each/files" -ef "$target" ] && echo "$each"; done)
    if [ -e "$target" ] && [ -n "$(folder "$target")" ]; then
        while read -r id up device root point rest; do
            [ "$point/." -ef "$at/files" ] && target=$point && break
        done < /proc/self/mountinfo
        set -- "$target"
    fi
    /usr/bin/umount "$@" || exit
    [ -z "$at" ] || rm -f "$V/.mounted-${at##*/}" ;;
mount)
    options='' words=''
    for each in "$@"; do
        case $before in
        -t) ;;
        -o) options=$each ;;
        *) case $each in -a | --all) [ "$#" = 1 ] && all=1 ;; -*) ;; *) words="$words $each" ;; esac ;;
        esac
        before=$each
    done
    [ -z "$all" ] || { [ ! -f /etc/fstab ] || in_fstab ''; exit; }
    set_words() { first=$1 second=$2 count=$#; }
    set_words $words
    if [ "$count" = 2 ] && [ -n "$(folder "$first")" ]; then
        attach "$first" "$second" "$options"
        exit
    fi
    if [ "$count" = 1 ] && [ -f /etc/fstab ]; then in_fstab "$first" && exit; fi
    own "$@" ;;
esac
"""


def link_devices() -> None:
    """The names of all devices that there can be, leading to where volumes appear. As root of the guest's /dev."""
    for letter in LETTERS:
        for prefix in ("xvd", "sd"):
            os.symlink(f"{FOLDER}/xvd{letter}", f"/dev/{prefix}{letter}")
    for number in range(1, len(LETTERS) + 1):
        os.symlink(f"{FOLDER}/nvme{number}n1", f"/dev/nvme{number}n1")


def folder_of(device: str) -> str | None:
    """The name that a volume's folder has where it is attached as that device; None where it is no such name."""
    for prefix in ("/dev/sd", "/dev/xvd", "sd", "xvd"):
        letter = device.removeprefix(prefix)
        if letter != device and letter in LETTERS and len(letter) == 1:
            return f"xvd{letter}"
    return None
