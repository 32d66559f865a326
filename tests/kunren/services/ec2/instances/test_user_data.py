"""User data as cloud-init reads it, and the boot plan that it becomes."""

import base64
import gzip
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunren.services.ec2.instances.user_data import Part, Refused, decoded, parts, plan

SCRIPT = b"#!/bin/sh\necho hello\n"
CONFIG = b"""#cloud-config
hostname: web
bootcmd:
  - [echo, "a b"]
runcmd:
  - [touch, /srv/one two]
  - echo $HOME > /root/home
write_files:
  - {path: /etc/motd, content: "hi\\n", permissions: "0600"}
  - {path: /etc/motd, content: aGk=, encoding: b64, append: true}
"""
# Aliases that would make ten to the ninth commands.
MANY = b"#cloud-config\nbootcmd: []\nruncmd:\n- &a0 [ls, ls, ls, ls, ls, ls, ls, ls, ls, ls]\n" + b"".join(
    b"- &a%d [%s]\n" % (level, b", ".join([b"*a%d" % (level - 1)] * 10)) for level in range(1, 9)
)


def test_a_script_is_run_once_and_a_per_boot_folder_each_time():
    steps = plan("i-1", parts(SCRIPT))
    late = next(each for each in steps if "argv" in each)
    assert late["once"] == "/var/lib/cloud/instances/i-1/sem/config_scripts_user"
    assert late["argv"] == ["/var/lib/cloud/instance/scripts/user"]
    written = {each["path"]: base64.b64decode(each["content"]) for each in late["files"]}
    assert written["/var/lib/cloud/instance/scripts/part-001"] == SCRIPT
    folders = {each["folder"]: each.get("once") for each in steps if "folder" in each}
    assert folders["/var/lib/cloud/scripts/per-boot"] is None
    assert folders["/var/lib/cloud/scripts/per-instance"] is not None


def test_cloud_config_writes_files_and_runs_commands_in_its_order():
    steps = plan("i-1", parts(CONFIG), hostname="ip-10-0-0-4")
    hostname = steps[0]["files"][0]
    assert (hostname["path"], base64.b64decode(hostname["content"])) == ("/etc/hostname", b"web\n")
    boot = next(each for each in steps if each.get("argv") == ["/bin/sh", "/var/lib/cloud/instance/scripts/bootcmd"])
    assert "once" not in boot
    assert base64.b64decode(boot["files"][0]["content"]) == b"#!/bin/sh\necho 'a b'\n"
    files = next(each for each in steps if each.get("once", "").endswith("config_write_files"))["files"]
    assert [(each["path"], each["mode"], each["append"]) for each in files] == [
        ("/etc/motd", 0o600, False),
        ("/etc/motd", 0o644, True),
    ]
    late = next(each for each in steps if each.get("once", "").endswith("config_scripts_user"))
    commands = b"#!/bin/sh\ntouch '/srv/one two'\necho $HOME > /root/home\n"
    assert base64.b64decode(late["files"][0]["content"]) == commands


def test_an_archive_has_its_parts_in_order_compressed_or_not():
    archive = MIMEMultipart()
    archive.attach(MIMEText("#!/bin/sh\necho one\n", "x-shellscript"))
    archive.attach(MIMEText("#cloud-config\nruncmd: [ls]\n", "cloud-config"))
    archive.attach(MIMEText("nothing that is run", "plain"))
    whole = archive.as_bytes()
    assert [each.kind for each in parts(whole)] == ["script", "config"]
    assert parts(gzip.compress(whole)) == parts(whole)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"#cloud-config\npackages: [nginx]\n", "packages"),
        (b"#cloud-config\nusers: []\n", "users"),
        (b"#cloud-config\n[", "YAML"),
        (b"#cloud-config\n- a\n", "mapping"),
        (b"#cloud-config\nruncmd: ls\n", "runcmd"),
        (b"#cloud-config\nwrite_files: [{path: motd}]\n", "absolute path"),
        (b"#cloud-config\nwrite_files: [{path: /a, owner: 'www-data'}]\n", "owners"),
        (b"#cloud-config\nwrite_files: [{path: /a, content: '!', encoding: gz+b64}]\n", "can't be read"),
        (b"\x1f\x8bnothing", "compressed"),
        (b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 9, "compressed"),  # a block that there is not
        (b"#cloud-config\nwrite_files: [{path: /a, permissions: '-1'}]\n", "permissions"),
        (b'#cloud-config\nwrite_files: [{path: "/a\\0b"}]\n', "write_files"),
        (b"#cloud-config\nruncmd: [2024-99-99]\n", "YAML"),
        (b"#cloud-config\nruncmd: [!!timestamp x]\n", "YAML"),
        (b"#cloud-config\nruncmd: [!!bool x]\n", "YAML"),
        (b"#cloud-config\nruncmd: " + b"[" * 9000, "YAML"),
        (b"#cloud-config\nruncmd: &a [*a]\n", "values"),
        (MANY, "values"),
    ],
)
def test_what_there_is_not_is_refused_by_name(data, named):
    with pytest.raises(Refused, match=named):
        parts(data)


def test_what_cloud_init_does_not_know_is_not_run():
    assert parts(b"echo hello\n") == []
    assert parts(b"") == []
    assert all("argv" not in each for each in plan("i-1", []))


def test_keys_are_written_for_root_and_for_ec2_user_once():
    steps = plan("i-1", [], ["ssh-ed25519 AAAA me"])
    step = next(each for each in steps if each.get("once", "").endswith("config_ssh"))
    assert [each["path"] for each in step["files"]] == [
        "/root/.ssh/authorized_keys",
        "/home/ec2-user/.ssh/authorized_keys",
    ]


@given(st.binary(max_size=400))
def test_any_bytes_are_parts_or_refused(data):
    try:
        found = parts(data)
    except Refused:
        return
    assert all(isinstance(each, Part) for each in found)
    plan("i-1", found)


@given(st.binary(max_size=100))
def test_base64_with_line_ends_is_read(data):
    assert decoded(base64.encodebytes(data).decode()) == data


@pytest.mark.parametrize("text", ["#!/bin/sh", "YQ", "ä"])
def test_text_that_is_not_base64_is_refused(text):
    with pytest.raises(ValueError):
        decoded(text)
