"""Cloud Map's API: one file per kind of resource."""

from __future__ import annotations

from kunren.services.servicediscovery.api.instances import InstanceOperations
from kunren.services.servicediscovery.api.namespaces import NamespaceOperations
from kunren.services.servicediscovery.api.services import ServiceOperations


class ServiceDiscoveryApi(NamespaceOperations, ServiceOperations, InstanceOperations):
    """All handlers."""
