"""What Kunren costs, beside what one would use instead: `python -m benchmarks [NAME ...]`, or `make bench`.

Every figure is made in one run with its comparison, in interleaved rounds, and printed as a table in Markdown; the
latest ones, and what they mean, are in docs/performance.md. Load is bounded in time and connections.
"""
