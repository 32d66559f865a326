"""The registry of an account in a region, as image tools talk to it (OCI distribution-spec)."""
