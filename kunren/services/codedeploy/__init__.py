"""AWS CodeDeploy: revisions that reach functions, instances and services step by step, and go back when they fail."""
