"""`kunren image`: container images from files, since there is no internet that they could be pulled from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import print_json, print_table, state_option
from kunren.settings import Settings

if TYPE_CHECKING:
    from kunren.dataplane.images.store import ImageStore


@click.group()
def image() -> None:
    """Container images that tasks, functions and instances may be made from."""


def _store(state_dir: Path) -> ImageStore:
    from kunren.dataplane.images.store import ImageStore, images_folder

    return ImageStore(images_folder(Settings(state_dir.resolve())))


@image.command()
@state_option
@click.option("--name", help="What to call it: NAME[:TAG], with a registry's host or without.")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
def load(state_dir: Path, name: str | None, file: Path) -> None:
    """Load images: an OCI layout, as a folder or a tar archive, or what `docker save` wrote.

    \b
    Example:
      docker save nginx:1.27 -o nginx.tar
      kunren image load nginx.tar                       a task's image `nginx:1.27` is this one
      kunren image load function.tar --name my/function:1
    """
    from kunren.dataplane.images.store import NoImage

    try:
        loaded = _store(state_dir).load(file, name)
    except NoImage as error:
        raise Unusable(f"{error}.") from error
    for each, made in loaded.items():
        click.echo(f"{each}@{made.manifest_digest}")


@image.command("import")
@state_option
@click.option("--name", required=True, help="What DescribeImages calls it.")
@click.option("--description", help="A description of it.")
@click.option("--account", metavar="ID", help="Whose image it is (000000000000 when not given).")
@click.option("--region", metavar="NAME", help="Where it is (us-east-1 when not given).")
@click.option("--start", is_flag=True, help="Have the image's command run at each boot.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.argument("source")
def import_image(
    state_dir: Path, name: str, description: str | None, account: str | None, region: str | None, start: bool,
    as_json: bool, source: str,
) -> None:  # fmt: skip
    """Have SOURCE as an image of EC2 (an AMI): a file or folder as `load` takes it, or the name of an image that is
    loaded, in ECR, or in this machine's Docker or Podman. Instances boot with its files as their root, run user data,
    and run the image's own command where --start says so.

    \b
    Examples:
      kunren image import debian.tar --name debian-12
      kunren image import web:1 --name web-1 --region eu-west-1 --start
      aws ec2 run-instances --instance-type t3.micro --image-id \\
          $(kunren image import layout/ --name web-2 --json | jq -r .image)
    """
    from kunren.dataplane.images.store import BROKEN
    from kunren.management.client import Management

    wanted = {"name": name, "description": description, "account": account, "region": region, "start": start}
    named = source
    if Path(source).exists():
        try:
            named = f"sha256:{_store(state_dir).take(Path(source)).digest}"
        except BROKEN as error:
            raise Unusable(f"{source} is no image that can be read: {error!r}.") from error
    given = {key: value for key, value in wanted.items() if value is not None}
    found = Management(state_dir).post("/machine-images", {**given, "image": named})
    if as_json:
        print_json(found)
    else:
        click.echo(found["image"])


@image.command()
@state_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def ls(state_dir: Path, as_json: bool) -> None:
    """The images that were loaded."""
    names = sorted(_store(state_dir).names().items())
    if as_json:
        print_json({"images": [{"name": name, "digest": each.digest} for name, each in names]})
    else:
        print_table("Images", ["name", "digest"], [[name, each.digest] for name, each in names])


@image.command()
@state_option
@click.argument("name")
def rm(state_dir: Path, name: str) -> None:
    """Take a name away. What was made from the image keeps it; its files go when Kunren starts and nothing has it."""
    from kunren.dataplane.images.reference import BadReference

    try:
        found = _store(state_dir).forget(name)
    except BadReference as error:
        raise Unusable(f"{error}.") from error
    if not found:
        raise Unusable(f"No image is called {name}; `kunren image ls` shows what there is.")
