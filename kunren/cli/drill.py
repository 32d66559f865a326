"""`kunren drill`: run a drill, show it, judge it."""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import print_json, print_table, state_option
from kunren.cli.some_kunren import some_kunren

if TYPE_CHECKING:
    from kunren.drills.checkers.judge import Result
    from kunren.drills.model import Drill
    from kunren.drills.report.suite import Suite

REDIRECT = "redirect"


@click.group()
def drill() -> None:
    """Deploy an architecture, send it traffic, break it on purpose, and judge what came back.

    \b
    Examples:
      kunren drill list
      kunren drill run az-lost --html report.html
      kunren drill check ~/.local/state/kunren/histories/az-lost-20260101-120000-1a2b.history
    """


@drill.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_drills(as_json: bool) -> None:
    """List the drills that ship with Kunren; docs/drills/ has a page about each.

    \b
    Examples:
      kunren drill list
      kunren drill list --json
    """
    from kunren.drills.document import read_drill
    from kunren.drills.redirect.run import ARCHITECTURES
    from kunren.drills.report.suite import read_suite
    from kunren.drills.shipped import shipped

    title = f"Ten domains are redirected, by one of: {', '.join(ARCHITECTURES)}"
    rows: list[dict[str, Any]] = [{"drill": REDIRECT, "title": title, "architectures": list(ARCHITECTURES)}]
    for name, file in shipped().items():
        suite = read_suite(file)
        if suite is not None:
            rows.append({"drill": name, "title": suite.title, "drills": [each.name for each in suite.drills]})
            continue
        read = read_drill(file)
        targets = {each.name: each.target for each in read.objectives}
        protections = {each.name: each.what for each in read.protections}
        rows.append(
            {"drill": name, "title": read.title, "objectives": targets, "protections": protections, "file": str(file)}
        )
    if as_json:
        print_json(rows)
    else:
        print_table("Drills", ["drill", "what happens"], [[each["drill"], each["title"]] for each in rows])


@drill.command()
@state_option
@click.argument("name", metavar="NAME|FILE")
@click.option("--repeat", default=1, show_default=True, type=click.IntRange(1, 1000), help="Run it so many times.")
@click.option("--seed", type=int, help="Seed of all chance, where the drill starts a Kunren of its own.")
@click.option("--speed", type=float, help="How much faster AWS's own waits pass (1 when not given).")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the architecture; repeatable."
)
@click.option("--without", multiple=True, metavar="PROTECTION", help="Leave a protection out; repeatable.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result there (- for stdout).")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path), help="Write a JUnit report there, for CI.")
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write a page about it there.")
@click.option("--history", "history_file", type=click.Path(path_type=Path), help="Where the history goes.")
@click.option("--keep", is_flag=True, help="Leave the deployment; a rerun replaces it.")
@click.option(
    "--template",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Deploy this CloudFormation template instead of what the drill names.",
)
@click.option("--architecture", help="Of `redirect`: which one (alb when not given), or all, side by side.")
@click.option("--domains", type=click.Path(dir_okay=False, path_type=Path), help="Of `redirect`: your domains.json.")
@click.option(
    "--deploy-with",
    type=click.Choice(["boto3", "cloudformation", "cdk"]),
    help="Of `redirect`: with what (boto3 when not given).",
)
def run(
    state_dir: Path,
    name: str,
    repeat: int,
    seed: int | None,
    speed: float | None,
    settings: tuple[str, ...],
    without: tuple[str, ...],
    json_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    history_file: Path | None,
    keep: bool,
    template: Path | None,
    architecture: str | None,
    domains: Path | None,
    deploy_with: str | None,
) -> None:
    """Run the drill NAME or FILE in the running Kunren, or in one that it starts and ends itself.

    \b
    Examples:
      kunren drill run az-lost --html report.html
      kunren drill run active-passive-dns --set ttl=300
      kunren drill run rolling-bad --without circuit-breaker
      kunren drill run rolling-bad --template examples/drills/templates/rolling-bad.yaml
      kunren drill run my-drill.yaml --speed 10 --repeat 3 --json result.json --junit junit.xml
      kunren drill run redirect --architecture alb-lambda --domains my-domains.json
      kunren drill run redirect --architecture all --json compared.json
      kunren drill run redirect --architecture s3-website --deploy-with cloudformation

    The exit code is 0 when every objective holds, 1 when one does not, 2 when nothing is known: the drill could not be
    carried out, or its history does not tell.
    """
    if name == REDIRECT:
        from kunren.cli.redirect import run_redirect_drill

        not_of(
            f"the drill {REDIRECT}",
            **{
                "--set": settings,
                "--without": without,
                "--html": html_file,
                "--history": history_file,
                "--template": template,
            },
        )
        outputs = (json_file, junit_file)
        given = (outputs, keep, speed, seed, repeat, deploy_with or "boto3")
        sys.exit(run_redirect_drill(state_dir, architecture or "alb", domains, *given))
    if architecture or domains or deploy_with:
        raise click.UsageError(
            f"--architecture, --domains and --deploy-with belong to {REDIRECT}; others take --set KEY=VALUE."
        )
    from kunren.drills.checkers.summary import worst

    suite = _suite_named(name)
    if suite is not None:
        not_of("a suite of drills", **{"--set": settings, "--without": without, "--template": template})
        members = list(suite.drills)
    else:
        members = [with_template(with_settings(left_out(read_drill_named(name), without), settings), template)]
    drills = members * repeat
    runs: list[Result] = []
    with some_kunren(state_dir, keep, speed, seed) as (state, endpoint, told):
        for each in drills:
            check_speed(each, told["clock"]["speed"])
        for number, each in enumerate(drills):
            history = history_path(history_file, state_dir, each, number, len(drills))
            runs.append(run_once(each, state, endpoint, told, history, keep))
            _say(f"{each.name}: {_verdict(runs[-1])}: {runs[-1].reason}")
    result = worst(runs)
    if suite is not None:
        _write_suite(suite, runs, json_file, junit_file, html_file)
    else:
        _write(result, runs, json_file, junit_file, html_file)
    sys.exit(exit_code(result))


@drill.command()
@click.argument("history", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result there (- for stdout).")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path), help="Write a JUnit report there, for CI.")
@click.option("--html", "html_file", type=click.Path(path_type=Path), help="Write a page about it there.")
def check(history: Path, json_file: Path | None, junit_file: Path | None, html_file: Path | None) -> None:
    """Judge a saved HISTORY again, from nothing but the file. Exit codes as of `run`.

    \b
    Examples:
      kunren drill check az-lost.history
      kunren drill check az-lost.history --json - --html report.html
    """
    from kunren.drills.checkers.judge import judge
    from kunren.drills.history import BadHistory, read_history

    try:
        result = judge(read_history(history))
    except BadHistory as error:
        raise Unusable(str(error)) from error
    _write(result, [result], json_file, junit_file, html_file)
    sys.exit(exit_code(result))


@drill.command()
@state_option
@click.argument("name", metavar="NAME|FILE")
@click.option("--left", multiple=True, metavar="KEY=VALUE", help="A setting of one side, or without=PROTECTION.")
@click.option("--right", multiple=True, metavar="KEY=VALUE", help="The same of the other; both are repeatable.")
@click.option("--speed", type=float, help="How much faster AWS's own waits pass (1 when not given).")
@click.option("--seed", type=int, help="Seed of all chance, where the drill starts a Kunren of its own.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write both results there (- for stdout).")
def compare(
    state_dir: Path,
    name: str,
    left: tuple[str, ...],
    right: tuple[str, ...],
    speed: float | None,
    seed: int | None,
    json_file: Path | None,
) -> None:
    """Run the drill NAME or FILE twice, deployed in two ways, and put the results side by side.

    \b
    Examples:
      kunren drill compare blue-green-good --right strategy=ROLLING
      kunren drill compare blue-green-bad --left strategy=CANARY --right strategy=BLUE_GREEN --json compared.json
      kunren drill compare rolling-bad --right without=circuit-breaker

    The exit code is 0 when both have been measured, 2 when one could not be. Which is better is in the table.
    """
    from kunren.cli.drill_compare import run_comparison

    sys.exit(run_comparison(state_dir, name, (left, right), speed, seed, json_file))


def read_drill_named(name: str) -> Drill:
    """A shipped drill, or a file. Raises Unusable."""
    from kunren.drills.document import BadDrill, read_drill
    from kunren.drills.shipped import shipped

    known = shipped()
    path = known.get(name, Path(name))
    if name not in known and not path.exists():
        raise Unusable(f"there is no drill {name!r} and no such file; there are {', '.join([REDIRECT, *known])}.")
    try:
        return read_drill(path)
    except BadDrill as error:
        raise Unusable(str(error)) from error


def with_settings(read: Drill, settings: tuple[str, ...]) -> Drill:
    """The drill with settings of its architecture changed. Raises UsageError."""
    from dataclasses import replace

    given = {}
    for each in settings:
        key, equals, value = each.partition("=")
        if not equals:
            raise click.UsageError(f"--set takes KEY=VALUE, not {each!r}.")
        given[key] = value
    built = replace(read.architecture, settings={**read.architecture.settings, **given})
    return replace(read, architecture=built)


def with_template(read: Drill, template: Path | None) -> Drill:
    """The drill with that template as its architecture, where one is given; its settings stay."""
    from dataclasses import replace

    from kunren.drills.model import Architecture

    if template is None:
        return read
    return replace(read, architecture=Architecture(settings=read.architecture.settings, template=template.resolve()))


def left_out(read: Drill, without: tuple[str, ...]) -> Drill:
    """The drill without those protections. Raises UsageError."""
    from kunren.drills.protections import NoProtection
    from kunren.drills.protections import without as leaving_out

    try:
        return leaving_out(read, without)
    except NoProtection as error:
        raise click.UsageError(str(error)) from error


def not_of(what: str, **options: Any) -> None:
    """Raises UsageError where any of these options has been given."""
    if given := [name for name, value in options.items() if value]:
        raise click.UsageError(f"{what} takes no {' and no '.join(given)}.")


def check_speed(read: Drill, speed: float) -> None:
    from kunren.drills.run import speed_problem

    text, wrong = speed_problem(read, speed)
    if wrong:
        raise Unusable(text)
    if text:
        _say(f"Warning: {text}")


def history_path(given: Path | None, state_dir: Path, read: Drill, number: int, repeat: int) -> Path:
    if given is not None:
        return given if repeat == 1 else given.with_name(f"{given.stem}-{number + 1}{given.suffix}")
    folder = state_dir / "histories"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{read.name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.history"


def run_once(read: Drill, state: Path, endpoint: str, told: dict[str, Any], history: Path, keep: bool) -> Result:
    """Ends the command where the drill could not even begin."""
    from kunren.drills.access import Access
    from kunren.drills.checkers.judge import judge
    from kunren.drills.failures import DrillFailed
    from kunren.drills.history import read_history
    from kunren.drills.live import Live
    from kunren.drills.run import Plan, Run
    from kunren.drills.telling import measurement
    from kunren.drills.view import view_of

    with tempfile.TemporaryDirectory(prefix="kunren-drill-") as folder:
        plan = Plan(
            read, Access(state, endpoint), history, Path(folder), told["clock"]["speed"], told.get("seed"), keep
        )
        live = Live()
        with view_of(sys.stderr, read.name, live) as view:
            running = Run(plan, live, view.say)
            view.clock = running.now_ns
            try:
                running.carry_out()
            except DrillFailed as error:
                click.echo(f"kunren: {error}", err=True)
                sys.exit(2)
    read_back = read_history(history)
    result = judge(read_back)
    if (told_of := measurement(result, read_back.header)) is not None and plan.access.management.running():
        plan.access.management.post("/drill-results", told_of)
    return result


def _verdict(result: Result) -> str:
    return "holds" if result.verdict is True else "does not hold" if result.verdict is False else "unknown"


def exit_code(result: Result) -> int:
    return 0 if result.verdict is True else 1 if result.verdict is False else 2


def _say(text: str) -> None:
    click.echo(f"... {text}", err=True)


def _suite_named(name: str) -> Suite | None:
    from kunren.drills.document import BadDrill
    from kunren.drills.report.suite import read_suite
    from kunren.drills.shipped import shipped

    try:
        return read_suite(shipped().get(name, Path(name)))
    except BadDrill as error:
        raise Unusable(str(error)) from error


def _write_suite(
    suite: Suite, runs: list[Result], json_file: Path | None, junit_file: Path | None, html_file: Path | None
) -> None:
    import msgspec

    from kunren.drills.checkers.objectives import shown
    from kunren.drills.checkers.summary import worst
    from kunren.drills.history import read_history
    from kunren.drills.junit import junit
    from kunren.drills.report.page import page
    from kunren.drills.report.suite import as_json, suite_page

    by_drill = [runs[index :: len(suite.drills)] for index in range(len(suite.drills))]
    chosen = [worst(each) for each in by_drill]
    told = as_json(suite, by_drill)
    with _files():
        if json_file is not None and str(json_file) != "-":
            json_file.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
        if junit_file is not None:
            junit_file.write_text(junit(runs))
        if html_file is not None:
            html_file.write_text(suite_page(suite, chosen))
            for each in chosen:
                own = html_file.with_name(f"{html_file.stem}-{each.drill}{html_file.suffix}")
                own.write_text(page(each, read_history(Path(each.history))))
    if json_file is not None and str(json_file) == "-":
        print_json(told)
        return
    rows = [
        [
            each.drill,
            shown("rto", each.rto_s),
            shown("rpo", each.rpo_s),
            f"{drill.cost:g}" if drill.cost is not None else "–",
            _verdict(each),
        ]
        for drill, each in zip(suite.drills, chosen, strict=True)
    ]
    print_table(suite.name, ["drill", "RTO", "RPO", "cost", "verdict"], rows)


def _write(
    result: Result, runs: list[Result], json_file: Path | None, junit_file: Path | None, html_file: Path | None
) -> None:
    import msgspec

    from kunren.drills.junit import junit

    told = result.as_json()
    if len(runs) > 1:
        told["runs"] = [each.as_json() for each in runs]
    with _files():
        if json_file is not None and str(json_file) != "-":
            json_file.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
        if junit_file is not None:
            junit_file.write_text(junit(runs))
        if html_file is not None:
            from kunren.drills.history import read_history
            from kunren.drills.report.page import page

            html_file.write_text(page(result, read_history(Path(result.history))))
    if json_file is not None and str(json_file) == "-":
        print_json(told)
    else:
        _show(result)


@contextmanager
def _files() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unusable(f"the result could not be written to {error.filename}: {error.strerror}.") from error


def _show(result: Result) -> None:
    from kunren.drills.checkers.objectives import shown

    rows = [
        [
            each.name + (f" ({each.traffic})" if each.traffic else ""),
            shown(each.name, each.target),
            shown(each.name, each.measured),
            "holds" if each.met is True else "NOT HELD" if each.met is False else "unknown",
        ]
        for each in result.objectives
    ]
    print_table(result.drill, ["objective", "target", "measured", "verdict"], rows)
    counts = result.operations
    click.echo(
        f"{result.drill} {_verdict(result)}: {counts['sent']} operations, {counts['ok']} ok, {counts['failed']} failed,"
        f" {counts['unknown']} unknown. History: {result.history}"
    )
