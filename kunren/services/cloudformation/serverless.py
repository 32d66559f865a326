"""AWS::Serverless: SAM's own translator does the work, where it is installed (`pip install aws-sam-translator`)."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

from kunren.services.cloudformation.errors import ValidationError, not_implemented


class _NoManagedPolicies:
    """Managed policies by name have the ARN that AWS gives them."""

    def load(self) -> dict[str, str]:
        return {}


def translated(template: Mapping[str, Any], values: Mapping[str, Any], region: str) -> dict[str, Any]:
    """The template with AWS's own types. Raises ValidationError; NotImplemented without the translator."""
    try:
        from samtranslator.translator.transform import transform
        from samtranslator.validator.validator import SamTemplateValidator  # noqa: F401
    except ImportError:
        raise not_implemented(
            "AWS::Serverless-2016-10-31 without SAM's translator (`pip install aws-sam-translator`)"
        ) from None
    os.environ.setdefault("AWS_DEFAULT_REGION", region)
    try:
        found = transform(copy.deepcopy(dict(template)), dict(values), _NoManagedPolicies())
    except Exception as error:  # its errors have no common base that it exports
        told = getattr(error, "causes", None) or [error]
        words = ". ".join(getattr(each, "message", str(each)) for each in told)
        raise ValidationError(
            f"Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document. "
            f"Number of errors found: {len(told)}. {words}"
        ) from None
    return {key: each for key, each in found.items() if key != "Transform"}
