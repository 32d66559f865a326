"""Container instances: EC2 instances on which an agent runs, and the tasks that are placed there."""
