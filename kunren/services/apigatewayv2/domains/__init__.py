"""Custom domain names and what they lead to: the one place of their state, for HTTP APIs and REST APIs alike."""
