"""Why a drill could not be carried out."""


class DrillFailed(Exception):
    """No verdict about the architecture: the message says why, and what to do."""
