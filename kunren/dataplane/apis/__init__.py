"""The ground that HTTP APIs and REST APIs stand on: the front, and what both kinds do with a request."""
