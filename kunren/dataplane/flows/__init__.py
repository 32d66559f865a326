"""Balancing by the kernel: a new flow is given a target when its first packet arrives, and stays there for life.

`table.py` has the wanted balancing as values, `ruleset.py` turns it into the text of an nft table, `control.py` puts
that into a VPC's namespace and ends flows there, with the program `forget.py`. See docs/decisions/0004.
"""
