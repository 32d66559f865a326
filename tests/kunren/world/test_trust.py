"""The files that programs in the world see in place of the host's."""

from __future__ import annotations

from kunren.world.trust import hosts_file, nsswitch_file


def test_host_names_come_from_files_and_dns_alone():
    given = "passwd: files systemd\nhosts: files mdns4_minimal [NOTFOUND=return] resolve dns\nnetworks: files\n"
    assert nsswitch_file(given) == "passwd: files systemd\nhosts: files dns\nnetworks: files\n"


def test_a_file_without_a_hosts_line_gets_one_and_so_does_none():
    assert nsswitch_file("passwd: files\n") == "passwd: files\nhosts: files dns\n"
    assert "hosts: files dns" in nsswitch_file(None)


def test_the_hosts_file_knows_this_machine_only():
    assert hosts_file("box").splitlines()[:2] == ["127.0.0.1 localhost", "127.0.1.1 box"]
