"""Amazon EC2 Auto Scaling: groups of instances that keep their number and their health."""
