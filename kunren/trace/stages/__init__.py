"""The stages of a request, in order, one file each. A new kind of stage is a new file and a line here.

A stage that has nothing to decide for a request says nothing; one that ends it ends the course.
"""

from __future__ import annotations

from kunren.trace.course import Stage
from kunren.trace.stages import (
    accelerator,
    action,
    certificate,
    client_network,
    distribution,
    edge,
    flow_listener,
    flow_target,
    function,
    limits,
    listener,
    names,
    origin,
    rule,
    target,
    target_network,
    website,
)

STAGES: tuple[Stage, ...] = (
    names.stage,
    accelerator.edge,
    accelerator.listener,
    accelerator.group,
    accelerator.endpoint,
    distribution.edge,
    distribution.entrance,
    distribution.certificate,
    distribution.chosen,
    distribution.behaviour,
    distribution.function,
    distribution.cache,
    origin.stage,
    website.stage,
    edge.stage,
    client_network.stage,
    flow_listener.stage,
    flow_target.stage,
    listener.stage,
    certificate.stage,
    limits.stage,
    rule.stage,
    action.stage,
    function.stage,
    target.stage,
    target_network.stage,
)
