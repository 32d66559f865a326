"""Listeners and their certificates and attributes. The default action has a rule of its own, with priority 0."""

from __future__ import annotations

from typing import Any

import msgspec

from kunren.control.store import Tx
from kunren.core.arn import parse_arn
from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.services.elbv2 import (
    address_types,
    arns,
    attributes,
    describe,
    errors,
    mutual_authentication,
    network_listeners,
)
from kunren.services.elbv2.actions import check_listener, normalise
from kunren.services.elbv2.api.base import (
    Api,
    Params,
    Result,
    find_balancer,
    find_listener,
    find_trust_store,
    new_tags,
    pages,
)
from kunren.services.elbv2.associations import listeners_of, rules_of
from kunren.services.elbv2.forwarding import check_forwards
from kunren.services.elbv2.limits import LISTENERS_PER_NETWORK_LOAD_BALANCER
from kunren.services.elbv2.model import Listener, LoadBalancer, Rule
from kunren.services.elbv2.network_attributes import PROTOCOLS
from kunren.services.elbv2.ssl_policies import DEFAULT_POLICY, POLICIES

_PROTOCOLS = ("HTTP", "HTTPS")


class ListenersApi(Api):
    def create_listener(self, ctx: RequestContext, params: Params) -> Result:
        """CreateListener. The same port with the same settings returns what there is."""
        tags = new_tags(params)
        with self._store.write() as tx:
            balancer = find_balancer(tx, ctx, params["LoadBalancerArn"])
            port, protocol = params.get("Port"), params.get("Protocol")
            if port is None:
                raise errors.validation_error("A listener port must be specified")
            if protocol is None:
                raise errors.validation_error("A listener protocol must be specified")
            _check_protocol(balancer, protocol)
            address_types.check_listener(balancer.type, balancer.ip_address_type, protocol)
            actions = normalise(params["DefaultActions"], "CreateListener")
            network_listeners.check_actions(balancer, actions)
            check_listener(actions, protocol, port)
            network_listeners.check_neighbours(
                balancer, protocol, [each for each in listeners_of(tx, balancer) if each.port != port]
            )
            secure = self._secure_settings(ctx, params, protocol, "CreateListener", None)
            self._check_mutual_tls(tx, ctx, balancer, secure["mutual_authentication"], None)
            existing = _on_port(tx, balancer, port)
            if existing is not None:
                same = (
                    existing.protocol == protocol
                    and existing.default_actions == actions
                    and existing.certificates[:1] == secure["certificates"]
                    and existing.ssl_policy == secure["ssl_policy"]
                    and existing.mutual_authentication == secure["mutual_authentication"]
                    and existing.alpn_policy == secure.get("alpn_policy")
                    and existing.tags == tags
                )
                if not same:
                    raise _duplicate(balancer)
                return {"Listeners": [describe.listener(existing)]}
            network = balancer.type == "network"
            most = LISTENERS_PER_NETWORK_LOAD_BALANCER if network else self._limits.listeners_per_load_balancer
            if len(listeners_of(tx, balancer)) >= most:
                raise errors.TooManyListeners(
                    f"The maximum number of listeners on load balancer '{balancer.id}' has been reached"
                )
            check_forwards(tx, ctx, self._limits, balancer, protocol, actions)
            created = Listener(
                account=ctx.account,
                region=ctx.region,
                id=arns.listener_arn(self._parts.entropy, balancer.id),
                load_balancer_arn=balancer.id,
                port=port,
                protocol=protocol,
                default_actions=actions,
                created_time=self._parts.clock.now(),
                tags=tags,
                **secure,
            )
            tx.put(created)
            tx.put(
                Rule(
                    account=ctx.account,
                    region=ctx.region,
                    id=arns.rule_arn(self._parts.entropy, created.id),
                    listener_arn=created.id,
                    priority=0,
                    actions=actions,
                )
            )
        return {"Listeners": [describe.listener(created)]}

    def modify_listener(self, ctx: RequestContext, params: Params) -> Result:
        """ModifyListener: what is not named stays; leaving HTTPS drops certificates and security policy."""
        with self._store.write() as tx:
            found = find_listener(tx, ctx, params["ListenerArn"])
            balancer = find_balancer(tx, ctx, found.load_balancer_arn)
            port = params.get("Port") or found.port
            protocol = params.get("Protocol") or found.protocol
            _check_protocol(balancer, protocol)
            address_types.check_listener(balancer.type, balancer.ip_address_type, protocol)
            actions = found.default_actions
            if params.get("DefaultActions") is not None:
                actions = normalise(params["DefaultActions"], "ModifyListener", found.default_actions)
                network_listeners.check_actions(balancer, actions)
            check_listener(actions, protocol, port)
            network_listeners.check_neighbours(
                balancer, protocol, [each for each in listeners_of(tx, balancer) if each.id != found.id]
            )
            secure = self._secure_settings(ctx, params, protocol, "ModifyListener", found)
            self._check_mutual_tls(tx, ctx, balancer, secure["mutual_authentication"], found)
            other = _on_port(tx, balancer, port)
            if other is not None and other.id != found.id:
                raise _duplicate(balancer)
            default = next(rule for rule in rules_of(tx, found) if rule.priority == 0)
            check_forwards(tx, ctx, self._limits, balancer, protocol, actions, default.id)
            table = attributes.listener_table(protocol)
            changed = msgspec.structs.replace(
                found,
                port=port,
                protocol=protocol,
                default_actions=actions,
                attributes={key: value for key, value in found.attributes.items() if key in table},
                **secure,
            )
            tx.put(changed)
            tx.put(msgspec.structs.replace(default, actions=actions))
        return {"Listeners": [describe.listener(changed)]}

    def describe_listeners(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeListeners: those of one load balancer, or those of the ARNs."""
        wanted, balancer_arn = params.get("ListenerArns") or [], params.get("LoadBalancerArn")
        if not wanted and not balancer_arn:
            raise errors.validation_error("You must specify either listener ARNs or a load balancer ARN")
        if wanted and balancer_arn:
            raise errors.validation_error("Listener ARNs and a load balancer ARN cannot be specified at the same time")
        snapshot = self._store.snapshot()
        if balancer_arn:
            found = listeners_of(snapshot, find_balancer(snapshot, ctx, balancer_arn))
        else:
            for arn in wanted:
                arns.check_arn(arn, "listener")
            asked = (snapshot.get(Listener, ctx.account, ctx.region, arn) for arn in sorted(set(wanted)))
            found = [each for each in asked if each is not None]
            if len(found) != len(set(wanted)):
                raise errors.ListenerNotFound("One or more listeners not found")
        chosen, marker = pages(params, found, lambda each: each.id)
        return {"Listeners": [describe.listener(each) for each in chosen], "NextMarker": marker}

    def delete_listener(self, ctx: RequestContext, params: Params) -> Result:
        """DeleteListener, with its rules."""
        with self._store.write() as tx:
            found = find_listener(tx, ctx, params["ListenerArn"])
            for rule in rules_of(tx, found):
                tx.delete(rule)
            tx.delete(found)
        return {}

    def describe_listener_attributes(self, ctx: RequestContext, params: Params) -> Result:
        found = find_listener(self._store.snapshot(), ctx, params["ListenerArn"])
        return {"Attributes": attributes.described(attributes.listener_table(found.protocol), found.attributes)}

    def modify_listener_attributes(self, ctx: RequestContext, params: Params) -> Result:
        """ModifyListenerAttributes: all or nothing; answers with every attribute."""
        with self._store.write() as tx:
            found = find_listener(tx, ctx, params["ListenerArn"])
            merged = attributes.merge_listener(found.protocol, found.attributes, params["Attributes"])
            tx.put(msgspec.structs.replace(found, attributes=merged))
        return {"Attributes": attributes.described(attributes.listener_table(found.protocol), merged)}

    def add_listener_certificates(self, ctx: RequestContext, params: Params) -> Result:
        """AddListenerCertificates: one that is on the list already is not added again."""
        with self._store.write() as tx:
            found = find_listener(tx, ctx, params["ListenerArn"])
            _only_secure(found)
            wanted = [self._certificate(ctx, given) for given in params["Certificates"]]
            extra = [arn for arn in dict.fromkeys(wanted) if arn not in found.certificates[1:]]
            balancer = find_balancer(tx, ctx, found.load_balancer_arn)
            count = sum(max(len(each.certificates) - 1, 0) for each in listeners_of(tx, balancer))
            if count + len(extra) > self._limits.certificates_per_load_balancer:
                raise errors.TooManyCertificates(
                    f"The maximum number of certificates on load balancer '{balancer.id}' has been reached"
                )
            if extra:
                tx.put(msgspec.structs.replace(found, certificates=(*found.certificates, *extra)))
        return {"Certificates": [{"CertificateArn": arn, "IsDefault": False} for arn in dict.fromkeys(wanted)]}

    def remove_listener_certificates(self, ctx: RequestContext, params: Params) -> Result:
        """RemoveListenerCertificates: from the list; the default certificate stays."""
        with self._store.write() as tx:
            found = find_listener(tx, ctx, params["ListenerArn"])
            _only_secure(found)
            listed = list(found.certificates[1:])
            for given in params["Certificates"]:
                arn = given.get("CertificateArn")
                if arn in listed:
                    listed.remove(arn)
                elif arn == found.certificates[0]:
                    raise errors.OperationNotPermitted(f"Default certificate '{arn}' cannot be removed")
            tx.put(msgspec.structs.replace(found, certificates=(found.certificates[0], *listed)))
        return {}

    def describe_listener_certificates(self, ctx: RequestContext, params: Params) -> Result:
        found = find_listener(self._store.snapshot(), ctx, params["ListenerArn"])
        _only_secure(found)
        numbered = [(f"{index:06d}", each) for index, each in enumerate(describe.certificates(found))]
        chosen, marker = pages(params, numbered, lambda pair: pair[0])
        return {"Certificates": [each for _, each in chosen], "NextMarker": marker}

    def _secure_settings(
        self, ctx: RequestContext, params: Params, protocol: str, operation: str, found: Listener | None
    ) -> dict[str, Any]:
        """The listener's certificates, policy and mutual authentication after the call."""
        given = params.get("Certificates") or []
        policy = params.get("SslPolicy")
        if protocol in PROTOCOLS:
            return self._network_settings(ctx, params, protocol, operation, found)
        if params.get("AlpnPolicy"):
            raise errors.ALPNPolicyNotSupported("ALPN policies are not supported for Application Load Balancers")
        mutual = params.get("MutualAuthentication")
        wanted = mutual_authentication.normalise(mutual) if mutual else None
        if protocol == "HTTP":
            if wanted not in (None, mutual_authentication.OFF):
                raise errors.validation_error("Mutual authentication cannot be specified for HTTP listeners")
            if given:
                raise errors.validation_error("A certificate cannot be specified for HTTP listeners")
            if policy:
                raise errors.validation_error("An SSL policy cannot be specified for HTTP listeners")
            return {"certificates": (), "ssl_policy": None, "mutual_authentication": None}
        before = found if found is not None and found.protocol == "HTTPS" else None
        if not given and before is None:
            raise errors.validation_error("A certificate must be specified for HTTPS listeners")
        if len(given) > 1:
            raise errors.validation_error(
                "You must provide a list containing exactly one certificate if the listener protocol is HTTPS."
            )
        _check_policy(policy, operation)
        listed = before.certificates[1:] if before is not None else ()
        default = self._certificate(ctx, given[0]) if given else before.certificates[0] if before else ""
        return {
            "certificates": (default, *listed),
            "ssl_policy": policy or (before.ssl_policy if before is not None else DEFAULT_POLICY),
            "mutual_authentication": wanted or (before and before.mutual_authentication) or mutual_authentication.OFF,
        }

    def _check_mutual_tls(
        self, tx: Tx, ctx: RequestContext, balancer: LoadBalancer, wanted: Params | None, found: Listener | None
    ) -> None:
        """The trust store exists, and not too many listeners verify. Raises TrustStoreNotFound, TooManyListeners."""
        if wanted is None or wanted["Mode"] != "verify":
            return
        find_trust_store(tx, ctx, wanted["TrustStoreArn"])
        verifying = [
            each for each in listeners_of(tx, balancer) if (each.mutual_authentication or {}).get("TrustStoreArn")
        ]
        others = [each for each in verifying if found is None or each.id != found.id]
        if len(others) >= self._limits.mutual_tls_listeners_per_load_balancer:
            raise errors.TooManyListeners(
                f"The maximum number of listeners with mutual authentication on load balancer '{balancer.id}' has been"
                " reached"
            )

    def _network_settings(
        self, ctx: RequestContext, params: Params, protocol: str, operation: str, found: Listener | None
    ) -> dict[str, Any]:
        """The same for a Network Load Balancer's listener, with its ALPN policy."""
        if (params.get("MutualAuthentication") or {}).get("Mode") not in (None, "off"):
            raise NotImplementedByKunren("elbv2", f"{operation} with MutualAuthentication on a {protocol} listener")
        before = found if found is not None and found.protocol == "TLS" else None
        if protocol == "TLS":
            _check_policy(params.get("SslPolicy"), operation)
        default = network_listeners.default_certificate(params, protocol, before)
        given = params.get("Certificates") or []
        listed = before.certificates[1:] if before is not None else ()
        certificates: tuple[str, ...] = ()
        if protocol == "TLS":
            certificates = (self._certificate(ctx, given[0]) if given else default or "", *listed)
        return {
            "certificates": certificates,
            "mutual_authentication": None,
            **network_listeners.policies(params, protocol, before),
        }

    def _certificate(self, ctx: RequestContext, given: Params) -> str:
        """The ARN, once ACM has it issued in this region. Raises CertificateNotFound, UnsupportedCertificate."""
        arn = given.get("CertificateArn")
        if not arn:
            raise errors.validation_error("A certificate ARN must be specified")
        if given.get("IsDefault") is not None:
            raise errors.validation_error("'IsDefault' cannot be specified for a certificate")
        parts = parse_arn(arn)
        if parts is None or parts.service not in ("acm", "iam"):
            raise errors.validation_error(f"Certificate ARN '{arn}' is not valid")
        state = self._parts.certificate_state(self._store.snapshot(), ctx.account, arn)
        if state is None or parts.region != ctx.region:
            raise errors.CertificateNotFound(f"Certificate '{arn}' not found")
        if state != "ISSUED":
            raise errors.unsupported_certificate(arn)
        return str(arn)


def _check_protocol(balancer: LoadBalancer, protocol: str) -> None:
    if balancer.type == "network":
        network_listeners.check_protocol(protocol)
    elif protocol not in _PROTOCOLS:
        raise errors.validation_error(f"Listener protocol '{protocol}' must be one of '{', '.join(_PROTOCOLS)}'")


def _check_policy(policy: str | None, operation: str) -> None:
    if policy is None or policy in POLICIES:
        return
    if policy.startswith("ELBSecurityPolicy-TLS13-") and "-RFC9151-" in policy:
        raise NotImplementedByKunren("elbv2", f"{operation} with SslPolicy {policy}")
    raise errors.SSLPolicyNotFound(f"SSL policy '{policy}' not found")


def _only_secure(found: Listener) -> None:
    if found.protocol not in ("HTTPS", "TLS"):
        raise errors.validation_error(f"Certificates are not supported on {found.protocol} listeners")


def _on_port(tx: Tx, balancer: LoadBalancer, port: int) -> Listener | None:
    return next((each for each in listeners_of(tx, balancer) if each.port == port), None)


def _duplicate(balancer: LoadBalancer) -> errors.DuplicateListener:
    return errors.DuplicateListener(f"A listener already exists on this port for this load balancer '{balancer.id}'")
