"""`kunren image`: container images for Lambda functions, since there is no registry of images."""

from __future__ import annotations

from pathlib import Path

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import print_json, print_table, state_option
from kunren.settings import Settings


@click.group()
def image() -> None:
    """Container images that functions may be made from (PackageType Image)."""


@image.command()
@state_option
@click.argument("name")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def add(state_dir: Path, name: str, path: Path) -> None:
    """Add an image: an OCI layout, as a folder or a tar archive, or what `docker save` wrote.

    \b
    Example:
      docker save my/function:1 -o function.tar
      kunren image add my/function:1 function.tar
      aws lambda create-function --package-type Image \\
        --code ImageUri=000000000000.dkr.ecr.us-east-1.amazonaws.com/my/function:1 ...
    """
    from kunren.services.lambda_.images import ImageStore, NoImage, images_folder

    try:
        added = ImageStore(images_folder(Settings(state_dir.resolve()))).add(name, path)
    except NoImage as error:
        raise Unusable(f"{error}.") from error
    click.echo(f"sha256:{added.digest}")


@image.command("list")
@state_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_images(state_dir: Path, as_json: bool) -> None:
    """The images that there are."""
    from kunren.services.lambda_.images import ImageStore, images_folder

    names = ImageStore(images_folder(Settings(state_dir.resolve()))).names()
    if as_json:
        print_json({"images": [{"name": name, "digest": digest} for name, digest in sorted(names.items())]})
    else:
        print_table(
            "Images", ["name", "digest"], [[name, f"sha256:{digest}"] for name, digest in sorted(names.items())]
        )
