"""Logging users in, for rules with an authenticate-oidc action: cookies, providers, and the decision on a request."""
