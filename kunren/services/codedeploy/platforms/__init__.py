"""What deployments do on each compute platform."""
