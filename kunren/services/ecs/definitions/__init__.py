"""What a task definition may say, and what follows from it. Pure."""
