"""What runs containers: processes of the world, or a container engine of this machine (decision 32)."""
