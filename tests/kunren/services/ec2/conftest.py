"""Calls the Api directly, as the gateway would: parameters and results are held against botocore's model on the way."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from kunren.control.store import Store
from kunren.core.clock import SimClock, SystemClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.core.errors import AwsError
from kunren.services.ec2.api import Ec2Api
from kunren.services.ec2.controllers import VpcController
from kunren.services.ec2.workloads import Workloads, namespace_of
from kunren.settings import Settings
from kunren.world.interface import ProcessSpec
from kunren.world.spec import Place, Region, WorldSpec
from kunren.world.world import World

ACCOUNT = "123456789012"
REGION = "us-east-1"
_HEARD_WITHIN_S = 30.0
SPEC = WorldSpec(
    places=(Place("virginia", 39.0, -77.5, "US", "NA"),),
    regions=(Region("us-east-1", "abc", 39.0, -77.5), Region("ap-northeast-1", "acd", 35.7, 139.7)),
)
MODEL = botocore.session.get_session().get_service_model("ec2")
OPERATIONS = {botocore.xform_name(name): name for name in MODEL.operation_names}


def fits(shape: Any, value: Any, where: str = "") -> None:
    """Assert that a result has the model's members and types; None means absent."""
    if value is None:
        return
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), where
        for name, each in value.items():
            assert name in shape.members, f"{where}.{name} is not in the model"
            fits(shape.members[name], each, f"{where}.{name}")
    elif kind == "list":
        assert isinstance(value, (list, tuple)), where
        for each in value:
            assert each is not None, where
            fits(shape.member, each, where + "[]")
    else:
        types: dict[str, Any] = {
            "string": str,
            "boolean": bool,
            "integer": int,
            "long": int,
            "double": float,
            "timestamp": (float, datetime),
        }
        assert isinstance(value, types[kind]), f"{where}: {value!r} is no {kind}"
        # EC2 says "available" of gateways and endpoints, "nat_gateway" and "GRANTED" where its model lists none of it
        states = (
            "InternetGateways[].Attachments[].State",
            "VpcEndpoint.State",
            "VpcEndpoints[].State",
            ".VpcEndpointState",
        )
        unlisted = where.endswith(states) or value in ("nat_gateway", "GRANTED", "lowestPrice")
        if getattr(shape, "enum", None) and not unlisted:
            assert value in shape.enum, f"{where}: {value!r}"


class Caller:
    """`ec2.create_vpc(CidrBlock=...)`; `ec2.refused("delete_vpc", VpcId=...)` is the code and text of the error."""

    def __init__(self, store: Store | None = None, account: str = ACCOUNT, region: str = REGION, **limits: Any) -> None:
        self.store = store or Store(None)
        self.clock = SimClock()
        self.api = Ec2Api(self.store, self.clock, Entropy(seed=7), SPEC, **limits)
        self.account, self.region = account, region

    def elsewhere(self, account: str = ACCOUNT, region: str = REGION) -> Caller:
        other = object.__new__(Caller)
        other.__dict__.update(self.__dict__, account=account, region=region)
        return other

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        if name not in OPERATIONS:
            raise AttributeError(name)
        model = MODEL.operation_model(OPERATIONS[name])

        def call(**params: Any) -> dict[str, Any]:
            report = ParamValidator().validate(params, model.input_shape)
            assert not report.has_errors(), report.generate_report()
            ctx = RequestContext(self.account, self.region, "ec2", model.name, "request-1")
            result = getattr(self.api, name)(ctx, params)
            if asyncio.iscoroutine(result):
                result = asyncio.run(result)
            if model.output_shape is None:
                assert result is None
            else:
                fits(model.output_shape, result, model.name)
            return result or {}

        return call

    def refused(self, name: str, **params: Any) -> tuple[str, str]:
        """The error's code and text; nothing may have changed."""
        self.describe_vpcs()
        before = self.store.generation
        with pytest.raises(AwsError) as caught:
            getattr(self, name)(**params)
        assert self.store.generation == before
        return caught.value.code, caught.value.message

    # -- short cuts --------------------------------------------------------------------------------------------------

    def vpc(self, block: str = "10.0.0.0/16") -> str:
        return str(self.create_vpc(CidrBlock=block)["Vpc"]["VpcId"])

    def subnet(self, vpc: str, block: str = "10.0.1.0/24", **params: Any) -> str:
        return str(self.create_subnet(VpcId=vpc, CidrBlock=block, **params)["Subnet"]["SubnetId"])

    def group(self, vpc: str, name: str = "web") -> str:
        return str(self.create_security_group(GroupName=name, Description="d", VpcId=vpc)["GroupId"])

    def default_vpc(self) -> dict[str, Any]:
        return dict(self.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0])

    def default_subnets(self) -> list[dict[str, Any]]:
        found = self.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
        return sorted(found, key=lambda each: each["AvailabilityZone"])


@pytest.fixture
def ec2() -> Iterator[Caller]:
    yield Caller()


@pytest.fixture
def new_caller() -> type[Caller]:
    return Caller


# -- a world around it ------------------------------------------------------------------------------------------------


def patience_s():
    """How long silence is no answer yet: the longer the busier the machine is, up to a SYN that is sent again."""
    return min(2.0, 0.7 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


class Lab:
    """A store, its ec2 service, a running world and the controller between them."""

    def __init__(self, ec2, world, controller):
        self.ec2, self.world, self.controller = ec2, world, controller
        self.workloads = Workloads(ec2.store, SystemClock(), ec2.api.entropy, ec2.api.spec, controller.applied)
        self.listening = []

    def public_subnet(self, block="10.0.0.0/16"):
        """A subnet whose interfaces get public addresses, with a gateway and no route to it yet."""
        ec2 = self.ec2
        vpc = ec2.vpc(block)
        subnet = ec2.subnet(vpc, block.replace("/16", "/24"))
        ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0][
            "RouteTableId"
        ]
        return vpc, subnet, {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}, gateway

    def open_group(self, vpc, ec2=None):
        """A security group that lets everything pass."""
        ec2 = ec2 or self.ec2
        group = ec2.group(vpc, "open")
        everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[everything])
        return group

    async def workload(self, subnet, said=b"", port=80, groups=()):
        """A workload that accepts on a port and says something to each who connects; None: the caller's address."""
        interface = self.workloads.create(subnet, groups=groups)
        await self.controller.applied(interface.id)
        listener = await self.world.open_socket(namespace_of(interface), bind=("0.0.0.0", port), listen=16)

        async def answer(reader, writer):
            writer.write(writer.get_extra_info("peername")[0].encode() if said is None else said)
            writer.close()

        self.listening.append(await asyncio.start_server(answer, sock=listener))
        if interface.ipv6:
            listener = await self.world.open_socket(
                namespace_of(interface), socket.AF_INET6, bind=("::", port), listen=16
            )
            self.listening.append(await asyncio.start_server(answer, sock=listener))
        return interface

    async def ask(self, namespace, address, port=80, sock=None):
        """What is said on that address, None where the connection is not made in time or refused."""
        sock = sock or await self.world.open_socket(namespace, _family(address))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience_s()):
                await loop.sock_connect(sock, (address, port))
                return await loop.sock_recv(sock, 100)
        except (TimeoutError, OSError):
            return None
        finally:
            sock.close()

    async def hear(self, namespace, address, port=80):
        """What is said on that address, where something is to be: a link's first packet may be lost, and a busy machine
        takes its time."""
        async with asyncio.timeout(_HEARD_WITHIN_S):
            while (said := await self.ask(namespace, address, port)) is None:
                await asyncio.sleep(0.05)
        return said

    async def connect(self, namespace, address, port=80):
        """A connection that stays open."""
        sock = await self.world.open_socket(namespace, _family(address))
        async with asyncio.timeout(patience_s()):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        return sock

    async def ping(self, namespace, address):
        """Whether one echo request is answered."""
        asked = await self.world.spawn(ProcessSpec("ping", [sys.executable, "-c", PING, address], namespace))
        return await asked.wait() == 0


def _family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


PING = """
import socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as ping:
    ping.settimeout(0.7)
    ping.sendto(struct.pack("!BBHHH", 8, 0, 0, 1, 1), (sys.argv[1], 0))
    raise SystemExit(ping.recv(100)[0])
"""


@asynccontextmanager
async def laboratory(new_caller, tmp_path, speed):
    ec2 = new_caller(Store(tmp_path / "k.db"))
    settings = Settings(state_dir=tmp_path)
    world = World(settings, ec2.api.spec, SystemClock())
    await world.start()
    controller = VpcController(ec2.store, SystemClock(speed), world, ec2.api.spec)
    task = asyncio.get_running_loop().create_task(controller.run())
    lab = Lab(ec2, world, controller)
    try:
        async with asyncio.timeout(60):
            yield lab
    finally:
        for server in lab.listening:
            server.close()
        task.cancel()
        await world.stop()
        ec2.store.close()
        shutil.rmtree(settings.run_dir, ignore_errors=True)


@pytest.fixture
def lab(new_caller, tmp_path):
    def run(story, speed=1.0):
        async def main():
            async with laboratory(new_caller, tmp_path, speed) as each:
                await story(each)

        asyncio.run(main())

    return run
