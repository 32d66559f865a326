"""What a drawing is made of, before it is SVG: boxes with lines of text, areas around them, wires between them.

Units are pixels; (0, 0) is the top left corner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Text:
    """One line in a box: `style` is "title", "plain" or "faint"; `state` puts a dot of its colour before it."""

    text: str
    style: str = "plain"
    state: str = ""


@dataclass(slots=True)
class Box:
    """A rectangle of one kind with its lines. `ids` are the graph nodes it stands for (several where it is a fold)."""

    ids: tuple[str, ...]
    kind: str
    lines: list[Text]
    width: float
    x: float = 0.0
    y: float = 0.0
    state: str = ""
    hint: str = ""

    @property
    def height(self) -> float:
        return PAD * 2 + LINE * len(self.lines)

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


@dataclass(slots=True)
class Area:
    """A frame with a heading around boxes and smaller areas, stacked."""

    kind: str
    heading: list[Text]
    boxes: list[Box | Area]
    ids: tuple[str, ...] = ()
    state: str = ""
    hint: str = ""
    x: float = 0.0
    y: float = 0.0
    gap: float = 6.0

    @property
    def width(self) -> float:
        return max((each.width for each in self.boxes), default=MINIMUM) + 2 * INSET

    @property
    def height(self) -> float:
        inner = sum(each.height for each in self.boxes) + self.gap * max(0, len(self.boxes) - 1)
        return self.top + inner + (INSET if self.boxes else 2)

    @property
    def top(self) -> float:
        """The height of the heading."""
        return PAD + LINE * len(self.heading) + 4

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    def place(self, x: float, y: float) -> None:
        """Put it and what is inside there."""
        self.x, self.y = x, y
        inner = y + self.top
        for each in self.boxes:
            if isinstance(each, Area):
                each.place(x + INSET, inner)
            else:
                each.x, each.y = x + INSET, inner
            inner += each.height + self.gap


def boxes_of(shapes: Iterable[Box | Area]) -> Iterator[Box]:
    """All boxes, in areas and alone."""
    for each in shapes:
        if isinstance(each, Area):
            yield from boxes_of(each.boxes)
        else:
            yield each


@dataclass(slots=True)
class Frame:
    """A rectangle that only surrounds: a VPC."""

    kind: str
    title: str
    note: str
    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Wire:
    """A curve from the right side of one shape to the left side of another."""

    source: Box | Area
    target: Box | Area
    label: str = ""
    state: str = ""
    weak: bool = False
    lane: float | None = None
    """The height at which it passes what stands between its ends."""


@dataclass(slots=True)
class Picture:
    width: float = 0.0
    height: float = 0.0
    title: str = ""
    subtitle: str = ""
    frames: list[Frame] = field(default_factory=list)
    shapes: list[Box | Area] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)


PAD, LINE, INSET, MINIMUM = 7.0, 16.0, 10.0, 150.0


def spread(wanted: Sequence[float], heights: Sequence[float], gap: float) -> list[float]:
    """Tops for shapes of those heights, in that order and `gap` apart, whose middles are as near to the wanted ones as
    can be (least squares: neighbours that would overlap are pooled and moved together)."""
    blocks: list[list[float]] = []  # sum of wanted tops, each minus its offset within the block; count; height
    for middle, height in zip(wanted, heights, strict=True):
        blocks.append([middle - height / 2, 1.0, height + gap])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] + blocks[-2][2] > blocks[-1][0] / blocks[-1][1]:
            total, count, size = blocks.pop()
            before = blocks[-1]
            before[0] += total - count * before[2]
            before[1] += count
            before[2] += size
    tops: list[float] = []
    position = 0
    for total, count, _ in blocks:
        top = total / count
        for height in heights[position : position + int(count)]:
            tops.append(top)
            top += height + gap
        position += int(count)
    return tops


def lane(wanted: float, obstacles: Sequence[Box | Area], margin: float = 9.0) -> float | None:
    """The height nearest to the wanted one at which a line passes all obstacles; None where it already does."""
    blocked = [(each.y - margin, each.y + each.height + margin) for each in obstacles]

    def is_free(y: float) -> bool:
        return not any(low < y < high for low, high in blocked)

    if is_free(wanted):
        return None
    edges = [edge for interval in blocked for edge in interval]
    return min((each for each in edges if is_free(each)), key=lambda y: abs(y - wanted))
