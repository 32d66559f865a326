"""Accelerators in words, for people."""

from __future__ import annotations

from kunren.services.globalaccelerator.model import PortRange


def ports(ranges: tuple[PortRange, ...]) -> str:
    """ "80, 443, 8000-8099"."""
    return ", ".join(f"{each.first}-{each.last}" if each.last > each.first else str(each.first) for each in ranges)
