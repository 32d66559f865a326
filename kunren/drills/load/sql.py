"""SQL traffic: a statement each, on connections to PostgreSQL that are kept, as applications' pools keep them."""

from __future__ import annotations

from typing import Any

from kunren.drills.history import Reason
from kunren.drills.load.connections import Connection, PooledStream
from kunren.drills.load.http import WRITE_MARK
from kunren.drills.load.loop import Loop, Recorder
from kunren.drills.load.names import Names
from kunren.drills.load.postgres import Failed, Row, Say, Session, query, server_of
from kunren.drills.load.stream import Operation

CONNECTIONS = 10


class SqlConnection(Connection):
    """One session."""

    greets = True
    stream: SqlStream

    def __init__(self, stream: SqlStream, address: str) -> None:
        super().__init__(stream, address)
        self._session = Session(stream.server)
        self._began = False
        self._rows: list[Row] = []
        self._failed: Failed | None = None

    def opening(self) -> bytes:
        return self._session.startup()

    def request(self, operation: Operation) -> bytes:
        return query(self.stream.said(operation))

    def heard(self, data: bytes) -> None:
        if not data:
            self.fail(Reason.CUT if self._began else Reason.REFUSED)
            return
        for event in self._session.fed(data):
            if isinstance(event, Say):
                self.say(event.data)
            elif isinstance(event, Row):
                self._rows.append(event)
            elif isinstance(event, Failed):
                if event.ends:
                    self.fail(Reason.CUT if self._began else Reason.ERROR)
                    return
                self._failed = event
            elif not self._began:
                self._began = True
                self.greeted()
            elif self.operation is not None:
                rows, failed = self._rows, self._failed
                self._rows, self._failed = [], None
                self.answered(Reason.ERROR if failed is not None else self.stream.judged(rows))

    def heard_idle(self, data: bytes) -> None:
        """Notices may come at any time; an error says that the server goes."""
        if not data or any(isinstance(each, Failed) for each in self._session.fed(data)):
            self.fail(Reason.CUT)


class SqlStream(PooledStream):
    """`wanted`: url, statement, contains, keep_alive (true), connections."""

    spoken = SqlConnection

    def __init__(self, loop: Loop, names: Names, recorder: Recorder, client: int, wanted: dict[str, Any]) -> None:
        self.server = server_of(wanted["url"])
        told = {"keep_alive": True, "connections": CONNECTIONS, **wanted}
        super().__init__(loop, names, recorder, client, told, self.server.host, self.server.port)
        self._statement: str = wanted["statement"]
        self._contains: str = wanted.get("contains", "")

    def said(self, operation: Operation) -> str:
        return self._statement.replace(WRITE_MARK, f"{self.client}-{operation.number}")

    def judged(self, rows: list[Row]) -> int:
        found = not self._contains or any(self._contains in column for row in rows for column in row.columns)
        return Reason.NONE if found else Reason.UNEXPECTED
