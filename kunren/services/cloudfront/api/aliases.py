"""Alternate domain names that are in use: finding them, and moving them from one distribution to another.

Developer Guide, "Move an alternate domain name".
"""

from __future__ import annotations

from typing import Any

from kunren.control.store import Tx
from kunren.core.context import RequestContext
from kunren.services.acm.material import find_certificate
from kunren.services.cloudfront.api.base import Reader, page
from kunren.services.cloudfront.api.distributions import Distributions
from kunren.services.cloudfront.checks import ALIASES_MAX, covered, items
from kunren.services.cloudfront.continuous import check_distribution
from kunren.services.cloudfront.errors import (
    AccessDenied,
    IllegalUpdate,
    InvalidArgument,
    TooManyDistributionCNAMEs,
)
from kunren.services.cloudfront.model import Distribution

SHOWN_DIGITS = {"DistributionId": 7, "AccountId": 6}
"""How many characters at their ends are not hidden."""


class Aliases(Distributions):
    def associate_alias(self, ctx: RequestContext, params: dict[str, Any]) -> None:
        """Move an alias to another distribution of the account, at once."""
        alias = params["Alias"].lower()
        with self._store.write() as tx:
            target = self._distribution(tx, ctx.account, params["TargetDistributionId"])
            _check_certified(tx, target, alias)
            if alias in _aliases(target):
                return
            source = next((each for each in tx.every(Distribution) if alias in _aliases(each)), None)
            if source is None:
                raise IllegalUpdate(f"The alias {alias} is not associated with any distribution.")
            if source.account != ctx.account:
                raise AccessDenied(f"The alias {alias} belongs to a distribution of another account.")
            if len(_aliases(target)) >= ALIASES_MAX:
                raise TooManyDistributionCNAMEs
            self._with_aliases(tx, source, [each for each in items(source.config["Aliases"]) if each.lower() != alias])
            self._with_aliases(tx, target, [*items(target.config["Aliases"]), alias])

    def _with_aliases(self, tx: Tx, distribution: Distribution, aliases: list[str]) -> None:
        listed: dict[str, Any] = {"Quantity": len(aliases), **({"Items": aliases} if aliases else {})}
        config = {**distribution.config, "Aliases": listed}
        check_distribution(tx, distribution.account, config, distribution)
        self._replaced(tx, distribution, config)

    def list_conflicting_aliases(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        alias = params["Alias"].lower()
        snapshot = self._store.snapshot()
        own = self._distribution(snapshot, ctx.account, params["DistributionId"])
        _check_certified(snapshot, own, alias)
        found = [
            {"Alias": name, "DistributionId": each.id, "AccountId": each.account}
            for each in snapshot.every(Distribution)
            for name in sorted(_aliases(each))
            if name == alias or covered(alias, [name]) or covered(name, [alias])
        ]
        shown, members = page(found, params, lambda each: each["Alias"])
        hidden = [
            {**each, **{member: _hidden(each[member], kept) for member, kept in SHOWN_DIGITS.items()}} for each in shown
        ]
        return {"ConflictingAliasesList": {**members, **({"Items": hidden} if hidden else {})}}


def _aliases(distribution: Distribution) -> set[str]:
    return {each.lower() for each in items(distribution.config["Aliases"])}


def _check_certified(view: Reader, distribution: Distribution, alias: str) -> None:
    arn = distribution.config["ViewerCertificate"].get("ACMCertificateArn")
    found = find_certificate(view, arn) if arn else None
    if found is None or not covered(alias, found.names):
        raise InvalidArgument(f"The certificate that is attached to the distribution does not cover the alias {alias}.")


def _hidden(text: str, kept: int) -> str:
    return "*" * (len(text) - kept) + text[-kept:]
