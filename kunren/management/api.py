"""The management API: what the command line asks of a running daemon. JSON in, JSON out.

| call | answer |
| --- | --- |
| GET /alive | {} |
| GET /status | parts, resources, ports, clock, calls that nobody implements |
| POST /shutdown | {"pid", "arguments"}; the daemon ends afterwards |
| POST /places, /places/NAME | a client place, started if need be: {"namespace", "world"} |
| POST /credentials | {"account", "role"}, each may be null: {"strict", "variables"} for calls of the API |
| POST /graph | the deployed architecture: {"account", "region", "name"}, each may be null; nodes and edges |
| POST /trace | one request explained and sent: "url", "place", "method", "headers", "source", "send"; a report |
| GET /faults | what is broken in the world now: [{"id", "what", "name", "other", "loss", "owner", ...}] |
| POST /faults | break something: "what", "name" and a `Fault`'s other members; the fault, once packets feel it |
| POST /faults/heal | heal one ("id"), an owner's ("owner") or all ({}): those healed, once packets pass again |
| GET /drill-results | all that drills measured, in no order |
| POST /drill-results | what a drill measured (`MeasuredDrill`), for Resilience Hub's assessments; as it is kept |
| POST /instances/NAME | how to get into a running instance: {"world", "pid", "namespace", "environment", "instance"} |
| POST /spot-market | other Spot prices or capacity: "zone", "type", "price", "capacity"; as they are then |
| POST /workloads | a network interface with a namespace of its own, kept until the caller's process ends |

A refusal is 400 (the caller's mistake) or 404 with {"error": text}; `kunren.management.client` raises it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import ValidationError, convert
from msgspec.structs import asdict

from kunren.core.context import DEFAULT_ACCOUNT
from kunren.core.errors import AwsError, Unanswerable, Unusable
from kunren.management.status import identity, status
from kunren.services.faults.faults import FaultRefused, shown
from kunren.services.faults.model import WantedFault
from kunren.world.interface import UnknownPlace

if TYPE_CHECKING:
    from kunren.app import App
    from kunren.graph.model import Graph

log = logging.getLogger(__name__)
Answer = tuple[int, Any]
T = TypeVar("T")


class ManagementApi:
    """Answers one request at a time; the App does the work."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def answer(self, method: str, path: str, body: Any) -> Answer:
        """Status and JSON value for one request. Never raises."""
        try:
            return await self._route(method, path.rstrip("/"), body)
        except (UnknownPlace, Unanswerable, AwsError, FaultRefused, ValidationError, Unusable) as error:
            return 400, {"error": str(error)}
        except Exception as error:
            log.exception("management call %s %s failed", method, path)
            return 500, {"error": f"{method} {path} failed: {error!r}; `kunren logs` has the traceback"}

    async def _route(self, method: str, path: str, body: Any) -> Answer:
        match method, path.split("/")[1:]:
            case "GET", ["alive"]:
                return 200, {}
            case "GET", ["status"]:
                return 200, status(self._app)
            case "POST", ["shutdown"]:
                self._app.ending.set()
                return 200, identity(self._app)
            case "POST", ["places"]:
                return 200, await self._app.place(None)
            case "POST", ["places", name]:
                return 200, await self._app.place(name)
            case "POST", ["credentials"] if isinstance(body, dict):
                account = body.get("account") or DEFAULT_ACCOUNT
                return 200, await self._app.handed_out.variables(account, body.get("role"))
            case "POST", ["graph"] if isinstance(body, dict):
                return 200, self._graph(body)
            case "POST", ["trace"] if isinstance(body, dict):
                return 200, await self._app.tracer.trace(body)
            case "GET", ["faults"]:
                return 200, [shown(each) for each in self._app.faults.now()]
            case "POST", ["faults"] if isinstance(body, dict):
                fault = self._app.faults.inject(**asdict(convert(body, WantedFault)))
                return 200, shown(await self._felt(fault))
            case "POST", ["faults", "heal"] if isinstance(body, dict):
                healed = self._app.faults.heal(id=body.get("id"), owner=body.get("owner"))
                return 200, [shown(each) for each in await self._felt(healed)]
            case "GET", ["drill-results"]:
                return 200, self._app.on_demand.resilience_hub().results()
            case "POST", ["drill-results"] if isinstance(body, dict):
                kept = self._app.on_demand.resilience_hub().measured(body)
                await self._app.store.durable()
                return 200, kept
            case "POST", ["machine-images"] if isinstance(body, dict):
                imported = await self._app.instances.import_image(self._app.images, body)
                await self._app.store.durable()
                return 200, imported
            case "POST", ["instances", *names]:
                return 200, self._inside("/".join(names))
            case "POST", ["spot-market"] if isinstance(body, dict):
                moved = self._app.instances.move_market(
                    body["zone"], body["type"], body.get("price"), body.get("capacity")
                )
                await self._app.store.durable()
                return 200, moved
            case "POST", ["workloads"] if isinstance(body, dict):
                return 200, await self._app.leases.begin(body)
        return 404, {"error": f"there is no management call {method} {path}"}

    def _inside(self, name: str) -> dict[str, Any]:
        """What a program needs to go into an instance, or into a container of a task."""
        ecs = self._app.on_demand.ecs.made
        return (ecs.inside(name) if ecs is not None else None) or self._app.instances.inside(name)

    async def _felt(self, changed: T) -> T:
        """What was changed of the faults, once it is on disk and in the world."""
        await self._app.store.durable()
        await self._app.faults.settled()
        return changed

    def _graph(self, wanted: dict[str, Any]) -> Graph:
        """Raises UnknownName."""
        from kunren.graph.build import architecture  # it knows every service
        from kunren.graph.reach import reachable

        found = architecture(self._app.store.snapshot(), wanted.get("account"), wanted.get("region"))
        return reachable(found, wanted["name"]) if wanted.get("name") else found
