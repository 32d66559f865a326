"""Durable functions: executions that outlive invocations, by checkpoints and replay (developer guide, "Lambda durable
functions").

`model` are the rows, `state` one execution's rows as a working copy. `checkpoint` and `progress` decide what becomes of
them, `history` what is told of it, `wire` how they look to the function. `engine` invokes, waits and times.
"""
