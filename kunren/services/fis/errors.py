"""The exceptions that fis's model declares and its handlers raise (FIS API Reference)."""

from __future__ import annotations

from kunren.core.errors import AwsError


class ValidationException(AwsError):
    code = "ValidationException"


class ConflictException(AwsError):
    code = "ConflictException"
    status = 409


class ResourceNotFoundException(AwsError):
    code = "ResourceNotFoundException"
    status = 404


class ServiceQuotaExceededException(AwsError):
    code = "ServiceQuotaExceededException"
    status = 402


def no_template(id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Experiment template {id} does not exist.")


def no_experiment(id: str) -> ResourceNotFoundException:
    return ResourceNotFoundException(f"Experiment {id} does not exist.")
