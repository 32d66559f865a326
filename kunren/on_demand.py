"""The services that are made when they are first needed, and how each is joined to what is there (`kunren.later`).

A service stands here rather than in `kunren.app` where nothing that always runs needs it: what it has to hear of or to
stand in front of is joined to it when it is made. Its modules are imported then and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kunren.later import Apis, Later, S

if TYPE_CHECKING:
    from kunren.app import App
    from kunren.core.calling import Permit
    from kunren.dataplane.containers.interface import Containers
    from kunren.services.apigateway.service import RestApiService
    from kunren.services.apigatewayv2.service import ApiGatewayV2Service
    from kunren.services.applicationautoscaling.service import ApplicationAutoScalingService
    from kunren.services.arc_zonal_shift.controllers import ZonalShiftService
    from kunren.services.autoscaling.service import AutoScalingService
    from kunren.services.cloudformation.service import CloudFormationService
    from kunren.services.cloudwatch.service import CloudWatchService
    from kunren.services.codedeploy.service import CodeDeployService
    from kunren.services.ec2.fleets.service import FleetService
    from kunren.services.ecr.service import EcrService
    from kunren.services.ecs.service import EcsService
    from kunren.services.events.service import EventsService
    from kunren.services.fis.service import FisService
    from kunren.services.recovery_control.service import RecoveryControlService
    from kunren.services.resiliencehub.service import ResilienceHubService
    from kunren.services.scheduler.service import SchedulerService
    from kunren.services.servicediscovery.service import ServiceDiscoveryService
    from kunren.services.ssm.service import SsmService


class OnDemand:
    """`began` is told of each service that was made."""

    def __init__(self, app: App, began: Callable[[Later[Any]], None]) -> None:
        self._app = app
        self._began = began
        self._all: list[Later[Any]] = []
        self.apis = self._later("apis", "apigatewayv2.", self._make_apis)
        self.rest_apis = self._later("rest-apis", "apigateway.", self._make_rest_apis)
        self.application_autoscaling = self._later(
            "application-autoscaling", "application-autoscaling.", self._make_application_autoscaling
        )
        self.autoscaling = self._later("autoscaling", "autoscaling.", self._make_autoscaling)
        self.cloudwatch = self._later("cloudwatch", "cloudwatch.", self._make_cloudwatch)
        self.codedeploy = self._later("codedeploy", "codedeploy.", self._make_codedeploy)
        self.ecr = self._later("ecr", "ecr.", self._make_ecr)
        self.ecs = self._later("ecs", "ecs.", self._make_ecs)
        self.events = self._later("events", "events.", self._make_events)
        self.fleets = self._later("fleets", "fleets.", self._make_fleets)
        app.ec2.fleets = lambda: self.fleets().api
        self.fis = self._later("fis", "fis.", self._make_fis)
        self.recovery = self._later("recovery-control", "recovery-control.", self._make_recovery)
        self.resilience_hub = self._later("resiliencehub", "resiliencehub.", self._make_resilience_hub)
        self.servicediscovery = self._later("servicediscovery", "servicediscovery.", self._make_servicediscovery)
        self.zonal_shifts = self._later("arc-zonal-shift", "arc-zonal-shift.", self._make_zonal_shifts)
        self.scheduler = self._later("scheduler", "scheduler.", self._make_scheduler)
        self.ssm = self._later("ssm", "ssm.", self._make_ssm)
        self.stacks = self._later("cloudformation", "cloudformation.", self._make_stacks)

    def answering(self, there: Mapping[str, object]) -> Apis:
        """Who answers calls: those that are `there`, and those of this file."""
        return Apis(
            there,
            {
                "apigateway": lambda: self.rest_apis().api,
                "apigatewayv2": lambda: self.apis().api,
                "application-autoscaling": lambda: self.application_autoscaling().api,
                "arc-zonal-shift": lambda: self.zonal_shifts().api,
                "autoscaling": lambda: self.autoscaling().api,
                "cloudcontrol": lambda: self.stacks().control,
                "cloudformation": lambda: self.stacks().api,
                "cloudwatch": lambda: self.cloudwatch().api,
                "codedeploy": lambda: self.codedeploy().api,
                "ecr": lambda: self.ecr().api,
                "ecs": lambda: self.ecs().api,
                "events": lambda: self.events().api,
                "fis": lambda: self.fis().api,
                "resiliencehub": lambda: self.resilience_hub().api,
                "route53-recovery-cluster": lambda: self.recovery().cluster,
                "route53-recovery-control-config": lambda: self.recovery().config,
                "scheduler": lambda: self.scheduler().api,
                "ssm": lambda: self.ssm().api,
                "servicediscovery": lambda: self.servicediscovery().api,
            },
        )

    def hears_events(self) -> bool:
        """Whether there can be rules that want to hear of events."""
        return self.events.made is not None

    def make_those_kept(self) -> None:
        """Make the services of which the store has something."""
        for each in self._all:
            if self._app.store.unread(each.prefix):
                each()

    def made(self) -> Iterator[tuple[str, Any]]:
        """The services that there are, by name."""
        return ((each.name, each.made) for each in self._all if each.made is not None)

    def _later(self, name: str, prefix: str, make: Callable[[], S]) -> Later[S]:
        later = Later(name, prefix, make, self._began)
        self._all.append(later)
        return later

    # -- one service after the other ---------------------------------------------------------------------------------

    def _make_apis(self) -> ApiGatewayV2Service:
        from kunren.dataplane.apis.front import HEAD_BYTES_MAX, PAYLOAD_BYTES_MAX
        from kunren.gateway.connection import Limits
        from kunren.gateway.public import RegionServers
        from kunren.services.apigatewayv2.service import ApiGatewayV2Service

        app = self._app
        apis = ApiGatewayV2Service(
            app.store, app.clock, app.entropy, app.spec, app.call, invoker=app.functions.invoker, world=app.world,
            dns=app.dns, resolve=app.dns.resolve, trust=app.ca.bundle_path,
            contexts=app.certificate_contexts.context_for, serve=app.entrances.asked,
        )  # fmt: skip
        app.fallback.before["logs"].append(apis.observing.logs)
        app.metric_sources.append(apis.observing.metrics)
        app.gateway.fronts.append(apis.front)
        apis.authorizing.access = app.access
        limits = Limits(head_bytes=HEAD_BYTES_MAX, body_bytes=PAYLOAD_BYTES_MAX)
        servers = RegionServers(app.clock, apis.front.for_region, apis.served.contexts, limits)

        async def end() -> None:
            await servers.stop()
            apis.upstream.close()

        app.at_stop(end)
        app.entrances.open_apis(servers.accept)
        return apis

    def _make_rest_apis(self) -> RestApiService:
        from kunren.services.apigateway.service import RestApiService

        app = self._app
        rest_apis = RestApiService(
            app.store, app.clock, app.entropy, app.spec, app.functions.invoker, app.call, app.ask_service,
            self.apis(), serve=app.entrances.asked,
        )  # fmt: skip
        app.fallback.before["logs"].append(rest_apis.records.before_logs)
        app.metric_sources.append(rest_apis.records.before_metrics)
        rest_apis.kind.authorizers.access = app.access
        return rest_apis

    def _make_application_autoscaling(self) -> ApplicationAutoScalingService:
        from kunren.services.applicationautoscaling.service import ApplicationAutoScalingService

        app = self._app
        return ApplicationAutoScalingService(app.store, app.clock, app.entropy, app.call)

    def _make_autoscaling(self) -> AutoScalingService:
        from kunren.services.autoscaling.service import AutoScalingService

        app = self._app
        autoscaling = AutoScalingService(app.store, app.clock, app.entropy, app.call, app.ec2)
        autoscaling.events.heard = self.hears_events
        return autoscaling

    def _make_cloudwatch(self) -> CloudWatchService:
        from kunren.services.cloudwatch.service import CloudWatchService

        app = self._app
        cloudwatch = CloudWatchService(
            app.store, app.clock, app.entropy, app.call, app.settings.data_dir / "metrics.db", app.metric_sources
        )
        cloudwatch.actions.heard = self.hears_events
        cloudwatch.actions.scale = self._scale
        return cloudwatch

    async def _scale(self, policy: str, *told: Any) -> None:
        """An alarm asks for a scaling policy: of an Auto Scaling group, or of what Application Auto Scaling scales."""
        if ":resource/" in policy:
            await self.application_autoscaling().scaler.act(policy, *told)
        else:
            await self.autoscaling().alarms.act(policy, *told)

    def _make_codedeploy(self) -> CodeDeployService:
        from kunren.services.codedeploy.service import CodeDeployService

        app = self._app
        self.autoscaling()  # groups of instances are deployed to
        codedeploy = CodeDeployService(app.store, app.clock, app.entropy, app.call, app.access)
        codedeploy.notices.heard = self.hears_events
        return codedeploy

    def _make_ecr(self) -> EcrService:
        from kunren.services.ecr.service import EcrService

        app = self._app
        ecr = EcrService(app.settings, app.store, app.clock, app.entropy, app.images, app.call)
        ecr.events.heard = self.hears_events
        if app.access is not None:
            app.access.policies["ecr"], ecr.front.access = ecr.policy, app.access
        app.gateway.fronts.append(ecr.front)
        app.gateway.take_in(ecr.receiving)
        return ecr

    def _make_ecs(self) -> EcsService:
        from kunren.services.ecs.agents.hosts import host_of
        from kunren.services.ecs.service import EcsService

        app = self._app
        ecs = EcsService(
            app.store, app.clock, app.entropy, app.spec, app.world, self._containers(), app.settings.data_dir / "tasks",
            app.vpcs.applied, app.images, app.call, app.envoy,
        )  # fmt: skip
        ecs.events.heard = ecs.services.notices.heard = ecs.agents.rows.heard = self.hears_events
        ecs.agents.connections.access = ecs.execution.access = app.access
        app.gateway.fronts += [ecs.agents.connections, ecs.sessions]
        app.fallback.before["logs"].append(ecs.logs.before)
        app.metric_sources += [ecs.metrics.before, ecs.connect_metrics.before]
        app.instances.metadata.hosts.append(host_of)
        return ecs

    def _containers(self) -> Containers:
        """What runs tasks' containers."""
        from kunren.dataplane.containers.processes import GuestContainers

        app = self._app
        guests, chosen = GuestContainers(app.guests), app.settings.container_engine
        used = app.settings.data_dir / "container-engine"
        if chosen == "none" and not used.exists():
            return guests
        from kunren.dataplane.containers.engine import EngineContainers
        from kunren.world.container_engines import sockets

        return EngineContainers(
            guests, sockets, app.world.handle, app.settings.run_dir.name, app.ca.bundle_path, used,
            wanted=chosen != "none", required=chosen == "podman",
        )  # fmt: skip

    def _make_events(self) -> EventsService:
        from kunren.services.events.service import EventsService

        app = self._app
        return EventsService(app.store, app.clock, app.entropy, app.call)

    def _make_fis(self) -> FisService:
        from kunren.services.fis.service import FisService

        app = self._app
        self.zonal_shifts()  # one of FIS's actions shifts
        fis = FisService(
            app.store, app.clock, app.entropy, app.spec, ec2=app.ec2, call=app.call, felt=app.faults.settled
        )
        app.functions.invoker.faults = fis.invocations.of
        app.fallback.before["logs"].append(fis.records.before)
        app.gateway.fault_hook = fis.api_errors.hook
        app.s3.replicating.paused = fis.replication.paused
        fis.replication.changed = app.s3.replicating.woken.set
        return fis

    def _make_fleets(self) -> FleetService:
        from kunren.services.ec2.fleets.service import FleetService

        app = self._app
        fleets = FleetService(app.store, app.clock, app.entropy, app.spec, app.call, app.ec2)
        fleets.controller.heard = self.hears_events
        return fleets

    def _make_recovery(self) -> RecoveryControlService:
        from kunren.services.recovery_control.service import RecoveryControlService

        app = self._app
        return RecoveryControlService(app.store, app.clock, app.entropy, app.spec, app.entrances.serve)

    def _make_resilience_hub(self) -> ResilienceHubService:
        from kunren.services.resiliencehub.service import ResilienceHubService

        app = self._app
        return ResilienceHubService(app.store, app.clock, app.entropy, app.call)

    def _make_servicediscovery(self) -> ServiceDiscoveryService:
        from kunren.services.servicediscovery.service import ServiceDiscoveryService

        app = self._app
        return ServiceDiscoveryService(app.store, app.clock, app.entropy, app.call)

    def _make_zonal_shifts(self) -> ZonalShiftService:
        from kunren.services.arc_zonal_shift.controllers import ZonalShiftService

        app = self._app
        return ZonalShiftService(app.store, app.clock, app.entropy, app.spec, app.call)

    def _make_scheduler(self) -> SchedulerService:
        from kunren.services.scheduler.service import SchedulerService

        app = self._app
        self.events()  # delivers for it
        return SchedulerService(app.store, app.clock, app.entropy)

    def _make_ssm(self) -> SsmService:
        from kunren.services.ssm.service import SsmService

        app = self._app
        ssm = SsmService(app.store, app.clock, app.entropy, app.call)
        ssm.api.open_terminal, ssm.api.platform = app.instances.open_terminal, app.instances.platform
        ssm.api.connect, ssm.commands.run_program = app.instances.connect, app.instances.run_program
        ssm.commands.heard = self.hears_events
        app.gateway.fronts.insert(0, ssm.sessions)  # before ECS's, which knows of no other sessions than its own
        return ssm

    def _permit(self) -> Permit | None:
        """In strict mode, who may have a service call another."""
        app = self._app
        if app.access is None:
            return None
        from kunren.access.behalf import Behalf
        from kunren.gateway.chain import FALLBACK

        moto = lambda service: app.gateway.owner(service) is FALLBACK  # noqa: E731
        return Behalf(app.access, app.clock, app.gateway.catalog, moto).permit

    def _make_stacks(self) -> CloudFormationService:
        from kunren.gateway.inside import InsideNoting
        from kunren.services.cloudformation.service import CloudFormationService

        app = self._app
        noting = InsideNoting(lambda: app.inside)
        stacks = CloudFormationService(app.store, app.clock, app.entropy, app.spec, app.call, noting, self._permit())
        app.gateway.fronts.append(stacks.responses)
        return stacks
