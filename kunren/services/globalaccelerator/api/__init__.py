"""AWS Global Accelerator's operations: accelerators, listeners, endpoint groups, of both types of accelerators."""

from __future__ import annotations

from typing import ClassVar

from kunren.services.globalaccelerator.api.accelerators import Accelerators
from kunren.services.globalaccelerator.api.attachments import Attachments
from kunren.services.globalaccelerator.api.custom_endpoints import CustomEndpoints
from kunren.services.globalaccelerator.api.custom_routing import CustomRouting
from kunren.services.globalaccelerator.api.listeners import Listeners


class GlobalAcceleratorApi(Accelerators, Listeners, CustomRouting, CustomEndpoints, Attachments):
    """Handlers of globalaccelerator, and its kinds in the store."""

    service: ClassVar[str] = "globalaccelerator"
