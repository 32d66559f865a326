"""How a service deployment goes on, within one look: begun, staged, complete; or failed and rolled back."""

from __future__ import annotations

from msgspec.structs import replace

from kunren.services.ecs.model import Deployment
from kunren.services.ecs.services import breaker, scheduling, stages, words
from kunren.services.ecs.services.desk import ACTION, Desk
from kunren.services.ecs.services.facts import is_ready
from kunren.services.ecs.services.hooks import begun_hooks, hooks_are
from kunren.services.ecs.services.model import Member, ServiceDeployment
from kunren.services.ecs.services.progress import progress_of, shape_of, shifting
from kunren.services.ecs.tasks.ask import ESSENTIAL_EXITED, FAILED_TO_START

_BY_ITSELF = (ESSENTIAL_EXITED, FAILED_TO_START)


def count(desk: Desk) -> None:
    """Count what has failed and what has become healthy since the last look, and forget whom nobody has any more."""
    for member in list(desk.members.values()):
        task = desk.tasks.get(member.id)
        ended = task is None or task.last_status == "STOPPED"
        if ended:
            by_itself = task is None or task.stop_code in _BY_ITSELF
            if by_itself and not member.proven and not member.failed:
                _failed(desk, member, ran=task is not None and task.started_at is not None)
            if not member.targets and not member.registries:
                desk.forget(member)
            elif by_itself and not member.failed:
                desk.put_member(replace(member, failed=True))
    for deployment in desk.service.deployments:
        for view in desk.of(deployment):
            known = desk.members.get(view.id)
            if view.healthy and known is not None and not known.proven:
                desk.put_member(replace(known, proven=True))
                _well(desk, deployment.id)


def _failed(desk: Desk, member: Member, ran: bool) -> None:
    deployment = desk.deployment(member.deployment)
    if deployment is None:
        return
    never_ran = 0 if ran else deployment.never_ran + 1
    wait_s = scheduling.start_wait_s(never_ran)
    if wait_s and not scheduling.start_wait_s(deployment.never_ran):
        desk.say(words.impaired(desk.service))
        desk.tell(ACTION, "WARN", words.IMPAIRED, {})
    desk.put(
        replace(
            deployment,
            failed_tasks=deployment.failed_tasks + 1,
            never_ran=never_ran,
            retry_at=max(deployment.retry_at, desk.now + wait_s if wait_s else 0.0),
        )
    )


def _well(desk: Desk, id: str) -> None:
    deployment = desk.deployment(id)
    if deployment is not None:
        told = desk.service.document["deploymentConfiguration"].get("deploymentCircuitBreaker") or {}
        failed = breaker.counted(told, deployment.failed_tasks, more=0, healthy=True)
        desk.put(replace(deployment, failed_tasks=failed, never_ran=0, retry_at=0.0))


def advance(desk: Desk) -> None:
    """One step of the service deployment; where none is under way, whether the service is steady."""
    course, primary = desk.course, desk.service.primary
    if primary is None:
        return
    if course is not None and course.open:
        _go_on(desk, course, primary)
    else:
        _forget_old(desk, primary)
    _say_steady(desk)


def _go_on(desk: Desk, course: ServiceDeployment, primary: Deployment) -> None:
    if course.status == "PENDING":
        course = desk.course = replace(course, status="IN_PROGRESS", started_at=desk.now)
        desk.tell_deployment("INFO", words.IN_PROGRESS, primary.id, f"ECS deployment {primary.id} in progress.")
        if shifting(course):
            course = desk.course = _staged(desk, course, stages.begun(desk.now, shape_of(course)))
    if course.status == "IN_PROGRESS":
        told = course.configuration.get("deploymentCircuitBreaker") or {}
        course = desk.course = replace(course, failures=primary.failed_tasks)
        if course.stage == stages.CLEAN_UP:  # the old tasks are going: there is no way back
            return _shift(desk, course, primary)
        if breaker.is_open(told, desk.service.desired_count, primary.failed_tasks):
            desk.course = replace(course, breaker="TRIGGERED")
            return fail(desk, "ECS deployment circuit breaker", "tasks failed to start.", bool(told.get("rollback")))
        if course.triggered:
            rolls_back = bool(course.configuration["alarms"].get("rollback"))
            return fail(desk, "ECS deployment alarms", "alarm detected.", rolls_back)
        return _shift(desk, course, primary) if shifting(course) else _roll(desk, course, primary)
    if course.status == "ROLLBACK_REQUESTED":
        return fail(desk, "ECS deployment", "a rollback was requested.", rolls_back=True)
    if course.status == "STOP_REQUESTED":
        return fail(desk, "ECS deployment", "it was stopped.", rolls_back=False)
    if course.status == "ROLLBACK_IN_PROGRESS" and desk.shifted and _settled(desk, primary):
        _complete(desk, primary)
        desk.course = replace(desk.course or course, status="ROLLBACK_SUCCESSFUL", finished_at=desk.now)
    return None


def _roll(desk: Desk, course: ServiceDeployment, primary: Deployment) -> None:
    if not _settled(desk, primary):
        desk.course = replace(course, bake_until=None) if course.bake_until else desk.course
        return
    bake_s = 60.0 * (course.configuration.get("bakeTimeInMinutes") or 0)
    if course.alarms == "MONITORING" or bake_s:
        if course.bake_until is None:
            desk.course = replace(course, bake_until=desk.now + max(bake_s, desk.alarm_bake_s))
            return
        if desk.now < course.bake_until:
            return
    _succeed(desk, primary)


def _shift(desk: Desk, course: ServiceDeployment, primary: Deployment) -> None:
    shape, progress = shape_of(course), progress_of(course)
    old = [each for each in desk.service.deployments if each.id != primary.id]
    ready = _full(desk, primary)
    if progress.stage == stages.RECONCILE:
        gone = not any(desk.present(each) for each in old if each.id != course.source)
        shifted = desk.shifted and gone
    else:
        shifted = desk.shifted
    seen = stages.Seen(
        desk.now, ready=ready, shifted=shifted, hooks=hooks_are(course, desk.now),
        old_gone=not any(desk.present(each) for each in old),
    )  # fmt: skip
    following = stages.after(progress, seen, shape)
    if isinstance(following, stages.Failed):
        fail(desk, "ECS deployment", following.reason + ".", rolls_back=True)
    elif following == stages.DONE:
        _succeed(desk, primary)
    elif isinstance(following, stages.Progress):
        desk.course = _staged(desk, course, following)
        desk.shifted = False  # until the rules have been looked at again


def _staged(desk: Desk, course: ServiceDeployment, progress: stages.Progress) -> ServiceDeployment:
    course = replace(course, stage=progress.stage, stage_since=progress.since, step=progress.step)
    return replace(course, hooks=(*course.hooks, *begun_hooks(course, desk.entropy, desk.now)))


def _succeed(desk: Desk, primary: Deployment) -> None:
    _complete(desk, primary)
    assert desk.course is not None
    desk.course = replace(
        desk.course, status="SUCCESSFUL", finished_at=desk.now, breaker=_over(desk.course.breaker),
        alarms=_over(desk.course.alarms), reason=f"ECS deployment {primary.id} completed.",
    )  # fmt: skip


def _over(watched: str) -> str:
    return "MONITORING_COMPLETE" if watched == "MONITORING" else watched


def _complete(desk: Desk, primary: Deployment) -> None:
    """The deployment is what the service is; those before it are gone."""
    text = f"ECS deployment {primary.id} completed."
    desk.put(replace(primary, rollout_state="COMPLETED", rollout_reason=text, completed=True))
    desk.say(words.completed(desk.service, primary.id))
    desk.tell_deployment("INFO", words.COMPLETED, primary.id, text)
    _forget_old(desk, primary)


def _forget_old(desk: Desk, primary: Deployment) -> None:
    if desk.service.controller == "ECS":
        kept = tuple(each for each in desk.service.deployments if each.id == primary.id or desk.present(each))
        desk.service = replace(desk.service, deployments=kept)


def fail(desk: Desk, what: str, why: str, rolls_back: bool) -> None:
    """The deployment has failed; back to the last one that was complete, where that is wanted and there is one."""
    course, primary = desk.course, desk.service.primary
    assert course is not None
    assert primary is not None
    source = desk.deployment(course.source)
    text = f"{what}: {why}"
    desk.put(replace(primary, rollout_state="FAILED", rollout_reason=text))
    desk.say(words.failed(desk.service, primary.id, why))
    desk.tell_deployment("ERROR", words.FAILED, primary.id, text)
    if not rolls_back or source is None:
        desk.course = replace(course, status="STOPPED", reason=text, stopped_at=desk.now, finished_at=desk.now)
        return
    back = f"{what}: rolling back to deploymentId {source.id}."
    swapped = []
    for each in desk.service.deployments:
        if each.id == source.id:
            swapped.append(
                replace(
                    each,
                    status="PRIMARY",
                    rollout_state="IN_PROGRESS",
                    rollout_reason=back,
                    failed_tasks=0,
                    never_ran=0,
                    retry_at=0.0,
                    desired_count=desk.service.desired_count,
                    updated_at=desk.now,
                )
            )
        elif each.status == "PRIMARY":
            swapped.append(replace(each, status="ACTIVE", desired_count=0, updated_at=desk.now))
        else:
            swapped.append(each)
    swapped.sort(key=lambda each: each.status != "PRIMARY")
    desk.service = replace(desk.service, deployments=tuple(swapped), steady=False)
    desk.say(words.rolling_back(desk.service, source.id))
    desk.tell_deployment("INFO", words.IN_PROGRESS, source.id, back)
    desk.course = replace(
        course, status="ROLLBACK_IN_PROGRESS", reason=text, rollback_reason=text, rollback_at=desk.now,
        rollback_revision=source.revision,
    )  # fmt: skip
    desk.shifted = not shifting(course)


# -- what is so --------------------------------------------------------------------------------------------------------


def _full(desk: Desk, deployment: Deployment) -> bool:
    """Whether it has all of its tasks, and all are well."""
    views = desk.of(deployment)
    return len(views) == desk.service.desired_count and all(is_ready(each) for each in views)


def _settled(desk: Desk, primary: Deployment) -> bool:
    others = [each for each in desk.service.deployments if each.id != primary.id]
    return _full(desk, primary) and not any(desk.present(each) for each in others)


def _say_steady(desk: Desk) -> None:
    service = desk.service
    course = desk.course
    if service.steady or service.status != "ACTIVE" or (course is not None and course.open):
        return
    if service.controller == "ECS":
        primary = service.primary
        stable = primary is not None and primary.rollout_state == "COMPLETED" and _settled(desk, primary)
    else:
        stable = bool(service.deployments) and all(
            len(desk.of(each)) == each.desired_count and all(is_ready(view) for view in desk.of(each))
            for each in service.deployments
        )
    if stable:
        desk.service = replace(service, steady=True)
        desk.say(words.steady(service))
        desk.tell(ACTION, "INFO", words.STEADY, {})
