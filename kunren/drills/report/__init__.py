"""The report of a drill: one HTML page that holds all it needs, written from result and history alone."""
