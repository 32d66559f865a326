"""AWS Cloud Control API: one resource at a time, by the same kinds as stacks."""
