"""moto's handlers, found by the names that moto itself looks them up by."""

from __future__ import annotations

from moto.core.utils import camelcase_to_underscores

from kunren.fallback.operations import handled, moto_handlers
from kunren.fallback.services import SERVICES
from kunren.wire.catalog import Catalog


def test_an_operation_is_found_under_the_name_that_moto_dispatches_by() -> None:
    catalog = Catalog()
    for service in SERVICES:
        for operation in catalog.service(service).operations:
            assert handled(operation, frozenset({camelcase_to_underscores(operation)})), operation


def test_operations_that_moto_lacks_are_not_found() -> None:
    assert not handled("CreateUser", frozenset({"delete_user"}))
    control = moto_handlers("s3control", "s3control")
    assert handled("CreateAccessPoint", control)
    assert not handled("CreateJob", control)


def test_every_service_has_handlers() -> None:
    for service, owner in SERVICES.items():
        assert moto_handlers(service, owner.package), service


def test_a_maintenance_window_that_would_run_nothing_is_not_taken() -> None:
    ssm = moto_handlers("ssm", "ssm")
    for operation in ("CreateMaintenanceWindow", "RegisterTaskWithMaintenanceWindow", "CreateAssociation",
                      "CreateAssociationBatch", "StartAssociationsOnce", "StartAutomationExecution"):  # fmt: skip
        assert not handled(operation, ssm), operation
    assert handled("DescribeMaintenanceWindows", ssm)
