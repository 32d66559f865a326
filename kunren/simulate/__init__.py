"""Drills in virtual time: the functions that decide in the running system, asked for millions of clients."""
