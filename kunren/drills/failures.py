"""Why a drill could not be carried out."""


class DrillFailed(Exception):
    """No verdict about the architecture: the message says why, and what to do."""


class KunrenEnded(DrillFailed):
    """Kunren ended under it: nothing can be taken back before it starts again."""


class NotOurs(DrillFailed):
    """What has the name of the drill's deployment is somebody else's, and stays."""
