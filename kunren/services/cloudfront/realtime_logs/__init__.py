"""Real-time logs: what viewers asked, in a Kinesis data stream within seconds (guide, "Use real-time logs")."""
