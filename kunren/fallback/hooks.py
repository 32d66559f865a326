"""What the child changes in moto, so that a replay comes out the same and nothing waits inside. Each hook says why."""

# ruff: noqa: SLF001 — moto's insides are what this file is about

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from kunren.fallback import identity_hooks
from kunren.fallback.chance import Chance
from kunren.fallback.identity_hooks import CALLER

__all__ = ["CALLER", "OPERATION", "install_common", "install_service"]
HTTP_TIMEOUT_S = 3.0
OPERATION = "HTTP_X_KUNREN_OPERATION"
"""Where a request's WSGI environment has the operation that it was routed to; never from the client."""


def install_common(chance: Chance) -> None:
    """Hooks that concern every service. moto is imported here for the first time."""
    from moto.core import base_backend
    from moto.moto_api._internal import mock_random

    chance.adopt(mock_random)
    _backends_apart(base_backend.AccountSpecificBackend, chance)
    _accounts_apart(base_backend.BackendDict, chance)
    _request_ids_do_not_count(chance)
    _keys_on_tape(chance)
    _no_requests_in_replay(chance)
    _routed_once()
    _names_once()


def install_service(package: str, chance: Chance) -> None:
    """Hooks of one service, when it is first used."""
    if package == "sqs":
        _receive_without_waiting(chance)
        _redrive_policies_without_spaces()
        _queue_policies_stay()
    elif package == "iam":
        _inline_policies_may_be_older()
        identity_hooks.users_have_boundaries()
    elif package == "kms":
        _default_keys_are_changes(chance)
    elif package == "ssm":
        _documents_of_parameters_are_json()
    elif package == "sts":
        identity_hooks.sessions_are_kept()


def _documents_of_parameters_are_json() -> None:
    """The public parameters of images optimised for ECS hold a JSON document each, which moto writes as Python does."""
    from moto.ssm import models

    module: Any = models
    converted = module.convert_to_params

    def convert_to_params(tree: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = converted(tree)
        for each in found:
            if isinstance(each["Value"], dict):
                each["Value"] = json.dumps(each["Value"])
        return found

    module.convert_to_params = convert_to_params


def _routed_once() -> None:
    """moto takes any `Action=NAME` of the query, or between two `&` of a JSON body, for the operation, and other such
    pairs for parameters. The operation is the one that policies were asked about, and a JSON body is JSON alone."""
    from moto.core.responses import BaseResponse

    base: Any = BaseResponse
    action, setup = base._get_action, base.setup_class

    def get_action(self: Any) -> Any:
        return self.headers.get("X-Kunren-Operation") or action(self)

    def setup_class(self: Any, *given: Any, **named: Any) -> None:
        setup(self, *given, **named)
        operation = self.headers.get("X-Kunren-Operation")
        if operation and self.headers.get("X-Amz-Target", "").endswith(f".{operation}"):
            self.querystring = self.data = {}

    base._get_action, base.setup_class = get_action, setup_class


def _names_once() -> None:
    """moto works out how a name is written in Python, and what a class can do, anew in each call: half of its work."""
    from moto.core import responses, utils

    core: tuple[Any, ...] = (responses, utils)
    written = lru_cache(maxsize=8192)(utils.camelcase_to_underscores)
    methods = lru_cache(maxsize=512)(utils.method_names_from_class)
    for module in core:
        module.camelcase_to_underscores, module.method_names_from_class = written, methods


def _backends_apart(accounts: Any, chance: Chance) -> None:
    """A backend is made when an account and region are first touched, maybe by a read that no journal has."""
    real = accounts.__getitem__

    def getitem(self: Any, region: str) -> Any:
        if region in self.keys():  # `in self` would ask for any region that could exist
            return real(self, region)
        with chance.apart(f"{self.service_name}|{self.account_id}|{region}"):
            return real(self, region)

    accounts.__getitem__ = getitem


def _accounts_apart(services: Any, chance: Chance) -> None:
    real = services._create_account_specific_backend

    def create(self: Any, account: str) -> None:
        if account not in self.keys():
            with chance.apart(account):
                real(self, account)

    services._create_account_specific_backend = create


def _request_ids_do_not_count(chance: Chance) -> None:
    """Every answer has a random request id: drawing that one changes nothing."""
    from moto.core import responses

    real = responses.gen_amzn_requestid_long

    def generate(*args: Any) -> Any:
        draws = chance.draws
        made = real(*args)
        chance.draws = draws
        return made

    responses.gen_amzn_requestid_long = generate


def _keys_on_tape(chance: Chance) -> None:
    """OpenSSL draws asymmetric keys by itself: they go to the journal."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_der_private_key,
    )

    def taped(generate: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            def make() -> bytes:
                key = generate(*args, **kwargs)
                return bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))

            return load_der_private_key(chance.taped(make), None)

        return call

    rsa.generate_private_key = taped(rsa.generate_private_key)
    ec.generate_private_key = taped(ec.generate_private_key)


def _no_requests_in_replay(chance: Chance) -> None:
    """SNS and EventBridge post to HTTP endpoints: once when it happens, never again in a replay, and never for long."""
    import requests

    real = requests.Session.request

    def request(self: Any, *args: Any, **kwargs: Any) -> Any:
        if chance.replaying:
            raise requests.exceptions.ConnectionError("not sent again in a replay")
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = HTTP_TIMEOUT_S
        return real(self, *args, **kwargs)

    requests.Session.request = request  # type: ignore[method-assign]


def _receive_without_waiting(chance: Chance) -> None:
    """A long poll would stop the child's only thread: it answers at once and the daemon asks again (`Answer.wait`)."""
    from moto.sqs.models import SQSBackend

    backend: Any = SQSBackend
    real = backend.receive_message

    def receive_message(self: Any, queue_name: str, count: int, wait: int, *args: Any, **kwargs: Any) -> Any:
        queue = self.get_queue(queue_name)
        before = len(queue._messages)
        found = real(self, queue_name, count, 0, *args, **kwargs)
        if found or len(queue._messages) != before:
            chance.changed = True  # handed out, or moved to a dead-letter queue
        elif wait:
            chance.wait = float(wait)
        return found

    backend.receive_message = receive_message


def _redrive_policies_without_spaces() -> None:
    """AWS gives a redrive policy as it was written, commonly compact; Terraform takes another spacing for a change."""
    from moto.sqs.models import Queue

    queue: Any = Queue
    real = queue.attributes.fget

    def attributes(self: Any) -> Any:
        found = real(self)
        if "RedrivePolicy" in found:
            found["RedrivePolicy"] = json.dumps(self.redrive_policy, separators=(",", ":"))
        return found

    queue.attributes = property(attributes)


def _inline_policies_may_be_older() -> None:
    """A policy without a version is of 2008-10-17; an inline one may be so ("IAM JSON policy elements: Version")."""
    from moto.iam import models, policy_validation

    validator: Any = policy_validation.IAMPolicyDocumentValidator
    backend: Any = models.IAMBackend
    real, inline = validator._validate_version, False

    def validate(self: Any) -> None:
        if not inline or self._policy_json.get("Version", "2008-10-17") not in policy_validation.VALID_VERSIONS:
            real(self)

    def put(method: Callable[..., Any]) -> Callable[..., Any]:
        def called(self: Any, *given: Any, **named: Any) -> Any:
            nonlocal inline
            inline = True
            try:
                return method(self, *given, **named)
            finally:
                inline = False

        return called

    validator._validate_version = validate
    for name in ("put_role_policy", "put_user_policy", "put_group_policy"):
        setattr(backend, name, put(getattr(backend, name)))


def _queue_policies_stay() -> None:
    """SetQueueAttributes changes what it names; moto forgot the queue's policy with every other attribute."""
    from moto.sqs.models import Queue

    queue: Any = Queue
    real = queue._set_attributes

    def set_attributes(self: Any, attributes: dict[str, Any], now: float | None = None) -> None:
        kept = {} if "Policy" in attributes else {"Policy": self.policy}
        real(self, {**attributes, **kept}, now)

    queue._set_attributes = set_attributes


def _default_keys_are_changes(chance: Chance) -> None:
    """KMS makes the key of `alias/aws/...` when something first asks for it, be it only to encrypt."""
    from moto.kms.models import KmsBackend

    backend: Any = KmsBackend
    real = backend._generate_default_keys

    def generate(self: Any, alias_name: str) -> Any:
        made = real(self, alias_name)
        if made is not None:
            chance.changed = True
        return made

    backend._generate_default_keys = generate
