"""Anycast static IP lists: addresses that nobody's distributions but an account's own answer on."""
