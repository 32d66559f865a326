"""What a container finds in the volumes that it mounts."""

from pathlib import Path

from kunren.services.ecs.tasks.engine import Image
from kunren.services.ecs.tasks.namespaced import prepare
from kunren.services.ecs.tasks.plan import ContainerPlan, Mount


def plan(path: str) -> ContainerPlan:
    return ContainerPlan(
        name="web", image="web", essential=True, entry_point=None, command=None, environment={}, environment_files=(),
        secrets={}, working_directory=None, user="", memory_bytes=1 << 20, cpu=0, mounts=(Mount("data", path),),
    )  # fmt: skip


def test_an_empty_volume_gets_what_the_image_has_where_it_names_a_volume(tmp_path):
    image, task = Image(tmp_path / "image", volumes=("/srv/data/",)), tmp_path / "task"
    own = image.root / "var" / "data"
    own.mkdir(parents=True)
    (own / "seed").write_text("seed")
    own.chmod(0o777)
    (image.root / "srv").symlink_to("/var")
    volume = task / "volumes" / "data"
    prepare(task, plan("/var/data"), image, "")
    assert list(volume.iterdir()) == []
    prepare(task, plan("/srv/data"), image, "")
    assert ((volume / "seed").read_text(), volume.stat().st_mode & 0o7777) == ("seed", 0o777)
    (volume / "seed").rename(volume / "kept")
    prepare(task, plan("/srv/data"), image, "")
    assert [each.name for each in volume.iterdir()] == ["kept"]


def test_a_link_of_the_images_leads_nowhere_else(tmp_path):
    image, task = Image(tmp_path / "image", volumes=("/data",)), tmp_path / "task"
    image.root.mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("secret")
    (image.root / "data").symlink_to(Path("..", "..", *(tmp_path / "secret").parts[1:]))
    prepare(task, plan("/data"), image, "")
    assert list((task / "volumes" / "data").iterdir()) == []
