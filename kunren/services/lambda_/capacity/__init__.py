"""Lambda Managed Instances: functions whose environments are kept running behind a capacity provider's subnets, and
shared by invocations (developer guide, "Lambda Managed Instances")."""
