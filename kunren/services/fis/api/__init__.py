"""AWS FIS's operations."""

from __future__ import annotations

from kunren.services.fis.api.accounts import Accounts
from kunren.services.fis.api.catalogue import Catalogue
from kunren.services.fis.api.experiments import Experiments
from kunren.services.fis.api.templates import Templates


class FisApi(Templates, Experiments, Accounts, Catalogue):
    """Handlers of fis."""
