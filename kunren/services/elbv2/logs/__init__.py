"""Access logs and connection logs: what Envoy reports, as AWS's lines, in objects in the customer's bucket."""
