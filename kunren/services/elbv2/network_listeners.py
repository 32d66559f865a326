"""What AWS accepts of a Network Load Balancer's listener: protocols, actions, ALPN and security policies. Pure.

"Listeners for your Network Load Balancers", "ALPN policies".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kunren.services.elbv2 import errors
from kunren.services.elbv2.model import Listener, LoadBalancer, TargetGroup
from kunren.services.elbv2.network_attributes import DATAGRAMS, PROTOCOLS, QUIC
from kunren.services.elbv2.ssl_policies import DEFAULT_POLICY

ALPN: dict[str, tuple[str, ...]] = {
    "HTTP1Only": ("http/1.1", "http/1.0"),
    "HTTP2Only": ("h2",),
    "HTTP2Optional": ("http/1.1", "http/1.0", "h2"),
    "HTTP2Preferred": ("h2", "http/1.1", "http/1.0"),
    "None": (),
}
"""The protocols of each policy, most preferred first."""
_GROUPS: dict[str, tuple[str, ...]] = {
    "TCP": ("TCP", "TCP_UDP"),
    "TLS": ("TCP", "TLS"),
    "UDP": ("UDP", "TCP_UDP"),
    "TCP_UDP": ("TCP_UDP",),
    "QUIC": ("QUIC", "TCP_QUIC"),
    "TCP_QUIC": ("TCP_QUIC",),
}
_APPLICATION = ("HTTP", "HTTPS")


def check_protocol(protocol: str) -> None:
    """Raises ValidationError."""
    if protocol not in PROTOCOLS:
        raise errors.validation_error(
            f"Listener protocol '{protocol}' must be one of 'TLS, TCP, TCP_UDP, UDP, QUIC, TCP_QUIC'"
        )


def check_neighbours(balancer: LoadBalancer, protocol: str, others: Iterable[Listener]) -> None:
    """QUIC is alone: one listener of it, none of UDP beside it, and no security groups ("Create a listener for your
    Network Load Balancer", prerequisites). Raises InvalidConfigurationRequest."""
    beside = {each.protocol for each in others}
    if protocol in QUIC and balancer.security_groups:
        raise errors.InvalidConfigurationRequest(
            "QUIC and TCP_QUIC listeners are not allowed on load balancers with associated security groups"
        )
    if protocol in QUIC and beside & set(QUIC):
        raise errors.InvalidConfigurationRequest("Only one QUIC or TCP_QUIC listener is allowed on a load balancer")
    if protocol in DATAGRAMS and (beside & set(DATAGRAMS if protocol in QUIC else QUIC)):
        raise errors.InvalidConfigurationRequest(
            "QUIC and TCP_QUIC listeners are not allowed on load balancers with UDP or TCP_UDP listeners"
        )


def check_actions(balancer: LoadBalancer, actions: Iterable[Mapping[str, Any]]) -> None:
    """A Network Load Balancer only forwards. Raises InvalidLoadBalancerAction, InvalidConfigurationRequest."""
    if balancer.type != "network":
        return
    for action in actions:
        if action["Type"] != "forward":
            raise errors.InvalidLoadBalancerAction(
                f"Action type '{action['Type']}' is not supported for load balancers with type 'network'"
            )
        if action["ForwardConfig"]["TargetGroupStickinessConfig"]["Enabled"]:
            raise errors.InvalidConfigurationRequest(
                "Target group stickiness is not supported for load balancers with type 'network'"
            )


def check_group(group: TargetGroup, protocol: str) -> None:
    """Whether a listener with that protocol may forward to the group. Raises IncompatibleProtocols."""
    allowed = _GROUPS.get(protocol, _APPLICATION)
    if group.target_type != "lambda" and group.protocol not in allowed:
        raise errors.IncompatibleProtocols(
            f"The listener and its associated target group '{group.id}' have incompatible protocols: '{protocol}' and"
            f" '{group.protocol}'"
        )
    if group.target_type == "lambda" and protocol in PROTOCOLS:
        raise errors.InvalidConfigurationRequest(
            f"Target group '{group.id}' with target type 'lambda' is not supported for load balancers with type"
            " 'network'"
        )


def default_certificate(params: Mapping[str, Any], protocol: str, before: Listener | None) -> str | None:
    """The default certificate that stays when the call names none; `before` is the TLS listener there was. Raises
    ValidationError."""
    given = params.get("Certificates") or []
    if protocol != "TLS":
        for member, words in (("Certificates", "A certificate"), ("SslPolicy", "An SSL policy")):
            if params.get(member):
                raise errors.validation_error(f"{words} cannot be specified for {protocol} listeners")
        return None
    if not given and before is None:
        raise errors.validation_error("A certificate must be specified for TLS listeners")
    if len(given) > 1:
        raise errors.validation_error(
            "You must provide a list containing exactly one certificate if the listener protocol is TLS."
        )
    return before.certificates[0] if before is not None else None


def policies(params: Mapping[str, Any], protocol: str, before: Listener | None) -> dict[str, str | None]:
    """The security policy and ALPN policy after the call. Raises ValidationError, ALPNPolicyNotSupported."""
    wanted = params.get("AlpnPolicy") or []
    if protocol != "TLS":
        if wanted:
            raise errors.validation_error(f"An ALPN policy cannot be specified for {protocol} listeners")
        return {"ssl_policy": None, "alpn_policy": None}
    if len(wanted) > 1:
        raise errors.validation_error("Only one ALPN policy can be specified")
    if wanted and wanted[0] not in ALPN:
        raise errors.ALPNPolicyNotSupported(f"ALPN policy '{wanted[0]}' is not supported")
    alpn = wanted[0] if wanted else before.alpn_policy if before is not None else None
    security = params.get("SslPolicy") or (before.ssl_policy if before is not None else DEFAULT_POLICY)
    return {"ssl_policy": security, "alpn_policy": alpn}
