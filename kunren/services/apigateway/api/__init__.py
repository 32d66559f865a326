"""The operations of API Gateway's REST APIs, in groups by what they are about."""

from __future__ import annotations

from typing import ClassVar

from kunren.services.apigateway.api.domains import DomainOperations
from kunren.services.apigateway.api.imports import ImportOperations
from kunren.services.apigateway.api.tags import TagOperations
from kunren.services.apigateway.api.testing import TestingOperations
from kunren.services.apigateway.api.usage import UsageOperations
from kunren.services.apigateway.api.vpc_links import VpcLinkOperations


class ApiGatewayApi(
    DomainOperations, ImportOperations, TestingOperations, UsageOperations, TagOperations, VpcLinkOperations
):
    """Handlers of apigateway."""

    service: ClassVar[str] = "apigateway"
