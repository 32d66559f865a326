"""Builds every component, in order, by hand. Read this first: what exists, what knows what, what starts before what.

The world starts first, then what carries traffic in it, then what decides, then the front that takes calls; the end is
the reverse. Everything hangs from one `App`, so that two Kunrens may run in one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from kunren.access.access import Access
from kunren.access.handed_out import HandedOut
from kunren.access.identities import Identities
from kunren.control.store import Store
from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SystemClock
from kunren.core.entropy import Entropy
from kunren.core.own_credentials import OwnCredentials
from kunren.core.timekeeping import ahead_at_start, keep_time
from kunren.dataplane.apis.front import HEAD_BYTES_MAX, PAYLOAD_BYTES_MAX
from kunren.dataplane.dns.server import DnsServer
from kunren.dataplane.dns.vpc_names import VpcNames
from kunren.dataplane.envoy.admin import counted
from kunren.dataplane.envoy.control import EnvoyControl
from kunren.dataplane.guests.guests import Guests
from kunren.dataplane.images.images import Images
from kunren.dataplane.images.store import ImageStore, images_folder
from kunren.dataplane.runtime.host import WorldHost
from kunren.fallback.fallback import Fallback, all_of, spawn_in_world
from kunren.gateway.as_client import AsClient
from kunren.gateway.certificates import CertificateContexts
from kunren.gateway.connection import Limits
from kunren.gateway.gateway import Gateway
from kunren.gateway.inside import Inside, InsideNoting
from kunren.gateway.public import RegionServers
from kunren.joints import Entrances, Names, certificate_users, listening, trust_variables
from kunren.management.api import ManagementApi
from kunren.management.leases import Leases
from kunren.management.server import ManagementServer
from kunren.services.acm.acme.controllers import AcmeController
from kunren.services.acm.acme.server import AcmeServer
from kunren.services.acm.api import AcmApi
from kunren.services.acm.controllers import CertificateController
from kunren.services.acm.material import certificate_state
from kunren.services.acm.revocation import RevocationStatus
from kunren.services.apigateway.service import RestApiService
from kunren.services.apigatewayv2.service import ApiGatewayV2Service
from kunren.services.arc_zonal_shift.controllers import ZonalShiftService
from kunren.services.autoscaling.service import AutoScalingService
from kunren.services.cloudformation.service import CloudFormationService
from kunren.services.cloudfront.service import CloudFrontService
from kunren.services.codedeploy.service import CodeDeployService
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
from kunren.services.ecs.service import EcsService
from kunren.services.elbv2.api import Elbv2Api
from kunren.services.elbv2.controllers import Elbv2Controllers
from kunren.services.elbv2.limits import raised
from kunren.services.elbv2.login.bearer import BearerTokens
from kunren.services.elbv2.login.decisions import Decisions
from kunren.services.elbv2.login.login import Login
from kunren.services.elbv2.login.nodes import Nodes
from kunren.services.elbv2.login.public_keys import PublicKeys
from kunren.services.faults.faults import Faults
from kunren.services.fis.service import FisService
from kunren.services.globalaccelerator.api import GlobalAcceleratorApi
from kunren.services.globalaccelerator.controllers import AcceleratorControllers
from kunren.services.globalaccelerator.flow_logs import AcceleratorFlowLogs
from kunren.services.lambda_.policy import may_invoke, policy_of
from kunren.services.lambda_.service import LambdaService
from kunren.services.recovery_control.service import RecoveryControlService
from kunren.services.resiliencehub.service import ResilienceHubService
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
from kunren.trace.tracer import Tracer
from kunren.world.cgroups import Cgroups
from kunren.world.launcher import Launched
from kunren.world.machine import offers_ipv6
from kunren.world.proxy import HostProxy
from kunren.world.spec import Distance
from kunren.world.world import World
from kunren.world.worldfile import load_world

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
        self.dns = DnsServer(self.world, clock, entropy, spec, endpoint_asked=self.entrances.asked)
        self.names = Names(self.dns)

    def _build_services(self) -> None:
        settings, clock, entropy, spec = self.settings, self.clock, self.entropy, self.spec
        self.store = store = Store(settings.database)
        self.ec2 = Ec2Api(store, clock, entropy, spec, call=self._call)
        self.faults = Faults(store, clock, entropy, spec, self.world)
        route53_store = Route53Store(store, clock, entropy)
        self.route53 = Route53Api(route53_store, clock, entropy, self.dns)
        self.dns.listener = self.query_logs = QueryLogs(store, clock, self._call)
        self.acm = AcmApi(store, clock, entropy, in_use_by=certificate_users)
        self.elbv2 = Elbv2Api(
            store, clock, entropy, spec, may_invoke=may_invoke, certificate_state=certificate_state,
            limits=raised(settings.quotas), call=self._call,
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
            call=self._call,
            trust=trust_variables(self.ca),
            credentials=self.handed_out.of_function,
            images=self.images,
        )
        self.vpcs = VpcController(store, clock, self.world, spec, self._serve_dns)
        self.faults.felt_by.append(self.vpcs.settled)
        self.workloads = Workloads(store, clock, entropy, spec, self.vpcs.applied)
        self.instances = InstanceService(
            store, clock, entropy, spec, self.world, Guests(self.world, self.cgroups, self.ca.bundle_path),
            settings.data_dir / "disks", self.vpcs.applied, self.ec2, self._call,
        )  # fmt: skip
        self.private_names = PrivateNames(store, clock, self.names.texts)
        self.endpoint_events = EndpointEvents(store, clock, self._call)
        self.reverse_names = ReverseNames(store, clock, self.dns.resolve, self.dns)
        self.nat_addresses = NatAddressSweeper(store, clock)
        self.zones = Route53Controller(route53_store, self.dns, clock)
        self.health_checks = HealthCheckController(store, clock, entropy, self.world, self._call)
        self.route53.checker_views, self.route53.call = self.health_checks.views, self._call
        self.health_metrics = Metrics(store, clock, self._call)
        self.key_refresh = KeyRefresh(store, clock, self._call)
        self.check_sources = HealthCheckSourceController(store, clock, entropy, spec, self.vpcs.applied)
        self.certificates = CertificateController(
            store, clock, self.ca, self.names.cnames, in_use_by=certificate_users, caa=self.names.caa_records
        )
        self.acme = AcmeController(
            store, clock, entropy, self.ca, self.names.cnames, call=self._call, caa=self.names.caa_records
        )
        self.zonal_shifts = ZonalShiftService(store, clock, entropy, spec, self._call)
        self.resilience_hub = ResilienceHubService(store, clock, entropy, self._call)
        self.fis = FisService(
            store, clock, entropy, spec, ec2=self.ec2, call=self._call, felt=self.faults.settled
        )  # fmt: skip
        self.functions.invoker.faults = self.fis.invocations.of
        self.balancers = Elbv2Controllers(
            store, clock, entropy, self.world, self.envoy, self.dns, bridge_socket=self.functions.bridge.socket_path,
            call=self._call, observe=self.envoy.access_log.subscribe,
        )  # fmt: skip
        self.faults.felt_by.append(self.balancers.settled)

    def _build_public_services(self) -> None:
        """Those that answer under names of AWS's own, by which others are reached."""
        settings, clock, entropy, spec, store = self.settings, self.clock, self.entropy, self.spec, self.store
        self.autoscaling = AutoScalingService(store, clock, entropy, self._call, self.ec2)
        self.codedeploy = CodeDeployService(store, clock, entropy, self._call)
        self.ecs = EcsService(store, clock, entropy, spec, self._call)
        self.recovery = RecoveryControlService(store, clock, entropy, spec, self.entrances.serve)
        self.s3 = S3Service(settings, store, clock, entropy, spec, self._call, dns=self.dns, serve=self.entrances.asked)
        self.certificate_contexts = CertificateContexts(self.ca.server_context)
        self.apis = ApiGatewayV2Service(
            store, clock, entropy, spec, self._call, invoker=self.functions.invoker, world=self.world, dns=self.dns,
            resolve=self.dns.resolve, trust=self.ca.bundle_path, contexts=self.certificate_contexts.context_for,
            serve=self.entrances.asked,
        )  # fmt: skip
        self.rest_apis = RestApiService(
            store, clock, entropy, spec, self.functions.invoker, self._call, self._ask_service, self.apis,
            serve=self.entrances.asked,
        )  # fmt: skip
        self.cloudfront = CloudFrontService(
            settings, store, clock, entropy, self.ca, self.world, self.envoy, self.dns, resolve=self.dns.resolve,
            call=self._call,
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
        self.stacks = CloudFormationService(
            self.store, clock, self.entropy, self.spec, self._call, InsideNoting(lambda: self.inside)
        )
        services = {
            "apigateway": self.rest_apis.api,
            "apigatewayv2": self.apis.api,
            "cloudformation": self.stacks.api,
            "cloudfront": self.cloudfront.api,
            "cloudfront-keyvaluestore": self.cloudfront.key_values_api,
            "autoscaling": self.autoscaling.api,
            "codedeploy": self.codedeploy.api,
            "ec2": self.ec2,
            "route53": self.route53,
            "acm": self.acm,
            "ecs": self.ecs.api,
            "elbv2": self.elbv2,
            "globalaccelerator": self.globalaccelerator,
            "lambda": self.functions.api,
            "fis": self.fis.api,
            "resiliencehub": self.resilience_hub.api,
            "arc-zonal-shift": self.zonal_shifts.api,
            "s3": self.s3.api,
            "route53-recovery-control-config": self.recovery.config,
            "route53-recovery-cluster": self.recovery.cluster,
        }
        self.fallback = Fallback(settings, clock, self.entropy, spawn_in_world(self.world))
        self.instances.events.heard = self.codedeploy.notices.heard = lambda: self.fallback.used
        self.fallback.before["logs"] = all_of(
            self.functions.logs.before,
            self.query_logs.before,
            self.fis.records.before,
            self.cloudfront.logs.vended.groups.before,
            self.apis.observing.logs,
            self.rest_apis.records.before_logs,
        )
        self.fallback.judges["logs"] = self.cloudfront.logs.vended.judge
        self.fallback.after["logs"] = self.cloudfront.logs.vended.after
        self.fallback.before["cloudwatch"] = all_of(
            self.health_metrics.before, self.cloudfront.metrics.before, self.apis.observing.metrics,
            self.rest_apis.records.before_metrics,
        )  # fmt: skip
        contexts = self.certificate_contexts
        self.gateway = Gateway(settings, self.store, clock, self.entropy, services, self.fallback, contexts)
        self.entrances.accept = self.gateway.accept
        self.entrances.accept_website = partial(self.gateway.accept_for_front, self.s3.website)
        statuses = RevocationStatus(self.store, self.ca, clock)
        acme = AcmeServer(self.store, clock, self.entropy)
        self.gateway.fault_hook = self.fis.api_errors.hook
        self.s3.replicating.paused = self.fis.replication.paused
        self.fis.replication.changed = self.s3.replicating.woken.set
        self.gateway.fronts += [self.functions.urls, self.functions.downloads, PublicKeys(self.login), statuses, acme]
        self.gateway.fronts.append(self.stacks.responses)
        self.functions.urls.distribution_asking = self.cloudfront.distribution_asking
        self.gateway.acting[self.cloudfront.access_key] = self.cloudfront.acting
        self.gateway.fronts += [self.apis.front, self.s3.website]
        limits = Limits(head_bytes=HEAD_BYTES_MAX, body_bytes=PAYLOAD_BYTES_MAX)
        self.api_servers = RegionServers(clock, self.apis.front.for_region, self.apis.served.contexts, limits)
        self.entrances.accept_api = self.api_servers.accept
        self.gateway.take_in(self.s3.receiving)
        self.access = self._enforced(self.own) if self.own is not None else None
        self.inside = Inside(self.gateway, self.fallback)
        self.as_client = AsClient(self.gateway)
        self.endpoints = EndpointController(self.store, clock, self.world, self.gateway, self.dns)
        self.flow_logs = FlowLogDelivery(self.store, clock, self.entropy, self.world, self.vpcs.network, self._call)
        self.accelerator_flow_logs = AcceleratorFlowLogs(
            self.store, clock, self.entropy, self.world, self.spec, self._call, self.accelerators.led
        )
        self.proxy = HostProxy(self.world, self.dns.resolve, self.spec.default_place, settings.proxy_port)
        self.tracer = Tracer(
            self.store, lambda: self.dns.zones, self.spec, clock, self.world,
            lambda: counted(self.envoy.process.admin_socket), self.cloudfront.edge.pipeline, self.ca.bundle_path,
        )  # fmt: skip
        self.leases = Leases(self.workloads, self.world)
        self.management = ManagementServer(ManagementApi(self), settings.run_dir / "management.sock")

    def _enforced(self, own: OwnCredentials) -> Access:
        """Strict mode, from here on."""
        identities = Identities(self.fallback.identities, own)
        access = Access(identities, self.clock, self.gateway.codecs, self._call)
        self.handed_out.identities = identities
        access.policies["lambda"] = lambda arn: policy_of(self.store.snapshot(), arn)
        self.fallback.behind.update(iam=identities.changed, sts=identities.changed)
        self.gateway.enforce(access)
        self.s3.receiving.strict = True
        self.functions.urls.access = self.apis.authorizing.access = access
        self.rest_apis.kind.authorizers.access = access
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
            ("autoscaling", self.autoscaling.run()),
            ("codedeploy", self.codedeploy.run()),
            ("fis", self.fis.run()),
            ("resiliencehub", self.resilience_hub.run()),
            ("arc-zonal-shift", self.zonal_shifts.run()),
            ("s3", self.s3.run()),
            ("apis", self.apis.run()),
            ("rest-apis", self.rest_apis.run()),
            ("recovery-control", self.recovery.run()),
            ("cloudformation", self.stacks.run()),
        ):
            self._run(name, running)
        self._stopping.push_async_callback(self._end_tasks)
        await self.entrances.serve(self.spec.regions[0].name)
        self._stopping.callback(self.apis.upstream.close)
        self._stopping.push_async_callback(self.api_servers.stop)
        self.apis.start()
        self.rest_apis.start()
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
        ended = asyncio.get_running_loop().create_task(self.ending.wait())
        await asyncio.wait([ended, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        for name, task in self._tasks.items():
            if task.done() and not task.cancelled() and task.exception() is not None:
                log.error("%s ended, so Kunren ends", name, exc_info=task.exception())
        ended.cancel()

    async def stop(self) -> None:
        """The reverse of `start`."""
        self.leases.end()
        self.entrances.close()
        await self._stopping.aclose()

    def _run(self, name: str, running: Coroutine[Any, Any, None]) -> None:
        self._tasks[name] = asyncio.get_running_loop().create_task(running, name=name)

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
            self.apis,
            self.rest_apis,
            self.instances,
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

    async def _call(
        self, account: str, region: str, service: str, operation: str, params: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """An operation of any service, for another service (`kunren.core.calling`)."""
        return await self.inside.call(account, region, service, operation, params)

    async def _ask_service(self, *request: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        """A request of AWS's API for another service (`kunren.gateway.as_client`)."""
        return await self.as_client.ask(*request)

    async def _serve_dns(self, vpc: VpcNames, addresses: tuple[str, ...]) -> None:
        if addresses:
            await self.dns.serve_vpc(vpc, addresses)
        else:
            await self.dns.stop_vpc(vpc.id)

    # -- what the management API asks --------------------------------------------------------------------------------

    async def place(self, name: str | None) -> dict[str, Any]:
        """A client place's namespace, started if need be. Raises UnknownPlace."""
        namespace = await self.world.ensure_place(name or self.spec.default_place)
        return {"namespace": namespace, "world": self.world.handle()}

    def ended(self, part: str) -> bool:
        """Whether a part that must run has ended."""
        return part in self._tasks and self._tasks[part].done()
