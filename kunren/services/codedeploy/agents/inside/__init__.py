"""The agent's program, as it is installed in instances."""
