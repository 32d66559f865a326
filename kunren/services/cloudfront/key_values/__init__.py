"""Key value stores of CloudFront Functions: their contents, what changes them, and their way to the edge."""
