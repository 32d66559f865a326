"""REST APIs (Amazon API Gateway REST API Reference); see the README."""
