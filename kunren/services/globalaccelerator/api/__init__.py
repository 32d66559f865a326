"""AWS Global Accelerator's operations: accelerators, listeners, endpoint groups."""

from __future__ import annotations

from typing import ClassVar

from kunren.services.globalaccelerator.api.accelerators import Accelerators
from kunren.services.globalaccelerator.api.endpoint_groups import EndpointGroups
from kunren.services.globalaccelerator.api.listeners import Listeners


class GlobalAcceleratorApi(Accelerators, Listeners, EndpointGroups):
    """Handlers of globalaccelerator. `is_region` says whether the world has a region."""

    service: ClassVar[str] = "globalaccelerator"
