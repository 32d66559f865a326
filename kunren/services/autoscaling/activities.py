"""How an activity begins and ends, and what is told of that. On a transaction.

The causes are worded as "Verify a scaling activity" in the Auto Scaling user guide and the knowledge centre have them.
"""

from __future__ import annotations

from msgspec.structs import replace

from kunren.control.store import Tx
from kunren.core.clock import iso_utc
from kunren.core.entropy import Entropy
from kunren.services.autoscaling import events, execution
from kunren.services.autoscaling.model import KEPT_S, Activity, Group, Member


def end_member(tx: Tx, entropy: Entropy, group: Group, member: Member, why: str, now: float) -> Activity:
    """The member is to go, with an activity that says why."""
    pooled = member.state.startswith("Warmed:")
    activity = Activity(
        account=group.account, region=group.region, id=entropy.uuid(), group=group.id, launches=False,
        description=f"Terminating EC2 instance: {member.id}",
        cause=why if why.startswith("At ") else f"At {iso_utc(now)[:19]}Z {why}.", started=now, zone=member.zone,
        instance_id=member.id, origin="WarmPool" if pooled else "AutoScalingGroup", destination="EC2",
    )  # fmt: skip
    tx.put(activity)
    brought = tx.get(Activity, group.account, group.region, member.activity)
    if brought is not None and brought.ended is None:  # a launch, or another end, that comes to nothing now
        tx.put(replace(brought, status="Cancelled", ended=now, progress=100))
    found = tx.get(Group, group.account, group.region, group.id)
    if found is not None:
        state = "Warmed:Terminating" if pooled else "Terminating"
        going = replace(member, state=state, since=now, activity=activity.id, hooks={})
        tx.put(replace(found, members={**found.members, member.id: going}))
    return activity


def ended(tx: Tx, entropy: Entropy, group: Group, id: str, status: str, now: float, message: str | None = None) -> None:
    """The activity has come to its end: who listens is told, a cooldown begins anew, and old ones are forgotten."""
    found = tx.get(Activity, group.account, group.region, id)
    held = tx.get(Group, group.account, group.region, group.id)
    if found is not None and found.ended is None:
        done = replace(found, status=status, ended=now, progress=100, message=message)
        tx.put(done)
        events.note_activity(tx, entropy, held or group, done, now)
        if held is not None and (cooled := execution.cooled_again(held, now)) is not held:
            tx.put(cooled)
    for each in tx.list(Activity, group.account, group.region):
        if each.ended is not None and each.ended < now - KEPT_S:
            tx.delete(each)
