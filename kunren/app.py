"""Builds every component, in order, by hand. Read this first: what exists, what knows what, what starts before what.

The world starts first, then what carries traffic in it, then what decides, then the front that takes calls; the end is
the reverse. Everything hangs from one `App`, so that two Kunrens may run in one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from kunren.access.access import Access
from kunren.access.handed_out import HandedOut
from kunren.access.identities import Identities
from kunren.control.store import Store
from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.core.own_credentials import OwnCredentials
from kunren.core.timekeeping import ahead_at_start, keep_time
from kunren.dataplane.dns.server import DnsServer
from kunren.dataplane.dns.vpc_names import VpcNames
from kunren.dataplane.envoy.admin import counted
from kunren.dataplane.envoy.control import EnvoyControl
from kunren.dataplane.guests.guests import Guests
from kunren.dataplane.images.images import Images
from kunren.dataplane.images.store import ImageStore, images_folder
from kunren.dataplane.runtime.host import WorldHost
from kunren.fallback.fallback import Fallback, spawn_in_world
from kunren.gateway.as_client import AsClient
from kunren.gateway.certificates import CertificateContexts
from kunren.gateway.gateway import Gateway
from kunren.gateway.inside import Inside
from kunren.joints import Entrances, Names, certificate_users, listening, trust_variables
from kunren.later import Later
from kunren.management.api import ManagementApi
from kunren.management.leases import Leases
from kunren.management.server import ManagementServer
from kunren.on_demand import OnDemand
from kunren.services.acm.acme.controllers import AcmeController
from kunren.services.acm.acme.server import AcmeServer
from kunren.services.acm.api import AcmApi
from kunren.services.acm.controllers import CertificateController
from kunren.services.acm.material import certificate_state
from kunren.services.acm.revocation import RevocationStatus
from kunren.services.cloudfront.service import CloudFrontService
from kunren.services.codedeploy.agents.door import AgentDoor
from kunren.services.ec2.api import Ec2Api
from kunren.services.ec2.controllers import VpcController
from kunren.services.ec2.endpoint_controller import EndpointController
from kunren.services.ec2.endpoint_events import EndpointEvents
from kunren.services.ec2.flow_logs.delivery import FlowLogDelivery
from kunren.services.ec2.instances.service import InstanceService
from kunren.services.ec2.nat_addresses import NatAddressSweeper
from kunren.services.ec2.private_names import PrivateNames
from kunren.services.ec2.reverse_names import ReverseNames
from kunren.services.ec2.workloads import Workloads
from kunren.services.elbv2.api import Elbv2Api
from kunren.services.elbv2.controllers import Elbv2Controllers
from kunren.services.elbv2.limits import raised
from kunren.services.elbv2.login.bearer import BearerTokens
from kunren.services.elbv2.login.decisions import Decisions
from kunren.services.elbv2.login.login import Login
from kunren.services.elbv2.login.nodes import Nodes
from kunren.services.elbv2.login.public_keys import PublicKeys
from kunren.services.faults.faults import Faults
from kunren.services.globalaccelerator.api import GlobalAcceleratorApi
from kunren.services.globalaccelerator.controllers import AcceleratorControllers
from kunren.services.globalaccelerator.flow_logs import AcceleratorFlowLogs
from kunren.services.lambda_.policy import may_invoke, policy_of
from kunren.services.lambda_.service import LambdaService
from kunren.services.route53.api import Route53Api
from kunren.services.route53.checkers import HealthCheckController
from kunren.services.route53.controllers import Route53Controller
from kunren.services.route53.key_refresh import KeyRefresh
from kunren.services.route53.metrics import Metrics
from kunren.services.route53.query_logs import QueryLogs
from kunren.services.route53.sources import HealthCheckSourceController
from kunren.services.route53.store import Route53Store
from kunren.services.s3.service import S3Service
from kunren.settings import Settings
from kunren.world.cgroups import Cgroups
from kunren.world.launcher import Launched
from kunren.world.machine import offers_ipv6
from kunren.world.proxy import HostProxy
from kunren.world.spec import Distance
from kunren.world.world import World
from kunren.world.worldfile import load_world

if TYPE_CHECKING:
    from kunren.trace.tracer import Tracer

log = logging.getLogger(__name__)
COME_BACK_WITHIN_S = 10.0


class App:
    """One Kunren. `start`, then `run` until `ending` is set, then `stop`."""

    def __init__(self, settings: Settings, arguments: list[str], launched: Launched | None = None) -> None:
        self.settings = settings
        self.arguments = arguments
        self.ending = asyncio.Event()
        self.clock = SystemClock(settings.speed, ahead_at_start(settings.time_file))
        self.entropy = Entropy(settings.seed)
        self.spec = load_world(settings.world_file)
        if settings.distance and self.spec.distance is None:
            self.spec = replace(self.spec, distance=Distance())
        self.spec = replace(self.spec, ipv6=self.spec.ipv6 and offers_ipv6())
        self.started_at = self.clock.monotonic()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = contextlib.AsyncExitStack()
        self._at_stop: list[Callable[[], Awaitable[None]]] = []
        self.metric_sources: list[Callable[[str], Awaitable[None]]] = []  # awaited before metrics are read
        self._build_world(launched)
        self._build_services()
        self._build_public_services()
        self._build_fronts()

    # -- building ----------------------------------------------------------------------------------------------------

    def _build_world(self, launched: Launched | None) -> None:
        settings, clock, entropy, spec = self.settings, self.clock, self.entropy, self.spec
        self.ca = CertificateAuthority.open(settings.ca_dir, clock)
        self.own = OwnCredentials.open(settings.own_credentials) if settings.strict else None
        self.handed_out = HandedOut(self.own, clock)
        self.world = World(settings, spec, clock, on_end=self.ending.set, launched=launched)
        self.world.set_trust(self.ca.bundle_path)
        self.envoy = EnvoyControl(settings, self.world, clock)
        self.entrances = Entrances(self.world, spec)
        self.dns = DnsServer(self.world, clock, entropy, spec, endpoint_asked=self.entrances.opening)
        self.names = Names(self.dns)

    def _build_services(self) -> None:
        settings, clock, entropy, spec = self.settings, self.clock, self.entropy, self.spec
        self.store = store = Store(settings.database)
        self.ec2 = Ec2Api(store, clock, entropy, spec, call=self.call)
        self.faults = Faults(store, clock, entropy, spec, self.world)
        route53_store = Route53Store(store, clock, entropy)
        self.route53 = Route53Api(route53_store, clock, entropy, self.dns)
        self.dns.listener = self.query_logs = QueryLogs(store, clock, self.call)
        self.acm = AcmApi(store, clock, entropy, in_use_by=certificate_users)
        self.elbv2 = Elbv2Api(
            store, clock, entropy, spec, may_invoke=may_invoke, certificate_state=certificate_state,
            limits=raised(settings.quotas), call=self.call,
        )  # fmt: skip
        self.globalaccelerator = GlobalAcceleratorApi(store, clock, entropy, spec)
        self.cgroups = Cgroups(f"kunren-{settings.run_dir.name}")
        self.images = Images(ImageStore(images_folder(settings)))
        self.functions = LambdaService(
            settings,
            store,
            clock,
            entropy,
            WorldHost(self.world, self.cgroups),
            applied=lambda interface_id: self.vpcs.applied(interface_id),
            spec=spec,
            call=self.call,
            trust=trust_variables(self.ca),
            credentials=self.handed_out.of_function,
            images=self.images,
        )
        self.vpcs = VpcController(store, clock, self.world, spec, self._serve_dns)
        self.faults.felt_by.append(self.vpcs.settled)
        self.workloads = Workloads(store, clock, entropy, spec, self.vpcs.applied)
        self.guests = Guests(self.world, self.cgroups, self.ca.bundle_path)
        self.instances = InstanceService(
            store, clock, entropy, spec, self.world, self.guests,
            settings.data_dir / "disks", self.vpcs.applied, self.ec2, self.call,
        )  # fmt: skip
        self.private_names = PrivateNames(store, clock, self.names.texts)
        self.endpoint_events = EndpointEvents(store, clock, self.call)
        self.reverse_names = ReverseNames(store, clock, self.dns.resolve, self.dns)
        self.nat_addresses = NatAddressSweeper(store, clock)
        self.zones = Route53Controller(route53_store, self.dns, clock)
        self.health_checks = HealthCheckController(store, clock, entropy, self.world, self.call)
        self.route53.checker_views, self.route53.call = self.health_checks.views, self.call
        self.health_metrics = Metrics(store, clock, self.call)
        self.key_refresh = KeyRefresh(store, clock, self.call)
        self.check_sources = HealthCheckSourceController(store, clock, entropy, spec, self.vpcs.applied)
        self.certificates = CertificateController(
            store, clock, self.ca, self.names.cnames, in_use_by=certificate_users, caa=self.names.caa_records
        )
        self.acme = AcmeController(
            store, clock, entropy, self.ca, self.names.cnames, call=self.call, caa=self.names.caa_records
        )
        self.balancers = Elbv2Controllers(
            store, clock, entropy, self.world, self.envoy, self.dns, bridge_socket=self.functions.bridge.socket_path,
            call=self.call, observe=self.envoy.access_log.subscribe,
        )  # fmt: skip
        self.faults.felt_by.append(self.balancers.settled)

    def _build_public_services(self) -> None:
        """Those that answer under names of AWS's own, by which others are reached."""
        settings, clock, entropy, spec, store = self.settings, self.clock, self.entropy, self.spec, self.store
        self.s3 = S3Service(settings, store, clock, entropy, spec, self.call, dns=self.dns, serve=self.entrances.asked)
        self.certificate_contexts = CertificateContexts(self.ca.server_context)
        self.cloudfront = CloudFrontService(
            settings, store, clock, entropy, self.ca, self.world, self.envoy, self.dns, resolve=self.dns.resolve,
            call=self.call,
        )  # fmt: skip
        self.world.on_source.append(self.cloudfront.sources_changed)
        self.accelerators = AcceleratorControllers(store, clock, entropy, self.world, self.dns, spec)
        self.world.on_source.append(self.accelerators.sources_changed)
        nodes = Nodes(store, self.world, self.dns.resolve)
        self.login = Login(store, clock, entropy, nodes.connect, self.ca.bundle_path)
        tokens = BearerTokens(clock, nodes.connect, self.ca.bundle_path)
        self.envoy.authorization.decided_by(Decisions(store, self.login, tokens).decide)

    def _build_fronts(self) -> None:
        settings, clock = self.settings, self.clock
        services = {
            "cloudfront": self.cloudfront.api,
            "cloudfront-keyvaluestore": self.cloudfront.key_values_api,
            "ec2": self.ec2,
            "route53": self.route53,
            "acm": self.acm,
            "elbv2": self.elbv2,
            "globalaccelerator": self.globalaccelerator,
            "lambda": self.functions.api,
            "s3": self.s3.api,
        }
        self.fallback = Fallback(settings, clock, self.entropy, spawn_in_world(self.world))
        self.instances.events.heard = lambda: self.on_demand.hears_events()
        self.fallback.before["logs"] += [
            self.functions.logs.before, self.query_logs.before, self.cloudfront.logs.vended.groups.before
        ]  # fmt: skip
        self.fallback.judges["logs"] = self.cloudfront.logs.vended.judge
        self.fallback.after["logs"] = self.cloudfront.logs.vended.after
        self.metric_sources += [
            self.health_metrics.before, self.cloudfront.metrics.before, self.balancers.metrics.before,
            self.functions.metrics.before, self.instances.metrics.before,
        ]  # fmt: skip
        self.on_demand = OnDemand(self, self._began)
        apis, contexts = self.on_demand.answering(services), self.certificate_contexts
        self.gateway = Gateway(settings, self.store, clock, self.entropy, apis, self.fallback, contexts)
        self.entrances.accept = self.gateway.accept
        self.entrances.accept_website = partial(self.gateway.accept_for_front, self.s3.website)
        statuses = RevocationStatus(self.store, self.ca, clock)
        acme = AcmeServer(self.store, clock, self.entropy)
        self.gateway.fronts += [self.functions.urls, self.functions.downloads, PublicKeys(self.login), statuses, acme]
        self.functions.urls.distribution_asking = self.cloudfront.distribution_asking
        self.gateway.acting[self.cloudfront.access_key] = self.cloudfront.acting
        self.gateway.fronts += [AgentDoor(lambda: self.on_demand.codedeploy()), self.s3.website]
        self.gateway.take_in(self.s3.receiving)
        self.access = self._enforced(self.own) if self.own is not None else None
        self.inside = Inside(self.gateway, self.fallback)
        self.as_client = AsClient(self.gateway)
        self.endpoints = EndpointController(self.store, clock, self.world, self.gateway, self.dns)
        self.flow_logs = FlowLogDelivery(self.store, clock, self.entropy, self.world, self.vpcs.network, self.call)
        self.accelerator_flow_logs = AcceleratorFlowLogs(
            self.store, clock, self.entropy, self.world, self.spec, self.call, self.accelerators.led
        )
        self.proxy = HostProxy(self.world, self.dns.resolve, self.spec.default_place, settings.proxy_port)
        self.on_demand.make_those_kept()
        self.leases = Leases(self.workloads, self.world)
        self.management = ManagementServer(ManagementApi(self), settings.run_dir / "management.sock")

    def _enforced(self, own: OwnCredentials) -> Access:
        """Strict mode, from here on."""
        identities = Identities(self.fallback.identities, own)
        access = Access(identities, self.clock, self.gateway.codecs, self.call)
        self.handed_out.identities = identities
        access.policies["lambda"] = lambda arn: policy_of(self.store.snapshot(), arn)
        self.fallback.behind.update(iam=identities.changed, sts=identities.changed)
        self.gateway.enforce(access)
        self.s3.receiving.strict = True
        self.functions.urls.access = access
        self.s3.api.form_caller = access.form_caller
        return access

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Return when everything answers. Raises what a part raises; `stop` is safe after that."""
        self._stopping.callback(self.store.close)
        self._stopping.callback(self.s3.close)
        self._stopping.callback(self.cgroups.end)
        await self.world.start()
        self._stopping.push_async_callback(self.world.stop)
        await self.envoy.start()
        self._stopping.push_async_callback(self.envoy.stop)
        await self.dns.start()
        self._stopping.push_async_callback(self.dns.stop)
        await asyncio.to_thread(self.images.store.sweep, self._images_used())
        await self.functions.start()
        self._stopping.push_async_callback(self.functions.stop)
        self._stopping.push_async_callback(self.fallback.stop)
        await self.cloudfront.start()
        self._stopping.push_async_callback(self.cloudfront.stop)
        self.workloads.sweep()
        for name, running in (
            ("time", keep_time(self.clock, self.settings.time_file)),
            ("faults", self.faults.run()),
            ("vpcs", self.vpcs.run()),
            ("instances", self.instances.run()),
            ("private-names", self.private_names.run()),
            ("reverse-names", self.reverse_names.run()),
            ("endpoint-events", self.endpoint_events.run()),
            ("nat-addresses", self.nat_addresses.run()),
            ("vpc-endpoints", self.endpoints.run()),
            ("flow-logs", self.flow_logs.run()),
            ("route53", self.zones.run()),
            ("health-checks", self.health_checks.run()),
            ("health-check-metrics", self.health_metrics.run()),
            ("key-refresh", self.key_refresh.run()),
            ("health-check-sources", self.check_sources.run()),
            ("acm", self.certificates.run()),
            ("acme", self.acme.run()),
            ("elbv2", self.balancers.run()),
            ("globalaccelerator", self.accelerators.run()),
            ("accelerator-flow-logs", self.accelerator_flow_logs.run()),
            ("cloudfront", self.cloudfront.run()),
            ("lambda", self.functions.run()),
            ("s3", self.s3.run()),
            *((name, service.run()) for name, service in self.on_demand.made()),
        ):
            self._run(name, running)
        self._stopping.push_async_callback(self._end_tasks)
        await self.entrances.serve(self.spec.regions[0].name)
        for _, service in self.on_demand.made():
            _begin(service)
        await listening(self.gateway.serve_host(), "--port", self.settings.port)
        self._stopping.push_async_callback(self.gateway.stop)
        await listening(self.proxy.start(), "--proxy-port", self.settings.proxy_port)
        self._stopping.push_async_callback(self.proxy.stop)
        await self.envoy.ready()
        await self._come_back()
        await self.management.start()
        self._stopping.push_async_callback(self.management.stop)

    async def run(self) -> None:
        """Until `ending` is set, or a part that must not end has ended."""
        await self.ending.wait()
        for name, task in self._tasks.items():
            if task.done() and not task.cancelled() and task.exception() is not None:
                log.error("%s ended, so Kunren ends", name, exc_info=task.exception())

    async def stop(self) -> None:
        """The reverse of `start`."""
        self.leases.end()
        self.entrances.close()
        for end in reversed(self._at_stop):
            await end()
        await self._stopping.aclose()

    def _run(self, name: str, running: Coroutine[Any, Any, None]) -> None:
        self._tasks[name] = task = asyncio.get_running_loop().create_task(running, name=name)
        task.add_done_callback(lambda _: self.ending.set())

    def _began(self, later: Later[Any]) -> None:
        """A service was made when all else runs: it joins in."""
        if self._tasks:
            self._run(later.name, later().run())
            _begin(later())

    def at_stop(self, end: Callable[[], Awaitable[None]]) -> None:
        """Have `end` called at the stop, while all that starts with Kunren still runs; what it gives is awaited."""
        self._at_stop.append(end)

    def _images_used(self) -> set[str]:
        ecr = self.on_demand.ecr.made
        return self.functions.images_used() | (ecr.digests() if ecr is not None else set())

    async def _come_back(self) -> None:
        """Wait until the data plane has again what the state says; what can't be made again is left to its retries."""
        for part in (
            self.vpcs,
            self.faults,
            self.endpoints,
            self.zones.controller,
            self.health_checks.controller,
            self.balancers,
            self.accelerators,
            self.cloudfront,
            self.functions,
            self.instances,
            *(service for _, service in self.on_demand.made() if hasattr(service, "settled")),
        ):
            try:
                async with asyncio.timeout(COME_BACK_WITHIN_S):
                    await part.settled()
            except TimeoutError:
                log.warning("%s is not yet as the state says; `kunren status` shows why", type(part).__name__)

    async def _end_tasks(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    # -- joints between parts ----------------------------------------------------------------------------------------

    async def call(
        self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """An operation of any service, for another service (`kunren.core.calling`)."""
        return await self.inside.call(account, region, service, operation, params)

    async def ask_service(self, *request: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        """A request of AWS's API for another service (`kunren.gateway.as_client`)."""
        return await self.as_client.ask(*request)

    async def _serve_dns(self, vpc: VpcNames, addresses: tuple[str, ...]) -> None:
        if addresses:
            await self.dns.serve_vpc(vpc, addresses)
        else:
            await self.dns.stop_vpc(vpc.id)

    # -- what the management API asks --------------------------------------------------------------------------------

    @cached_property
    def tracer(self) -> Tracer:
        from kunren.trace.tracer import Tracer

        return Tracer(
            self.store, lambda: self.dns.zones, self.spec, self.clock, self.world,
            lambda: counted(self.envoy.process.admin_socket), self.cloudfront.edge.pipeline, self.ca.bundle_path,
        )  # fmt: skip

    async def place(self, name: str | None) -> dict[str, Any]:
        """A client place's namespace, started if need be. Raises UnknownPlace."""
        namespace = await self.world.ensure_place(name or self.spec.default_place)
        return {"namespace": namespace, "world": self.world.handle()}

    def ended(self, part: str) -> bool:
        """Whether a part that must run has ended."""
        return part in self._tasks and self._tasks[part].done()


def _begin(service: Any) -> None:
    """What a service that came on demand does once, beside its task."""
    if hasattr(service, "start"):
        service.start()
