"""What an instance is, by what is wanted of it and whether its process 1 runs; and what may be asked of it then. Pure.

"Amazon EC2 instance state changes" in the EC2 user guide.
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from kunren.services.ec2.instances import errors
from kunren.services.ec2.instances.model import Instance, InstanceRun
from kunren.services.ec2.store import Reader

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
KEPT_S = 3600.0
"""How long a terminated instance is still shown ("Terminated instances remain visible ... typically about an hour")."""


def state(reader: Reader, instance: Instance) -> str:
    return state_of(instance, reader.get(InstanceRun, instance.account, instance.region, instance.id))


def state_of(instance: Instance, run: InstanceRun | None) -> str:
    if instance.wanted == "terminated":
        return "shutting-down" if instance.ended_at is None else "terminated"
    if instance.wanted == "stopped":
        return "stopped" if run is None else "stopping"
    return "pending" if run is None else "running"


def state_to_wire(name: str) -> dict[str, int | str]:
    return {"Code": CODES[name], "Name": name}


def started(instance: Instance, now: str, at: float) -> Instance:
    """Raises IncorrectInstanceState."""
    if now in ("pending", "running"):
        return instance
    if now != "stopped":
        raise errors.IncorrectInstanceState(
            f"The instance '{instance.id}' is not in a state from which it can be started."
        )
    return replace(
        instance, wanted="running", boots=instance.boots + 1, force=False, launched_at=at, transition="",
        reason_code=None, reason=None,
    )  # fmt: skip


def stopped(
    instance: Instance, now: str, at: float, *, force: bool = False, hibernate: bool = False
) -> Instance:  # fmt: skip
    """Raises IncorrectInstanceState, OperationNotPermitted; UnsupportedHibernationConfiguration, UnsupportedOperation
    where it can't hibernate."""
    if hibernate and not instance.hibernation:
        raise errors.UnsupportedHibernationConfiguration(
            f"The instance can't be hibernated because it was not configured at launch for hibernation: {instance.id}"
        )
    if now == "stopped":
        return instance
    if now not in ("pending", "running", "stopping"):
        raise errors.IncorrectInstanceState(
            f"This instance '{instance.id}' is not in a state from which it can be stopped."
        )
    if instance.disable_stop:
        raise errors.OperationNotPermitted(
            f"The instance '{instance.id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try "
            "again."
        )
    if hibernate and now == "pending":
        raise errors.UnsupportedOperation("Instance is not ready to hibernate yet, retry in a few minutes.")
    hibernated = hibernate or (now == "stopping" and instance.hibernated and not force)
    word = "hibernate" if hibernated else "shutdown"
    code = f"Client.UserInitiated{word.capitalize()}"
    return replace(
        instance, wanted="stopped", force=force, hibernated=hibernated, transition=by_user(at), reason_code=code,
        reason=f"{code}: User initiated {word}",
    )  # fmt: skip


def terminated(instance: Instance, at: float, *, skip_shutdown: bool = False) -> Instance:
    """Raises OperationNotPermitted."""
    if instance.wanted == "terminated":
        return instance
    if instance.disable_termination:
        raise errors.OperationNotPermitted(
            f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination' instance "
            "attribute and try again."
        )
    return replace(
        instance, wanted="terminated", force=skip_shutdown, transition=by_user(at),
        reason_code="Client.UserInitiatedShutdown", reason="Client.UserInitiatedShutdown: User initiated shutdown",
    )  # fmt: skip


def by_itself(instance: Instance, at: float) -> Instance:
    """The instance ended itself: what its shutdown behaviour makes of that."""
    wanted = "terminated" if instance.shutdown_behavior == "terminate" else "stopped"
    return replace(
        instance, wanted=wanted, transition="", reason_code="Client.InstanceInitiatedShutdown",
        reason="Client.InstanceInitiatedShutdown: Instance initiated shutdown",
    )  # fmt: skip


def by_machine(instance: Instance, why: str) -> Instance:
    """The machine can have it run no longer."""
    return replace(
        instance, wanted="stopped", force=True, transition="", reason_code="Server.ScheduledStop",
        reason=f"Server.ScheduledStop: {why}",
    )  # fmt: skip


def by_user(at: float) -> str:
    return f"User initiated ({datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} GMT)"
