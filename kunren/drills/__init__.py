"""Drills: an architecture, traffic, and what must hold. A drill watches from outside, like any client."""
