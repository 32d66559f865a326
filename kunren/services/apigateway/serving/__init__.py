"""The way of a request through a deployed REST API."""
