"""VPC flow logs: what the kernel counted of interfaces, as AWS's records, in CloudWatch Logs or S3."""
