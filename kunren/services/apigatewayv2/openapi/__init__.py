"""HTTP APIs as OpenAPI 3.0 documents, read and written."""
