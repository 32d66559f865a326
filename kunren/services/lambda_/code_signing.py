"""Whether a function's code may be deployed, by its code signing configuration. Pure.

A package is signed when AWS Signer has made it; that service is not here, so no package is, and a configuration that
enforces signatures lets nobody deploy. What already runs keeps running, as on AWS (developer guide, "Using code signing
to verify code integrity").
"""

from __future__ import annotations

import logging

from kunren.services.lambda_.errors import CodeSigningConfigNotFoundException, CodeVerificationFailedException
from kunren.services.lambda_.lookup import Source
from kunren.services.lambda_.model import CodeSigningConfig, Function

log = logging.getLogger(__name__)


def find_config(source: Source, account: str, region: str, arn: str) -> CodeSigningConfig | None:
    """The configuration that an ARN names."""
    id = arn.removeprefix(f"arn:aws:lambda:{region}:{account}:code-signing-config:")
    return source.get(CodeSigningConfig, account, region, id)


def attachable(source: Source, account: str, region: str, arn: str) -> CodeSigningConfig:
    """The configuration that a function is to have. Raises CodeSigningConfigNotFoundException."""
    found = find_config(source, account, region, arn)
    if found is None:
        raise CodeSigningConfigNotFoundException(
            "The code signing configuration cannot be found. Check that the provided configuration is not deleted: "
            f"{arn}."
        )
    return found


def check_signed(source: Source, function: Function) -> None:
    """Before new code or layers of a function are deployed. Raises CodeVerificationFailedException where its
    configuration enforces signatures, and CodeSigningConfigNotFoundException."""
    if not function.code_signing_config:
        return
    config = attachable(source, function.account, function.region, function.code_signing_config)
    if config.policy == "Enforce":
        raise CodeVerificationFailedException(
            "Lambda cannot deploy the function. The function or layer might be signed using a signature that the "
            f"client is not configured to accept. Check the provided signature for {function.arn}."
        )
    log.warning("the code of function %s is not signed by a publisher of %s", function.id, config.id)
