"""Has the DNSKEY records of signed zones signed again in time, and notes which keys KMS signs with no more.

Once a day (AWS time), as on AWS, and a day (wall time) before what is signed becomes old at the latest. A key that KMS
does not sign with gets ACTION_NEEDED, and ACTIVE again when KMS does.
"""

from __future__ import annotations

import logging

from kunren.control.store import Store
from kunren.core.calling import CallService
from kunren.core.clock import Clock
from kunren.core.errors import AwsError
from kunren.services.route53 import dnssec
from kunren.services.route53.model import HostedZone, KeySigningKey, ZoneSigning
from kunren.services.route53.store import GLOBAL

log = logging.getLogger(__name__)
LOOK_EVERY_S = 3600
SIGN_EVERY_S = 86_400


class KeyRefresh:
    """`run` lives until it is cancelled."""

    def __init__(self, store: Store, clock: Clock, call: CallService) -> None:
        self._store = store
        self._clock = clock
        self._call = call

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Sign what is due."""
        for signing in self._store.snapshot().every(ZoneSigning):
            if self._is_due(signing):
                try:
                    await self._refresh(signing)
                except AwsError as error:  # KMS does not answer: at the next look
                    log.warning("the keys of %s could not be signed anew: %s", signing.id, error.message)
                except Exception:  # one zone's trouble must not be all zones'
                    log.exception("the keys of %s could not be signed anew", signing.id)

    def _is_due(self, signing: ZoneSigning) -> bool:
        latest = dnssec.signed_until(signing) - dnssec.KEYS_VALID_S + SIGN_EVERY_S
        return self._clock.now() >= signing.signed_at + SIGN_EVERY_S or self._clock.wall() >= latest

    async def _refresh(self, signing: ZoneSigning) -> None:
        snapshot = self._store.snapshot()
        hosted = snapshot.get(HostedZone, signing.account, GLOBAL, signing.id)
        if hosted is None:
            return
        keys = snapshot.list(KeySigningKey, signing.account, signing.id)
        now, wall = self._clock.now(), self._clock.wall()
        made, seen = await dnssec.signed_by(self._call, hosted, signing, keys, now, wall)
        with self._store.write() as tx:
            if (
                tx.get(ZoneSigning, signing.account, GLOBAL, signing.id) != signing
                or tx.list(KeySigningKey, signing.account, signing.id) != keys
            ):
                return  # somebody changed the keys, and had them signed
            for before, after in zip(keys, seen, strict=True):
                if after != before:
                    tx.put(after)
            tx.put(made)
