"""Route 53 Application Recovery Controller's routing controls: switches that health checks, and so DNS, go by."""
