"""Kunren: a local AWS whose traffic is real."""

__version__ = "0.1.0"
