"""Strict mode: who signed a request, whether the signature is right, and what IAM lets the caller do."""
