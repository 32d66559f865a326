"""Runs experiments: makes each as its row says next, step by step, and takes back what its actions did.

What comes next is `plan.py`, from the row alone, so a restart goes on where it was: an action's effect and the note of
how to undo it are one transaction, and an action is `running` when packets feel it, `completed` when they no longer do.
An experiment that is to end early takes everything back first. "Experiment states", "Stop conditions for AWS FIS".
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace

from kunren.control.controller import Controller
from kunren.control.store import Key, Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.fis import plan, report
from kunren.services.fis.catalog import listed
from kunren.services.fis.checks import alarm_of
from kunren.services.fis.durations import seconds
from kunren.services.fis.model import ENDED, OVER, ActionRun, Experiment
from kunren.services.fis.network import ActionFailed, Doing, Effect
from kunren.services.fis.records import Records, stamp
from kunren.services.fis.targets import Resolver

log = logging.getLogger(__name__)
ALARMS_EVERY_S = 5.0
FELT_AGAIN_S = 1.0
_NOT_FELT = "Waiting until the network has what the action changed."
_ASSERT = "aws:cloudwatch:assert-alarm-state"
Change = Callable[[Experiment], Experiment]


class Engine:
    """`run` lives until it is cancelled. `effects` are those of actions that change something, by action id; `felt`
    returns whether the world has what the store says, once it has or after a while."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        call: CallService,
        resolver: Resolver,
        effects: Mapping[str, Effect],
        felt: Callable[[], Awaitable[bool]],
        records: Records,
    ) -> None:
        self._store, self._clock, self._call, self._resolver = store, clock, call, resolver
        self._effects, self._felt, self._records = effects, felt, records
        self._controller = Controller(
            "fis",
            store,
            clock,
            keys=lambda _, key: [_work(key)] if key.kind == Experiment.kind else [],
            every=lambda snapshot: [_work(each.key) for each in snapshot.every(Experiment) if _unfinished(each)],
            reconcile=self._reconcile,
            wants=lambda kind: kind == Experiment.kind,
        )

    async def run(self) -> None:
        self._take_up()
        await self._controller.run()

    def status(self) -> dict[str, Any]:
        found = [each.status for each in self._store.snapshot().every(Experiment)]
        running = sum(each not in ENDED for each in found)
        return {"experiments_running": running, "errors": dict(self._controller.last_errors)}

    def _take_up(self) -> None:
        """After a restart AWS time may be earlier than it was: no action lasts longer than it may for that."""
        now = self._clock.now()
        with self._store.write() as tx:
            for each in [each for each in tx.every(Experiment) if each.status not in ENDED]:
                runs = {
                    name: replace(run, ends_at=min(run.ends_at, now + plan.duration_s(each, name)))
                    if run.ends_at is not None and run.status not in OVER
                    else run
                    for name, run in each.runs.items()
                }
                if runs != each.runs:
                    tx.put(replace(each, runs=runs))

    # -- steps -------------------------------------------------------------------------------------------------------

    async def _reconcile(self, work: str) -> None:
        account, region, id = work.split("|")
        experiment = self._store.snapshot().get(Experiment, account, region, id)
        if experiment is None:
            return
        if experiment.status in ENDED:
            await self._close(experiment)
        elif experiment.ending:
            await self._end_early(experiment)
        elif experiment.status in ("pending", "initiating"):
            await self._prepare(experiment)
        elif (alarm := await self._alarm(experiment)) is not None:
            self._end(experiment, "stopped", f"Experiment halted by stop condition: {alarm}.")
        else:
            for step in plan.next_steps(experiment, self._clock.now()):
                if self._now(experiment).ending:  # by an action before, or by somebody meanwhile
                    return
                await self._take(experiment, step)

    async def _take(self, experiment: Experiment, step: plan.Step) -> None:
        match step.kind:
            case "begin":
                await self._begin(experiment, step.action)
            case "skip":
                self._ran(experiment, step.action, status="skipped", reason="No targets were found.")
            case "finish":
                self._take_back(experiment, step.action)
                if await self._is_felt(experiment, step.action):
                    self._ran(experiment, step.action, status="completed", reason="", ended=self._clock.now())
                    self._note_action(experiment, step.action, "action-end")
            case "complete":
                self._finish(experiment, "completed", "Experiment completed.")
            case _:
                now = self._clock.now()
                watched = any(each.get("value") for each in experiment.stop_conditions)
                left = max(0.0, step.at - now)
                self._again(experiment, min(left, ALARMS_EVERY_S) if watched else left)

    async def _prepare(self, experiment: Experiment) -> None:
        """Find the targets, and let the actions begin."""
        now = self._clock.now()
        if experiment.status == "pending":
            experiment = self._change(experiment, lambda each: replace(each, status="initiating", started=now))
            self._records.note(
                experiment,
                "experiment-start",
                experiment_template_id=experiment.template_id,
                experiment_start_time=stamp(now),
                account_id=experiment.account,
            )
        if (alarm := await self._alarm(experiment)) is not None:
            self._end(experiment, "stopped", f"Experiment halted by stop condition: {alarm}.")
            return
        accounts = list(experiment.accounts) or [experiment.account]
        found = {}
        for name, target in experiment.targets.items():
            self._records.note(experiment, "target-resolution-start", target_name=name)
            found[name] = await self._resolver.resolve(name, target, accounts, experiment.region)
            self._records.note(
                experiment,
                "target-resolution-detail",
                target_name=name,
                target_type=target["resourceType"],
                resolved_targets=[{"arn": each.arn} for each in found[name]],
                page=1,
                total_pages=1,
            )
            self._records.note(experiment, "target-resolution-end", target_name=name, status="completed")
        empty = [name for name, each in found.items() if not each]
        if empty and experiment.options.get("emptyTargetResolutionMode") != "skip":
            error = {"accountId": experiment.account, "code": "EmptyTargetResolution", "location": empty[0]}
            self._end(experiment, "failed", "Target resolution returned empty set", error)
            return
        skips = experiment.options.get("actionsMode") == "skip-all"
        runs = {name: ActionRun(status="skipped" if skips else "pending") for name in experiment.actions}
        begun = {"status": "running", "found": found, "runs": runs}
        self._change(experiment, lambda each: each if each.ending else replace(each, **begun))

    async def _begin(self, experiment: Experiment, name: str) -> None:
        action, run = experiment.actions[name], experiment.runs[name]
        try:
            if action["actionId"] == _ASSERT:
                await self._assert(action["parameters"])
            if run.status == "pending":
                self._act(experiment, name)
        except (ActionFailed, AwsError) as error:
            self._fail(experiment, name, str(error))
            return
        if not await self._is_felt(experiment, name):
            return
        now, lasts = self._clock.now(), plan.duration_s(experiment, name)
        self._ran(experiment, name, status="running", reason="", started=now, ends_at=now + lasts)
        self._note_action(experiment, name, "action-start")

    def _act(self, experiment: Experiment, name: str) -> None:
        """The effect and the note of it, as one."""
        effect = self._effects.get(experiment.actions[name]["actionId"])
        with self._store.write():
            undo = effect.begin(doing(experiment, name)) if effect is not None else {}
            self._ran(experiment, name, status="initiating", undo=undo)

    def _take_back(self, experiment: Experiment, name: str) -> None:
        run = experiment.runs[name]
        effect = self._effects.get(experiment.actions[name]["actionId"])
        if effect is not None and run.undo:
            with self._store.write():
                effect.end(run.undo)
                self._ran(experiment, name, undo={})

    async def _is_felt(self, experiment: Experiment, name: str) -> bool:
        """Whether packets meet what the action changed or took back; if not, its reason says so, and it is asked again.
        Actions that change nothing in the world wait for nobody."""
        if experiment.actions[name]["actionId"] not in self._effects or await self._felt():
            return True
        if self._now(experiment).runs[name].reason != _NOT_FELT:
            self._ran(experiment, name, reason=_NOT_FELT)
        self._again(experiment, FELT_AGAIN_S)
        return False

    async def _end_early(self, experiment: Experiment) -> None:
        """Take back all that runs, leave what has not begun; it is over when packets feel nothing of it."""
        left = []
        for name, run in experiment.runs.items():
            if run.status == "pending":
                self._ran(experiment, name, status="cancelled", reason="Action was cancelled.")
            elif run.status not in OVER:
                if run.status != "stopping":
                    self._ran(experiment, name, status="stopping")
                self._take_back(experiment, name)
                left.append(name)
        for name in left:
            if not await self._is_felt(experiment, name):
                return
            self._ran(experiment, name, status="stopped", reason="Action was stopped.", ended=self._clock.now())
            self._note_action(experiment, name, "action-end")
        self._finish(experiment, experiment.ending, experiment.reason)

    def _fail(self, experiment: Experiment, name: str, reason: str) -> None:
        self._ran(experiment, name, status="failed", reason=reason[:512], ended=self._clock.now())
        self._records.note(
            experiment,
            "action-error",
            action_name=name,
            action_id=experiment.actions[name]["actionId"],
            error_information=reason,
        )
        error = {"accountId": experiment.account, "code": "ActionFailed", "location": name}
        self._end(experiment, "failed", f"Action {name} failed: {reason}"[:512], error)

    def _now(self, experiment: Experiment) -> Experiment:
        found = self._store.snapshot().get(Experiment, experiment.account, experiment.region, experiment.id)
        assert found is not None  # experiments are never deleted while they run
        return found

    # -- writing -----------------------------------------------------------------------------------------------------

    def _change(self, experiment: Experiment, change: Change) -> Experiment:
        """Change the row as it is now: it may have been told to stop meanwhile."""
        with self._store.write() as tx:
            now = tx.get(Experiment, experiment.account, experiment.region, experiment.id)
            assert now is not None  # experiments are never deleted while they run
            changed = change(now)
            tx.put(changed)
        return changed

    def _ran(self, experiment: Experiment, name: str, **changed: Any) -> None:
        def change(now: Experiment) -> Experiment:
            return replace(now, runs={**now.runs, name: replace(now.runs[name], **changed)})

        self._change(experiment, change)

    def _end(self, experiment: Experiment, ending: str, reason: str, error: dict[str, str] | None = None) -> None:
        """Decide that it ends early, unless that is decided."""

        def change(now: Experiment) -> Experiment:
            if now.ending:
                return now
            status = "stopping" if ending == "stopped" else now.status
            return replace(now, ending=ending, reason=reason, error=error, status=status)

        self._change(experiment, change)

    def _finish(self, experiment: Experiment, status: str, reason: str) -> None:
        report_state = {"state": {"status": "pending"}} if experiment.report_configuration is not None else None
        now = self._clock.now()
        ended = self._change(
            experiment,
            lambda each: replace(each, status=status, reason=reason, ended=now, report=report_state),
        )
        self._records.note(
            ended,
            "experiment-end",
            experiment_end_time=stamp(now),
            experiment_state={"status": status, "reason": reason},
        )

    def _note_action(self, experiment: Experiment, name: str, log_type: str) -> None:
        now = self._now(experiment)
        run, action = now.runs[name], now.actions[name]
        self._records.note(
            now,
            log_type,
            action_name=name,
            action_id=action["actionId"],
            action_start_time=stamp(run.started) if run.started is not None else None,
            action_end_time=stamp(run.ended) if run.ended is not None else None,
            action_state={"status": run.status, "reason": run.reason},
            action_targets=action.get("targets"),
            parameters=action.get("parameters"),
        )

    def _again(self, experiment: Experiment, after_s: float) -> None:
        self._controller.enqueue_after(after_s, _work(experiment.key))

    # -- alarms and ends ---------------------------------------------------------------------------------------------

    async def _alarm(self, experiment: Experiment) -> str | None:
        """The ARN of a stop condition's alarm that is in ALARM."""
        for each in experiment.stop_conditions:
            if each.get("value") and await self._state(each["value"]) == "ALARM":
                return each["value"]
        return None

    async def _state(self, arn: str) -> str:
        named = alarm_of(arn)
        if named is None:
            raise ActionFailed(f"{arn} is not the ARN of a CloudWatch alarm.")
        account, region, name = named
        answer = await self._call(account, region, "cloudwatch", "DescribeAlarms", {"AlarmNames": [name]})
        for kind in ("MetricAlarms", "CompositeAlarms"):
            for each in answer.get(kind) or ():
                return str(each["StateValue"])
        return "missing"

    async def _assert(self, parameters: Mapping[str, str]) -> None:
        expected = listed(parameters["alarmStates"])
        for arn in listed(parameters["alarmArns"]):
            if (state := await self._state(arn)) not in expected:
                raise ActionFailed(f"The alarm {arn} is {state}, not {' or '.join(expected)}.")

    async def _close(self, experiment: Experiment) -> None:
        """Deliver what an ended experiment leaves: its log, and its report when that is due."""
        await self._records.close(experiment)
        if experiment.report is None or experiment.report["state"]["status"] != "pending":
            return
        settings = experiment.report_configuration or {}
        due = (experiment.ended or 0.0) + (seconds(settings.get("postExperimentDuration", "")) or 0)
        if (left := due - self._clock.now()) > 0:
            self._again(experiment, left)
            return
        told = await self._report(experiment, settings["outputs"]["s3Configuration"])
        self._change(experiment, lambda each: replace(each, report=told))

    async def _report(self, experiment: Experiment, where: Mapping[str, str]) -> dict[str, Any]:
        """Write the report; ExperimentReport as it then is."""
        prefix = where.get("prefix", "").strip("/")
        key = "/".join(part for part in (prefix, f"{experiment.id}-report.pdf") if part)
        params = {
            "Bucket": where["bucketName"], "Key": key, "Body": report.pdf(report.lines_of(experiment)),
            "ContentType": "application/pdf",
        }  # fmt: skip
        try:
            await self._call(experiment.account, experiment.region, "s3", "PutObject", params)
        except AwsError as error:
            state = {"status": "failed", "reason": str(error)[:512], "error": {"code": error.code}}
            return {"state": state}
        made = {"arn": f"arn:aws:s3:::{where['bucketName']}/{key}", "reportType": "application/pdf"}
        return {"state": {"status": "completed"}, "s3Reports": [made]}


def doing(experiment: Experiment, name: str) -> Doing:
    """An action with its resources."""
    action = experiment.actions[name]
    resources = [one for each in (action.get("targets") or {}).values() for one in experiment.found.get(each, ())]
    return Doing(experiment.id, name, action.get("parameters") or {}, resources)


def _unfinished(experiment: Experiment) -> bool:
    waiting = experiment.report is not None and experiment.report["state"]["status"] == "pending"
    return experiment.status not in ENDED or waiting


def _work(key: Key) -> str:
    return f"{key.account}|{key.region}|{key.id}"
