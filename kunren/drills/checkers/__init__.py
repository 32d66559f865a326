"""What a history says: pure functions of what was recorded, the same during a drill and years after it."""
