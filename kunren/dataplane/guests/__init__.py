"""Guests: machines of their own inside the world, each a process tree on a network interface (an instance, a task)."""
