"""Amazon ECS: clusters, task definitions, and tasks that are process trees on network interfaces of their own."""
