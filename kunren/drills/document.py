"""Reads a drill's file: YAML, held against `drill.schema.json`, then against itself. Every refusal names its line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from kunren.drills.checkers.objectives import COUNTED, MEASURED_BY, SHARES, UNITS_MS
from kunren.drills.load.messages import READ_MARK, sending
from kunren.drills.model import Architecture, Drill, Fault, Objective, Protection, Simulation, Target, Traffic

SCHEMA = Path(__file__).with_name("drill.schema.json")
KINDS = ("http", "dns", "tcp", "udp", "websocket", "sqs", "sql")
FAULT_KINDS = ("kill", "start", "break", "experiment", "call")
NOT_YET = {"kafka": "it comes with MSK, which is not there yet"}
"""Traffic that has a name and no generator yet: refused by that name."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_VALUE = re.compile(r"\$\{([^}]*)\}")
Where = tuple[str | int, ...]


class BadDrill(Exception):
    """The file is no drill: FILE:LINE, what is wrong, what to do."""


class _Source:
    """A YAML document, its value, and on which line each of its parts stands."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self._lines: dict[Where, int] = {}
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                self._walk(node, ())
            self.value: Any = loader.construct_document(node) if node is not None else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            raise BadDrill(f"{path}:{mark.line + 1 if mark else 1}: this is no YAML: {error.problem}.") from error
        except yaml.YAMLError as error:
            raise BadDrill(f"{path}:1: this is no YAML: {error}.") from error
        finally:
            loader.dispose()

    def _walk(self, node: yaml.Node, where: Where) -> None:
        self._lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen: set[Hashable] = set()
            for key, value in node.value:
                name = str(key.value)
                if name in seen:
                    raise BadDrill(f"{self.path}:{key.start_mark.line + 1}: {name!r} is there twice; keep one.")
                seen.add(name)
                self._lines[(*where, name)] = key.start_mark.line + 1
                self._walk(value, (*where, name))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._walk(value, (*where, index))

    def wrong(self, where: Where, text: str) -> BadDrill:
        while where and where not in self._lines:
            where = where[:-1]
        return BadDrill(f"{self.path}:{self._lines.get(where, 1)}: {text}")


def read_drill(path: Path) -> Drill:
    """Raises BadDrill."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadDrill(f"{path}: it can't be read: {error}") from error
    source = _Source(path, text)
    _hold_against_schema(source)
    drill = _drill(source.value, path.resolve().parent)
    for where, text in problems(drill):
        raise source.wrong(where, text)
    return drill


def _hold_against_schema(source: _Source) -> None:
    if not isinstance(source.value, dict):
        raise source.wrong(
            (), "a drill is a mapping, `drill: NAME` first; `kunren drill list` names some to begin with."
        )
    for name, traffic in (source.value.get("traffic") or {}).items() if isinstance(source.value, dict) else ():
        for kind, why in NOT_YET.items():
            if isinstance(traffic, dict) and kind in traffic:
                raise source.wrong(
                    ("traffic", name, kind), f"there is no {kind} traffic: {why}; there are {', '.join(KINDS)}."
                )
    error = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(source.value),
    )
    if error is not None:
        where, text = _in_words(error)
        raise source.wrong(where, text)


def _in_words(error: jsonschema.ValidationError) -> tuple[Where, str]:
    where: Where = tuple(error.absolute_path)
    name = ".".join(str(each) for each in where) or "the drill"
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            unknown = next(each for each in error.instance if each not in known)
            near = difflib.get_close_matches(str(unknown), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}."
            return (*where, str(unknown)), f"{name} has no key {unknown!r}; {hint}"
        case "required":
            missing = next(each for each in error.validator_value if each not in error.instance)
            return where, f"{name} needs {missing!r}."
        case "oneOf":
            names = [each["required"][0] for each in error.validator_value]
            return where, f"{name} needs exactly one of {', '.join(names)}."
        case "enum":
            listed = ", ".join(str(each) for each in error.validator_value)
            return where, f"{name} is {error.instance!r}; it may be {listed}."
        case "pattern" if "ms" in str(error.validator_value):
            return where, f"{name} is {error.instance!r}; write a number and ms, s, m or h, as in 30s."
        case "pattern" if "%" in str(error.validator_value):
            return where, f"{name} is {error.instance!r}; write a percentage, as in 99.9 %."
        case "type" if error.validator_value == "string":
            return where, f"{name} is {error.instance!r}; it must be a text (durations have a unit, as in 30s)."
    return where, f"{name}: {error.message}."


def seconds(text: str) -> float:
    """A duration of the schema's form."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration")
    return float(found[1]) * _SECONDS[found[2]]


def share(text: str) -> float:
    """A percentage as a share of one."""
    return float(text.rstrip("% ")) / 100


def target_of(name: str, target: str | float) -> float:
    """An objective's target as a number in its own unit. Raises ValueError."""
    text = str(target)
    if name in SHARES:
        if not text.rstrip().endswith("%"):
            raise ValueError(f"{name} is a share: write it as a percentage, as in 99.9 %")
        return share(text)
    if name in COUNTED:
        return float(int(text))
    if name in UNITS_MS:
        return seconds(text) * 1000
    return seconds(text)


def _drill(told: dict[str, Any], folder: Path) -> Drill:
    steady = told.get("steady_state", {})
    built = told["architecture"]
    simulated = told.get("simulation", {})
    return Drill(
        name=told["drill"],
        title=told.get("title", told["drill"]),
        question=told.get("question", "").strip(),
        pattern=told.get("pattern", {}),
        cost=told.get("cost"),
        architecture=Architecture(
            script=folder / built["script"] if "script" in built else None,
            terraform=folder / built["terraform"] if "terraform" in built else None,
            settings=built.get("settings", {}),
            template=folder / built["template"] if "template" in built else None,
        ),
        protections=tuple(
            Protection(name, each["what"], each["settings"]) for name, each in told.get("protections", {}).items()
        ),
        targets=tuple(_target(name, each) for name, each in told.get("targets", {}).items()),
        traffic=tuple(_traffic(name, each) for name, each in told["traffic"].items()),
        faults=tuple(_fault(each) for each in told["faults"]),
        objectives=tuple(_objective(each) for each in told["objectives"]),
        steady_s=seconds(steady.get("for", "5s")),
        steady_within_s=seconds(steady.get("within", "10m")),
        success=share(steady.get("success", "100 %")),
        recovery_s=seconds(told.get("recovery", "10s")),
        late_s=seconds(told.get("late", "250ms")),
        simulation=Simulation(
            simulated.get("clients", 1_000_000),
            simulated.get("resolvers", 5_000),
            simulated.get("requests_per_client", 1.0),
            share(simulated.get("ignoring_ttl", "0 %")),
            seconds(simulated.get("ignored_for", "10m")),
        ),
        told=told,
    )


def _target(name: str, told: dict[str, Any]) -> Target:
    command = tuple(str(each) for each in told["command"])
    more = {key: told[key] for key in ("address", "security_group", "start") if key in told}
    return Target(name, told["subnet"], command, **more)


def _traffic(name: str, told: dict[str, Any]) -> Traffic:
    kind = next(each for each in KINDS if each in told)
    timeout_s = seconds(told.get("timeout", "2s"))
    if kind == "sqs":
        queue, region = told[kind]["queue_url"], told[kind].get("region", "us-east-1")
        sent = sending(queue, region, told[kind].get("keep_alive", True))
        return Traffic(
            name, kind, sent, tuple(told["from"]), float(told["rate"]), timeout_s, f"{READ_MARK}{region} {queue}"
        )
    read_back = told.get("read_back", "")
    if kind == "sql" and read_back:
        read_back = f"{told[kind]['url']} {read_back}"
    return Traffic(name, kind, told[kind], tuple(told["from"]), float(told["rate"]), timeout_s, read_back)


def _fault(told: dict[str, Any]) -> Fault:
    kind = next(each for each in FAULT_KINDS if each in told)
    return Fault(
        name=told["name"],
        kind=kind,
        what=told[kind],
        after_s=seconds(told.get("after", "5s")),
        for_s=seconds(told["for"]) if "for" in told else None,
        remedy=told.get("remedy", False),
        heals=told.get("heals", True),
        region=told.get("region", ""),
        heal=told.get("heal"),
    )


def _objective(told: dict[str, Any]) -> Objective:
    try:
        target = target_of(told["name"], told["target"])
    except ValueError:
        target = float("nan")  # `problems` says so, with its line
    return Objective(told["name"], target, told.get("traffic", ""))


def problems(drill: Drill) -> Iterator[tuple[Where, str]]:
    """What does not fit together: where, and what to do."""
    names = {each.name for each in drill.targets}
    for index, fault in enumerate(drill.faults):
        if fault.kind in ("kill", "start") and fault.what not in names:
            listed = ", ".join(sorted(names)) or "none"
            yield ("faults", index, fault.kind), f"there is no target {fault.what!r}; there are: {listed}."
        if fault.kind != "call" and fault.heal is not None:
            yield ("faults", index, "heal"), f"a {fault.kind} is healed by itself; `heal` goes with `call`."
        if fault.kind == "call" and fault.heals and not fault.remedy and fault.heal is None:
            yield ("faults", index), "say how it is healed (`heal`), or that it is not (`heals: false`)."
    for kind in ("script", "terraform", "template"):
        file = getattr(drill.architecture, kind)
        if file is not None and not file.exists():
            yield ("architecture", kind), f"there is no {file}."
    yield from _objective_problems(drill)


def _objective_problems(drill: Drill) -> Iterator[tuple[Where, str]]:
    by_name = {each.name: each for each in drill.traffic}
    for index, objective in enumerate(drill.objectives):
        where: Where = ("objectives", index)
        told = drill.told.get("objectives", [{}] * (index + 1))[index]
        if objective.target != objective.target:
            try:
                target_of(objective.name, told["target"])
            except ValueError as error:
                yield (*where, "target"), f"the target {told['target']!r} can't be read: {error}."
            continue
        if objective.traffic and objective.traffic not in by_name:
            yield (*where, "traffic"), f"there is no traffic {objective.traffic!r}; there are {', '.join(by_name)}."
            continue
        chosen = [by_name[objective.traffic]] if objective.traffic else list(drill.traffic)
        needs = MEASURED_BY.get(objective.name)
        writing = [each for each in chosen if each.writes]
        if needs == "writes" and not (writing and all(each.read_back for each in writing)):
            yield (
                where,
                f"nothing measures {objective.name}: it takes traffic that writes ({{write}} in its body), all of "
                "it read back at the end (`read_back`).",
            )
        if needs == "faults" and not any(not each.remedy for each in drill.faults):
            yield where, f"nothing measures {objective.name}: the drill has no fault."


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """The value with every `${NAME}` put in; a text that is one alone becomes the value itself. Raises BadDrill."""
    if isinstance(value, str):
        whole = _VALUE.fullmatch(value)
        if whole:
            return _named(whole[1], values)
        return _VALUE.sub(lambda found: str(_named(found[1], values)), value)
    if isinstance(value, Mapping):
        return {key: filled(each, values) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, values) for each in value]
    return value


def _named(name: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        raise BadDrill(
            f"the drill asks for ${{{name}}}, which the architecture does not give; it gives {', '.join(values)}"
        )
    return values[name]
