"""API definitions: Swagger 2.0 and OpenAPI 3.0 documents with API Gateway's extensions, read and written. Pure."""
