"""The world's own init: process 1 of its PID namespace, which does everything that must be done inside.

The daemon is outside and threaded, so it can enter no namespace; it asks the agent over a socketpair (`frames.py`)
to make network parts, open sockets, lay files and start programs. The agent decides nothing and remembers next to
nothing. When the daemon's end of the socketpair closes, the agent exits and the kernel ends all that is in the world.

Start time and memory matter here: only the standard library's light modules are imported, and of pyroute2 only the
message formats.
"""
