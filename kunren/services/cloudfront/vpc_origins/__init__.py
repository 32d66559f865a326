"""VPC origins: load balancers in VPCs that the edge reaches through interfaces of its own there."""
