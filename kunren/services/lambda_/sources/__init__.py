"""What functions are invoked from by event source mappings: one interface, one module for each kind of source."""
