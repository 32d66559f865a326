"""HTTP APIs of API Gateway: operations, routes, integrations, and what answers their requests."""
