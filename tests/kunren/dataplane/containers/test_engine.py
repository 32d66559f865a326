"""What is left in an engine: swept by the next daemon, also where that runs containers otherwise."""

import asyncio

from kunren.dataplane.containers import engine


class Api:
    def __init__(self):
        self.deleted = []

    async def ask(self, method, path, body=None, **query):
        if method == "DELETE":
            self.deleted.append(path)
            return None
        assert (path, query["filters"]) == ("/containers/json", '{"label": ["kunren.run=me"]}')
        return [{"Id": "a"}, {"Id": "b"}]


def test_what_an_earlier_daemon_left_is_swept_though_no_engine_is_wanted_any_more(tmp_path, monkeypatch, caplog):
    used, answers = tmp_path / "used", [None, Api()]
    used.touch()

    async def first_podman(sockets):
        return answers.pop(0)

    monkeypatch.setattr(engine, "first_podman", first_podman)
    containers = engine.EngineContainers(
        None, lambda: (), dict, "me", tmp_path, used, wanted=False, required=False
    )  # fmt: skip
    api = answers[1]
    asyncio.run(containers.sweep())
    assert used.exists() and "does not answer" in caplog.text
    asyncio.run(containers.sweep())
    assert api.deleted == ["/containers/a", "/containers/b"] and not used.exists()
    assert asyncio.run(containers._engine()) is None


def test_the_podman_that_runs_tasks_is_roots(monkeypatch):
    class Told(engine.EngineApi):
        async def ask(self, method, path, body=None, **query):
            assert (method, path) == ("GET", "/info")
            return {"Rootless": self.path}

    async def first_podman(sockets):
        return Told(sockets[0]) if sockets else None

    monkeypatch.setattr(engine, "first_podman", first_podman)
    assert asyncio.run(engine.podman_of_root(())) is None
    assert asyncio.run(engine.podman_of_root([True])) is False
    assert asyncio.run(engine.podman_of_root([False])) is True
