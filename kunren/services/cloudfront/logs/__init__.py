"""Standard logs of distributions: what a line says, and its way to the bucket."""
