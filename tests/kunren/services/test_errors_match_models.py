"""Every error class of every service is one of its service model's, with the model's code and status.

A code that a service answers with and its model does not declare (ValidationError and the like, "Common Errors" in the
API references) belongs into `UNDECLARED`; EC2's model declares no errors at all.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

import pytest
from botocore.model import ServiceModel
from botocore.session import Session

from kunren import services
from kunren.core.errors import AwsError

UNDECLARED = {
    "AccessDenied",
    "AccessDeniedException",
    "InvalidParameterValue",
    "MissingParameter",
    "NotImplemented",
    "ThrottlingException",
    "ValidationError",
    "ValidationException",
}


def service_names() -> list[str]:
    """Those of AWS's; faults are Kunren's own."""
    known = Session().get_available_services()
    found = (each.name for each in pkgutil.iter_modules(services.__path__) if each.ispkg)
    return sorted(each for each in found if each.rstrip("_").replace("_", "-") in known)


@cache
def model(name: str) -> ServiceModel:
    return Session().get_service_model(name.rstrip("_").replace("_", "-"))


def declared(name: str) -> dict[str, int]:
    """Code on the wire → HTTP status, as the model's error traits have them."""
    found: dict[str, int] = {}
    for shape in model(name).error_shapes:
        trait = shape.metadata.get("error", {})
        usual = 500 if shape._shape_model.get("fault") else 400
        found[trait.get("code", shape.name)] = trait.get("httpStatusCode", usual)
    return found


def classes(name: str) -> list[type[AwsError]]:
    package = importlib.import_module(f"kunren.services.{name}")
    found = [each.name for each in pkgutil.iter_modules(package.__path__) if each.name.endswith("errors")]
    modules = [importlib.import_module(f"kunren.services.{name}.{each}") for each in found]
    return [
        each
        for module in modules
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, AwsError) and each.__module__ == module.__name__ and "code" in vars(each)
    ]


@pytest.mark.parametrize("name", service_names())
def test_codes_and_statuses_are_the_models(name: str) -> None:
    statuses = declared(name)
    if not statuses:
        pytest.skip(f"the model of {name} declares no errors")
    wrong = {
        each.__name__: (each.code, each.status)
        for each in classes(name)
        if each.code not in UNDECLARED and statuses.get(each.code) != each.status
    }
    assert wrong == {}


def test_elbv2_has_its_errors() -> None:
    assert len(classes("elbv2")) > 30
