"""What the doctor finds and says."""

from __future__ import annotations

import errno

from kunren.world import doctor


def test_a_machine_that_runs_these_tests_has_all_that_is_needed():
    found = doctor.examine()
    assert [each.name for each in found if each.needed and not each.ok] == []
    assert all(each.remedy for each in found if not each.ok)


def test_each_setting_that_is_in_the_way_is_named_with_the_command_that_changes_it(tmp_path, monkeypatch):
    for name in ("_CLONE", "_APPARMOR", "_LIMIT"):
        monkeypatch.setattr(doctor, name, tmp_path / name)
    assert "--cap-add SYS_ADMIN" in doctor.explain("making namespaces", errno.EPERM, "unshare: no")
    (tmp_path / "_LIMIT").write_text("0\n")
    assert "sysctl user.max_user_namespaces=15000" in doctor.explain("making namespaces", errno.ENOSPC, "no")
    (tmp_path / "_APPARMOR").write_text("1\n")
    assert "apparmor_restrict_unprivileged_userns=0" in doctor.explain("making namespaces", errno.EPERM, "no")
    (tmp_path / "_CLONE").write_text("0\n")
    assert "unprivileged_userns_clone=1" in doctor.explain("making namespaces", errno.EPERM, "no")


def test_a_later_step_that_fails_is_named_in_one_paragraph():
    said = doctor.explain("mounting its /proc", errno.EPERM, "mount on /proc: Operation not permitted")
    assert "mounting its /proc failed (mount on /proc: Operation not permitted)" in said
    assert "\n" not in said
