"""Whose programs and files the world can tell apart."""

from __future__ import annotations

import functools
import os

from kunren.world.agent.idmap import has_many


@functools.cache
def several_users() -> bool:
    """Whether guests have users of their own, and images keep their files' owners: where root runs Kunren. An ordinary
    user can hand on no id but his own."""
    return os.geteuid() == 0 and has_many()
