"""The exceptions of health check sources that Route 53's model declares."""

from __future__ import annotations

from kunren.core.errors import AwsError


class HealthCheckSourceAlreadyExists(AwsError):
    code = "HealthCheckSourceAlreadyExists"
    status = 409

    def __init__(self) -> None:
        super().__init__(
            "A different health check source has already been created with the specified caller reference."
        )


class NoSuchHealthCheckSource(AwsError):
    code = "NoSuchHealthCheckSource"
    status = 404

    def __init__(self, source_id: str) -> None:
        super().__init__(f"A health check source with id {source_id} does not exist.")


class TooManyHealthCheckSources(AwsError):
    code = "TooManyHealthCheckSources"

    def __init__(self) -> None:
        super().__init__("The account has the most health check sources that it can have.")
