"""Load balancers: create, describe, delete, attributes, security groups, subnets, address type.

A node is a network interface per zone, made and released in the transaction that writes the load balancer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable

import msgspec

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.core.errors import NotImplementedByKunren
from kunren.services.ec2 import private_link
from kunren.services.elbv2 import arns, attributes, errors, nodes
from kunren.services.elbv2.address_types import check_address_type
from kunren.services.elbv2.api.base import Api, Params, Result, View, find_balancer, new_tags, pages
from kunren.services.elbv2.api.ip_pools import check_pools
from kunren.services.elbv2.api.log_buckets import check_bucket, new_kinds
from kunren.services.elbv2.associations import groups_with_balancer, listeners_of, rules_of_balancer
from kunren.services.elbv2.describe import ENFORCE, guard_of, load_balancer, zones
from kunren.services.elbv2.limits import ARNS_PER_DESCRIBE
from kunren.services.elbv2.model import AvailabilityZone, CapacityReservation, LoadBalancer, LoadBalancerStatus

_NAME_LENGTH_MAX = 32


class LoadBalancersApi(Api):
    def create_load_balancer(self, ctx: RequestContext, params: Params) -> Result:
        """CreateLoadBalancer. The same name with the same settings returns what there is."""
        kind = params.get("Type") or "application"
        if kind == "gateway":
            raise NotImplementedByKunren("elbv2", f"CreateLoadBalancer with Type {kind}")
        _check_name(params["Name"])
        for member in ("CustomerOwnedIpv4Pool", "EnablePrefixForIpv6SourceNat"):
            if params.get(member) not in (None, "off"):
                raise NotImplementedByKunren("elbv2", f"CreateLoadBalancer with {member}")
        tags = new_tags(params)
        scheme = params.get("Scheme") or "internet-facing"
        check_pools(params.get("IpamPools"), kind, scheme)
        address_type = _address_type(params.get("IpAddressType") or "ipv4", kind, scheme)
        places = _places(params, kind, scheme)
        with self._store.write() as tx:
            wanted = nodes.check_subnets(tx, ctx, list(places), scheme, kind)
            vpc_id = wanted[0].vpc_id
            groups = nodes.check_groups(tx, ctx, vpc_id, params.get("SecurityGroups") or (), kind)
            existing = _by_name(tx, ctx, params["Name"])
            if existing is not None:
                same = (
                    existing.type == kind
                    and existing.scheme == scheme
                    and existing.ip_address_type == address_type
                    and {zone.subnet_id for zone in existing.zones} == {subnet.id for subnet in wanted}
                    and set(existing.security_groups) == set(groups)
                    and all(_as_chosen(zone, places[zone.subnet_id]) for zone in existing.zones)
                    and existing.tags == tags
                )
                if not same:
                    raise errors.DuplicateLoadBalancerName(
                        f"A load balancer with the same name '{existing.name}' exists, but with different settings"
                    )
                return {"LoadBalancers": [load_balancer(tx, existing)]}
            self._check_quota(tx, ctx, kind)
            nodes.check_room(tx, wanted, kind)
            entropy = self._parts.entropy
            arn = arns.load_balancer_arn(entropy, ctx.account, ctx.region, params["Name"], kind)
            dns_name = arns.network_dns_name(arn, ctx.region)
            if kind == "application":
                dns_name = arns.dns_name(entropy, ctx.region, params["Name"], scheme)
            created = LoadBalancer(
                account=ctx.account,
                region=ctx.region,
                id=arn,
                name=params["Name"],
                type=kind,
                scheme=scheme,
                ip_address_type=address_type,
                vpc_id=vpc_id,
                dns_name=dns_name,
                canonical_hosted_zone_id=arns.hosted_zone(ctx.region, kind),
                created_time=self._parts.clock.now(),
                zones=(),
                security_groups=groups,
                tags=tags,
            )
            created = nodes.placed(tx, self._parts, created, wanted, places)
            tx.put(created)
            return {"LoadBalancers": [load_balancer(tx, created)]}

    def describe_load_balancers(self, ctx: RequestContext, params: Params) -> Result:
        """DescribeLoadBalancers: all, or those of the ARNs or of the names."""
        listed, names = params.get("LoadBalancerArns") or [], params.get("Names") or []
        if listed and names:
            raise errors.validation_error(
                "Load balancer names and load balancer ARNs cannot be specified at the same time"
            )
        if len(listed) > ARNS_PER_DESCRIBE or len(names) > ARNS_PER_DESCRIBE:
            raise errors.validation_error(
                f"Up to '{ARNS_PER_DESCRIBE}' load balancers can be described in a single call"
            )
        for arn in listed:
            arns.check_arn(arn, "load balancer")
        snapshot = self._store.snapshot()
        found = snapshot.list(LoadBalancer, ctx.account, ctx.region)
        if listed or names:
            found = [each for each in found if each.id in listed or each.name in names]
            if len(found) != len(set(listed) | set(names)):
                raise errors.LoadBalancerNotFound("One or more load balancers not found")
        chosen, marker = pages(params, found, lambda each: each.id)
        return {"LoadBalancers": [load_balancer(snapshot, each) for each in chosen], "NextMarker": marker}

    def delete_load_balancer(self, ctx: RequestContext, params: Params) -> Result:
        """DeleteLoadBalancer, with its listeners and rules; target groups stay. One that is not there is deleted."""
        arn = params["LoadBalancerArn"]
        arns.check_arn(arn, "load balancer")
        with self._store.write() as tx:
            found = tx.get(LoadBalancer, ctx.account, ctx.region, arn)
            if found is None:
                return {}
            table = attributes.load_balancer_table(found.type, found.scheme)
            if attributes.value(table, found.attributes, "deletion_protection.enabled") == "true":
                raise errors.OperationNotPermitted(
                    f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
                )
            if groups_with_balancer(tx, found):
                raise errors.ResourceInUse(
                    f"Load balancer '{arn}' cannot be deleted because it is registered as a target"
                )
            if private_link.uses(tx, found):
                raise errors.ResourceInUse(
                    f"Load balancer '{arn}' cannot be deleted because it is currently associated with another service"
                )
            for rule in rules_of_balancer(tx, found):
                tx.delete(rule)
            for listener in listeners_of(tx, found):
                tx.delete(listener)
            nodes.release(tx, found)
            status = tx.get(LoadBalancerStatus, ctx.account, ctx.region, arn)
            reservation = tx.get(CapacityReservation, ctx.account, ctx.region, arn)
            for gone in (status, reservation, found):
                if gone is not None:
                    tx.delete(gone)
        return {}

    def describe_load_balancer_attributes(self, ctx: RequestContext, params: Params) -> Result:
        found = find_balancer(self._store.snapshot(), ctx, params["LoadBalancerArn"])
        return {
            "Attributes": attributes.described(
                attributes.load_balancer_table(found.type, found.scheme), found.attributes
            )
        }

    def modify_load_balancer_attributes(self, ctx: RequestContext, params: Params) -> Result | Awaitable[Result]:
        """ModifyLoadBalancerAttributes: all or nothing; answers with every attribute. Where it turns logs on, their
        bucket is asked first."""
        found = find_balancer(self._store.snapshot(), ctx, params["LoadBalancerArn"])
        merged = attributes.merge_load_balancer(found.attributes, params["Attributes"], found.type, found.scheme)
        kinds = new_kinds(found.attributes, merged)
        if not kinds:
            return self._modified(ctx, params)
        return self._modified_when_buckets_allow(ctx, params, found, kinds, merged)

    async def _modified_when_buckets_allow(
        self, ctx: RequestContext, params: Params, found: LoadBalancer, kinds: list[str], merged: dict[str, str]
    ) -> Result:
        for kind in kinds:
            await check_bucket(self._parts, found, kind, merged)
        return self._modified(ctx, params)

    def _modified(self, ctx: RequestContext, params: Params) -> Result:
        with self._store.write() as tx:
            found = find_balancer(tx, ctx, params["LoadBalancerArn"])
            merged = attributes.merge_load_balancer(found.attributes, params["Attributes"], found.type, found.scheme)
            tx.put(nodes.spread(tx, msgspec.structs.replace(found, attributes=merged)))
        return {"Attributes": attributes.described(attributes.load_balancer_table(found.type, found.scheme), merged)}

    def set_security_groups(self, ctx: RequestContext, params: Params) -> Result:
        """SetSecurityGroups: the nodes' interfaces have the new groups from here on."""
        with self._store.write() as tx:
            found = find_balancer(tx, ctx, params["LoadBalancerArn"])
            if found.type == "network" and not found.security_groups:
                raise errors.InvalidConfigurationRequest(
                    "SetSecurityGroups is not supported for load balancers of type 'network' that were created without"
                    " a security group"
                )
            if not params["SecurityGroups"]:
                raise errors.InvalidConfigurationRequest("At least one security group must be specified")
            guards = params.get(ENFORCE)
            if guards is not None and found.type != "network":
                raise errors.InvalidConfigurationRequest(
                    f"{ENFORCE} is only supported for load balancers of type 'network'"
                )
            groups = nodes.check_groups(tx, ctx, found.vpc_id, params["SecurityGroups"])
            nodes.regroup(tx, found, groups)
            guarded = found.guards_private_link if guards is None else guards == "on"
            changed = msgspec.structs.replace(found, security_groups=groups, guards_private_link=guarded)
            tx.put(changed)
        return {"SecurityGroupIds": list(groups), ENFORCE: guard_of(changed)}

    def set_subnets(self, ctx: RequestContext, params: Params) -> Result:
        """SetSubnets: nodes of subnets that stay keep their addresses, others are released and made."""
        with self._store.write() as tx:
            found = find_balancer(tx, ctx, params["LoadBalancerArn"])
            address_type = params.get("IpAddressType") or found.ip_address_type
            found = self._with_address_type(tx, found, address_type)
            places = _places(params, found.type, found.scheme)
            wanted = nodes.check_subnets(tx, ctx, list(places), found.scheme, found.type)
            if wanted[0].vpc_id != found.vpc_id:
                raise errors.InvalidConfigurationRequest(
                    f"All subnets must belong to the same VPC: '{found.vpc_id}, {wanted[0].vpc_id}'"
                )
            have = {zone.subnet_id for zone in found.zones}
            nodes.check_room(tx, [subnet for subnet in wanted if subnet.id not in have], found.type)
            moved = nodes.placed(tx, self._parts, found, wanted, places)
            tx.put(moved)
        return {"AvailabilityZones": zones(moved), "IpAddressType": moved.ip_address_type}

    def set_ip_address_type(self, ctx: RequestContext, params: Params) -> Result:
        """SetIpAddressType: nodes get or lose their IPv6 addresses, and their public IPv4 ones."""
        with self._store.write() as tx:
            found = find_balancer(tx, ctx, params["LoadBalancerArn"])
            changed = self._with_address_type(tx, found, params["IpAddressType"])
            if changed != found:
                tx.put(changed)
        return {"IpAddressType": changed.ip_address_type}

    def _with_address_type(self, tx: Tx, found: LoadBalancer, address_type: str) -> LoadBalancer:
        if address_type == found.ip_address_type:
            return found
        _address_type(address_type, found.type, found.scheme)
        check_address_type(tx, found, address_type)
        return nodes.addressed(tx, self._parts, found, address_type)

    def _check_quota(self, tx: Tx, ctx: RequestContext, kind: str) -> None:
        count = sum(each.type == kind for each in tx.list(LoadBalancer, ctx.account, ctx.region))
        network = kind == "network"
        if count >= (self._limits.network_load_balancers if network else self._limits.application_load_balancers):
            raise errors.TooManyLoadBalancers("The maximum number of load balancers has been reached")


def _by_name(view: View, ctx: RequestContext, name: str) -> LoadBalancer | None:
    return next((each for each in view.list(LoadBalancer, ctx.account, ctx.region) if each.name == name), None)


def _check_name(name: str) -> None:
    if len(name) > _NAME_LENGTH_MAX:
        raise errors.validation_error(
            f"The load balancer name '{name}' cannot be longer than '{_NAME_LENGTH_MAX}' characters"
        )
    if not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise errors.validation_error(
            f"The load balancer name '{name}' can only contain characters that are alphanumeric characters and"
            " hyphens(-)"
        )
    if name.startswith("-") or name.endswith("-"):
        raise errors.validation_error(f"The load balancer name '{name}' cannot begin or end with '-'")
    if name.startswith("internal-"):
        raise errors.validation_error(f"The load balancer name '{name}' cannot begin with 'internal-'")


def _places(params: Params, kind: str, scheme: str) -> dict[str, nodes.Place]:
    """The subnets of `Subnets` or `SubnetMappings`, with chosen addresses. Raises ValidationError,
    InvalidConfigurationRequest."""
    plain, mappings = params.get("Subnets") or [], params.get("SubnetMappings") or []
    if plain and mappings:
        raise errors.validation_error("You must specify either subnets or subnet mappings, but not both")
    for mapping in mappings:
        if not mapping.get("SubnetId"):
            raise errors.validation_error("A subnet ID must be specified in a subnet mapping")
        for member in ("AllocationId", "PrivateIPv4Address", "IPv6Address", "SourceNatIpv6Prefix"):
            if mapping.get(member) and kind == "application":
                raise errors.InvalidConfigurationRequest(
                    f"'{member}' is not supported for load balancers with type 'application'"
                )
        if mapping.get("PrivateIPv4Address") and scheme != "internal":
            raise errors.InvalidConfigurationRequest(
                "Private IPv4 addresses can only be specified for internal load balancers"
            )
        if mapping.get("AllocationId") and scheme == "internal":
            raise errors.InvalidConfigurationRequest("Allocation IDs cannot be specified for internal load balancers")
        for member in ("IPv6Address", "SourceNatIpv6Prefix"):
            if mapping.get(member):
                raise NotImplementedByKunren("elbv2", f"SubnetMappings with {member}")
    made = [nodes.Place(subnet_id) for subnet_id in plain]
    made += [
        nodes.Place(mapping["SubnetId"], mapping.get("PrivateIPv4Address"), mapping.get("AllocationId"))
        for mapping in mappings
    ]
    return {place.subnet_id: place for place in made}


def _as_chosen(zone: AvailabilityZone, place: nodes.Place) -> bool:
    """Whether a node that is there is what a repeated call asks for."""
    return place.address in (None, zone.private_ip) and place.allocation_id == zone.allocation_id


def _address_type(address_type: str, kind: str, scheme: str) -> str:
    """Raises InvalidConfigurationRequest for one that such a load balancer cannot have."""
    if address_type == "dualstack-without-public-ipv4" and (kind != "application" or scheme == "internal"):
        raise errors.InvalidConfigurationRequest(
            "The IP address type 'dualstack-without-public-ipv4' is only supported for internet-facing load balancers"
            " of type 'application'"
        )
    return address_type
