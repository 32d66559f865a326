"""VPC Block Public Access: the account's options in a region, and exclusions of VPCs and subnets."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.core.arn import build_arn
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, ids, public_access, quota_errors, store, tagging
from kunren.services.ec2.access_model import PublicAccess, PublicAccessExclusion
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import Vpc


def _state_of(reader: store.Reader, exclusion: PublicAccessExclusion) -> str:
    vpc = reader.get(Vpc, exclusion.account, exclusion.region, exclusion.vpc_id)
    done = vpc is None or public_access.is_applied(reader, vpc)
    return f"{'create' if exclusion.updated is None else 'update'}-{'complete' if done else 'in-progress'}"


def filters_for(reader: store.Reader) -> dict[str, Getter[PublicAccessExclusion]]:
    return {
        "internet-gateway-exclusion-mode": lambda each: each.mode,
        "resource-arn": _arn,
        "state": lambda each: _state_of(reader, each),
    }


class PublicAccessOperations(Ec2Base):
    @operation
    def describe_vpc_block_public_access_options(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        return {"VpcBlockPublicAccessOptions": _options_to_wire(self.store.snapshot(), ctx)}

    @operation
    def modify_vpc_block_public_access_options(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            tx.put(
                PublicAccess(
                    account=ctx.account,
                    region=ctx.region,
                    id=public_access.OPTIONS_ID,
                    mode=params["InternetGatewayBlockMode"],
                    updated=self.clock.now(),
                )
            )
            return {"VpcBlockPublicAccessOptions": _options_to_wire(tx, ctx)}

    @operation
    def create_vpc_block_public_access_exclusion(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        vpc_id, subnet_id = params.get("VpcId"), params.get("SubnetId")
        if bool(vpc_id) == bool(subnet_id):
            raise errors.InvalidParameterCombination("Exactly one of VpcId and SubnetId must be specified")
        tags = tagging.at_creation(params, "vpc-block-public-access-exclusion")
        with self.store.write() as tx:
            subnet = self.get(tx, ctx, ids.SUBNET, subnet_id) if subnet_id else None
            vpc = self.get(tx, ctx, ids.VPC, subnet.vpc_id if subnet is not None else vpc_id or "")
            held = tx.list(PublicAccessExclusion, ctx.account, ctx.region)
            if any((each.vpc_id, each.subnet_id) == (vpc.id, subnet_id) for each in held):
                raise errors.InvalidParameterValue(f"An exclusion for {subnet_id or vpc.id} exists already.")
            if len(held) >= self.limits.public_access_exclusions:
                raise quota_errors.PublicAccessExclusionLimitExceeded()
            made = PublicAccessExclusion(
                account=ctx.account,
                region=ctx.region,
                id=self.entropy.resource_id("vpcbpa-exclude"),
                vpc_id=vpc.id,
                subnet_id=subnet_id,
                mode=params["InternetGatewayExclusionMode"],
                created=self.clock.now(),
                tags=tags,
            )
            tx.put(made)
            return {"VpcBlockPublicAccessExclusion": _to_wire(tx, made)}

    @operation
    def modify_vpc_block_public_access_exclusion(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            found = self.get(tx, ctx, ids.PUBLIC_ACCESS_EXCLUSION, params["ExclusionId"])
            found = replace(found, mode=params["InternetGatewayExclusionMode"], updated=self.clock.now())
            tx.put(found)
            return {"VpcBlockPublicAccessExclusion": _to_wire(tx, found)}

    @operation
    def delete_vpc_block_public_access_exclusion(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            found = self.get(tx, ctx, ids.PUBLIC_ACCESS_EXCLUSION, params["ExclusionId"])
            tx.delete(found)
            now = self.clock.now()
            shown = _to_wire(tx, found) | {"State": "delete-in-progress", "DeletionTimestamp": now}
        return {"VpcBlockPublicAccessExclusion": shown}

    @operation
    def describe_vpc_block_public_access_exclusions(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        snapshot = self.store.snapshot()
        table = filters_for(snapshot)
        found = chosen(snapshot, ctx, ids.PUBLIC_ACCESS_EXCLUSION, params, "ExclusionIds", table)
        page, token = paged(found, params, resource_id)
        return {"VpcBlockPublicAccessExclusions": [_to_wire(snapshot, each) for each in page], "NextToken": token}


def _options_to_wire(reader: store.Reader, ctx: RequestContext) -> dict[str, Any]:
    options = public_access.options_of(reader, ctx.account, ctx.region)
    done = all(public_access.is_applied(reader, each) for each in reader.list(Vpc, ctx.account, ctx.region))
    state = "update-complete" if done else "update-in-progress"
    return {
        "AwsAccountId": ctx.account,
        "AwsRegion": ctx.region,
        "State": state if options is not None else "default-state",
        "InternetGatewayBlockMode": options.mode if options is not None else public_access.OFF,
        "LastUpdateTimestamp": options.updated if options is not None else None,
        "ManagedBy": "account",
        "ExclusionsAllowed": "allowed",
    }


def _arn(exclusion: PublicAccessExclusion) -> str:
    what = f"subnet/{exclusion.subnet_id}" if exclusion.subnet_id else f"vpc/{exclusion.vpc_id}"
    return build_arn("ec2", exclusion.region, exclusion.account, what)


def _to_wire(reader: store.Reader, exclusion: PublicAccessExclusion) -> dict[str, Any]:
    return {
        "ExclusionId": exclusion.id,
        "InternetGatewayExclusionMode": exclusion.mode,
        "ResourceArn": _arn(exclusion),
        "State": _state_of(reader, exclusion),
        "CreationTimestamp": exclusion.created,
        "LastUpdateTimestamp": exclusion.updated or exclusion.created,
        "Tags": tags_to_wire(exclusion.tags),
    }
