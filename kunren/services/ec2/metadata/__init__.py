"""The instance metadata service (IMDS), versions 1 and 2, at 169.254.169.254 in every VPC that has instances."""
