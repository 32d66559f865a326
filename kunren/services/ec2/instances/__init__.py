"""EC2 instances: what they are, how they are launched, and the controller that boots them as guests of the world."""
