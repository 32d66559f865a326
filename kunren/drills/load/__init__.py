"""The load generator: runs inside the world, one process in each client place."""
