"""Sessions of Session Manager: a client's WebSocket on one side, a program's terminal on the other."""
