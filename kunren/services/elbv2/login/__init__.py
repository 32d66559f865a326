"""Who may pass: users that log in (authenticate-oidc) and clients with tokens (jwt-validation)."""
