"""AWS CloudFormation: stacks of resources that are made through the services' own operations."""
