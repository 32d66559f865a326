"""Balancing at edge locations, by the kernel: a new flow to an anycast address is given a destination when its first
packet arrives at an edge, and stays with it for life.

`table.py` has the wanted balancing as values, `ruleset.py` turns it into the text of an edge's nft table. The world
(`kunren/world/edges.py`) puts it there and leads packets to the edge that is next to their sender. See docs/decisions.
"""
