"""VPC peering connections: request, accept, reject, delete, describe, options."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.clock import iso_utc
from kunren.core.context import RequestContext
from kunren.core.tags import tags_to_wire
from kunren.services.ec2 import errors, ids, peerings, quota_errors, store, tagging
from kunren.services.ec2.api.base import Ec2Base, Params, chosen, operation, paged, resource_id
from kunren.services.ec2.default_vpc import known_region
from kunren.services.ec2.filters import Getter
from kunren.services.ec2.model import PeeringSide, Vpc, VpcPeering

EXPIRES_AFTER_S = 7 * 24 * 3600.0
_OPTIONS = (
    "AllowDnsResolutionFromRemoteVpc",
    "AllowEgressFromLocalClassicLinkToRemoteVpc",
    "AllowEgressFromLocalVpcToRemoteClassicLink",
)


class VpcPeeringOperations(Ec2Base):
    @operation
    def create_vpc_peering_connection(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        _refuse_options(params.get("RequesterPeeringConnectionOptions"))
        tags = tagging.at_creation(params, "vpc-peering-connection")
        if not params.get("PeerVpcId"):
            raise errors.MissingParameter("peerVpcId")
        with self.store.write() as tx:
            vpc = self.get(tx, ctx, ids.VPC, params["VpcId"])
            ids.VPC.form.check(params["PeerVpcId"])
            region = known_region(self.spec, params.get("PeerRegion") or ctx.region).name
            accepter = PeeringSide(
                account=params.get("PeerOwnerId") or ctx.account, region=region, vpc_id=params["PeerVpcId"]
            )
            peer = peerings.vpc_of(tx, accepter)
            if peer is None and (accepter.account, accepter.region) == (ctx.account, ctx.region):
                raise errors.VpcNotFound(accepter.vpc_id)
            self._check_new(tx, vpc, accepter)
            now = self.clock.now()
            failed = peer is None or peerings.overlap(vpc, peer)
            peering = VpcPeering(
                account=ctx.account,
                region=ctx.region,
                id=self.entropy.resource_id("pcx"),
                requester=PeeringSide(account=ctx.account, region=ctx.region, vpc_id=vpc.id),
                accepter=accepter,
                decision="failed" if failed else "pending-acceptance",
                expires_at=now + EXPIRES_AFTER_S,
                ended_at=now if failed else None,
                ended_by=ctx.account if failed else None,
                tags=tags,
            )
            peerings.put(tx, peering)
            shown = self._peering_to_wire(tx, peering)
        # a failure too is seen only afterwards
        status = {"Code": "initiating-request", "Message": f"Initiating Request to {accepter.account}"}
        return {"VpcPeeringConnection": {**shown, "Status": status}}

    def _check_new(self, tx: Tx, vpc: Vpc, accepter: PeeringSide) -> None:
        """There is one between two VPCs at a time, and no more than the quotas allow."""
        codes = [(each, peerings.code(tx, each, self.clock.now())) for each in peerings.of_vpc(tx, vpc)]
        for each, code in codes:
            if code in peerings.LIVING_CODES and accepter.vpc_id in (each.requester.vpc_id, each.accepter.vpc_id):
                raise errors.PeeringAlreadyExists()
        if sum(code == "pending-acceptance" for _, code in codes) >= self.limits.outstanding_peerings:
            raise quota_errors.OutstandingPeeringLimitExceeded()
        if sum(code in peerings.ACTIVE_CODES for _, code in codes) >= self.limits.peerings_per_vpc:
            raise quota_errors.PeeringsPerVpcLimitExceeded()

    @operation
    def accept_vpc_peering_connection(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            peering = self._to_be_decided(tx, ctx, params, "active", "accept")
            vpcs = [peerings.vpc_of(tx, side) for side in peerings.sides(peering)]
            if vpcs[0] is None or vpcs[1] is None or peerings.overlap(vpcs[0], vpcs[1]):
                peerings.end(tx, peering, "failed", ctx.account, self.clock.now())
                raise errors.InvalidPeeringTransition(peering.id, "failed", "active")
            peering = peerings.put(tx, replace(peering, decision="accepted"))
            shown = self._peering_to_wire(tx, peering)
        return {"VpcPeeringConnection": {**shown, "Status": {"Code": "provisioning", "Message": "Provisioning"}}}

    @operation
    def reject_vpc_peering_connection(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            peering = self._to_be_decided(tx, ctx, params, "rejected", "reject")
            peerings.end(tx, peering, "rejected", ctx.account, self.clock.now())
        return {"Return": True}

    def _to_be_decided(self, tx: Tx, ctx: RequestContext, params: Params, to: str, verb: str) -> VpcPeering:
        """A request that waits for its accepter, who asks."""
        peering = self.get(tx, ctx, ids.VPC_PEERING, params["VpcPeeringConnectionId"])
        if peering.accepter.account != ctx.account:
            raise errors.OperationNotPermitted(f"User {ctx.account} cannot {verb} peering {peering.id}")
        if peering.accepter.region != ctx.region:
            raise errors.OperationNotPermitted(
                f"Incorrect region ({ctx.region}) specified for this request. VPC peering connection {peering.id} "
                f"must be accepted or rejected in region {peering.accepter.region}"
            )
        code = peerings.code(tx, peering, self.clock.now())
        if code != "pending-acceptance":
            raise errors.InvalidPeeringTransition(peering.id, code, to)
        return peering

    @operation
    def delete_vpc_peering_connection(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            peering = self.get(tx, ctx, ids.VPC_PEERING, params["VpcPeeringConnectionId"])
            code = peerings.code(tx, peering, self.clock.now())
            if code == "pending-acceptance" and peering.requester.account != ctx.account:
                raise errors.OperationNotPermitted(f"User {ctx.account} cannot delete peering {peering.id}")
            if code not in peerings.LIVING_CODES:
                raise errors.InvalidPeeringTransition(peering.id, code, "deleting")
            peerings.end(tx, peering, "deleted", ctx.account, self.clock.now())
        return {"Return": True}

    @operation
    def describe_vpc_peering_connections(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        with self.store.write() as tx:
            peerings.sweep(tx, ctx.account, ctx.region, self.clock.now())
        snapshot = self.store.snapshot()
        table = filters_for(snapshot, self.clock.now())
        found = chosen(snapshot, ctx, ids.VPC_PEERING, params, "VpcPeeringConnectionIds", table)
        page, token = paged(found, params, resource_id, "VpcPeeringConnectionIds")
        shown = [self._peering_to_wire(snapshot, each) for each in page]
        return {"VpcPeeringConnections": shown, "NextToken": token}

    @operation
    def modify_vpc_peering_connection_options(self, ctx: RequestContext, params: Params) -> dict[str, Any]:
        """Each side says for itself whether the other may resolve its public names, in its own region."""
        with self.store.write() as tx:
            peering = self.get(tx, ctx, ids.VPC_PEERING, params["VpcPeeringConnectionId"])
            answer, changed = {}, {}
            for name, side in (("requester", peering.requester), ("accepter", peering.accepter)):
                member = f"{name.capitalize()}PeeringConnectionOptions"
                if params.get(member) is None:
                    continue
                if (side.account, side.region) != (ctx.account, ctx.region):
                    raise errors.OperationNotPermitted(
                        f"User {ctx.account} cannot modify {name} peering options of {peering.id} in {ctx.region}"
                    )
                _refuse_options(params[member])
                wanted = params[member].get("AllowDnsResolutionFromRemoteVpc", side.allows_dns)
                changed[name] = replace(side, allows_dns=wanted)
                answer[member] = _options(changed[name])
            if not answer:
                raise errors.MissingParameterText(
                    "The request must contain accepterPeeringConnectionOptions or requesterPeeringConnectionOptions"
                )
            if peerings.code(tx, peering, self.clock.now()) not in peerings.ACTIVE_CODES:
                raise errors.OperationNotPermitted(f"The peering connection {peering.id} is not active")
            peerings.put(tx, replace(peering, **changed))
        return answer

    def _peering_to_wire(self, reader: store.Reader, peering: VpcPeering) -> dict[str, Any]:
        code = peerings.code(reader, peering, self.clock.now())
        return {
            "VpcPeeringConnectionId": peering.id,
            "RequesterVpcInfo": _side(reader, peering.requester, known=True),
            "AccepterVpcInfo": _side(reader, peering.accepter, known=code in peerings.ACTIVE_CODES),
            "ExpirationTime": peering.expires_at if code == "pending-acceptance" else None,
            "Status": {"Code": code, "Message": peerings.message(peering, code)},
            "Tags": tags_to_wire(peering.tags),
        }


def filters_for(reader: store.Reader, now: float) -> dict[str, Getter[VpcPeering]]:
    def code(peering: VpcPeering) -> str:
        return peerings.code(reader, peering, now)

    def blocks(side: PeeringSide) -> tuple[str, ...]:
        vpc = peerings.vpc_of(reader, side)
        return store.vpc_cidrs(vpc) if vpc is not None else ()

    return {
        "accepter-vpc-info.cidr-block": lambda peering: blocks(peering.accepter),
        "accepter-vpc-info.owner-id": lambda peering: peering.accepter.account,
        "accepter-vpc-info.vpc-id": lambda peering: peering.accepter.vpc_id,
        "expiration-time": lambda peering: iso_utc(peering.expires_at),
        "requester-vpc-info.cidr-block": lambda peering: blocks(peering.requester),
        "requester-vpc-info.owner-id": lambda peering: peering.requester.account,
        "requester-vpc-info.vpc-id": lambda peering: peering.requester.vpc_id,
        "status-code": code,
        "status-message": lambda peering: peerings.message(peering, code(peering)),
        "vpc-peering-connection-id": lambda peering: peering.id,
    }


def _side(reader: store.Reader, side: PeeringSide, known: bool) -> dict[str, Any]:
    """A side's VPC; the accepter's is told only once it has accepted."""
    shown: dict[str, Any] = {"OwnerId": side.account, "VpcId": side.vpc_id, "Region": side.region}
    vpc = peerings.vpc_of(reader, side)
    if known and vpc is not None:
        shown["CidrBlock"] = vpc.cidr
        shown["CidrBlockSet"] = [{"CidrBlock": each} for each in store.vpc_cidrs(vpc)]
        shown["PeeringOptions"] = _options(side)
    return shown


def _options(side: PeeringSide) -> dict[str, bool]:
    return {**dict.fromkeys(_OPTIONS, False), _OPTIONS[0]: side.allows_dns}


def _refuse_options(options: dict[str, Any] | None) -> None:
    options = options or {}
    if options.get("AllowMultipathResilience") or options.get("MultipathResilienceMode"):
        raise errors.NotYet("multipath resilience of peering connections")
    if any(options.get(each) for each in _OPTIONS[1:]):
        raise errors.InvalidParameterValue("EC2-Classic has been retired: ClassicLink options cannot be enabled.")
