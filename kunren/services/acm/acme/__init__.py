"""ACM's ACME: the operations that set endpoints up, and the server (RFC 8555) that answers at their URLs."""
