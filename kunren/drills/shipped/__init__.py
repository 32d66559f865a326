"""The drills and suites that ship with Kunren: a file each, beside the script that deploys its architecture."""

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped() -> dict[str, Path]:
    """Name → file."""
    return {each.stem: each for each in sorted(FOLDER.glob("*.yaml"))}
