"""What all passes over stacks' resources share."""

from __future__ import annotations

from kunren.control.store import Store
from kunren.core.calling import Actor, CallAndNote, CallService, Permit, limited
from kunren.core.clock import Clock
from kunren.core.entropy import Entropy
from kunren.services.cloudformation.asking import Asking
from kunren.services.cloudformation.records import Records
from kunren.services.cloudformation.waking import Waking


class Parts:
    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, call: CallService, noting: CallAndNote, records: Records,
        permit: Permit | None = None,
    ) -> None:  # fmt: skip
        self.waking, self.asking = Waking(store), Asking(store, clock, entropy, call, permit)
        self.store, self.clock, self.entropy = store, clock, entropy
        self.call, self.noting, self.records, self.permit = call, noting, records, permit

    def call_as(self, actor: Actor | None) -> CallService:
        """Calls that the actor must be allowed to have made."""
        return limited(self.call, self.permit, actor)
