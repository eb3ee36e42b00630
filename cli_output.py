"""What the command line shows: results on stdout, progress and remarks on stderr. Rich lives here only."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from pipelines.batch import PhotoResult
    from pipelines.check import PhotoCheck
    from pipelines.doctor import Check
    from pipelines.room import RoomRun
    from pixal3d_scene.progress import Progress

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no remarks.")]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Every remark, and a trace after an error.")]


def _print_version(asked: bool) -> None:
    if asked:
        from pixal3d_scene import __version__

        say(f"pixal3d-scene {__version__} (Python {platform.python_version()})")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
]


@contextmanager
def progress(title: str, *, show: bool) -> Iterator[Progress]:
    """A Rich bar on stderr with the time left; silent where nobody looks."""
    from pixal3d_scene.progress import Silent

    if not show or not _is_terminal(sys.stderr):
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar, title)


class _Bar:
    """`pixal3d_scene.progress.Progress` drawn by Rich."""

    def __init__(self, bar: Any, title: str) -> None:
        self.bar, self.title, self.task = bar, title, None

    def start(self, stage: str, total: int) -> None:
        self.task = self.bar.add_task(f"{self.title}: {stage}", total=total, detail="")

    def step(self, detail: str = "") -> None:
        self.bar.update(self.task, advance=1, detail=detail)

    def finish(self) -> None:
        self.bar.remove_task(self.task)


def runs_document(results: Sequence[PhotoResult], *, one: bool) -> dict[str, Any]:
    """The JSON document of `run --json`. one: of the only photo; else of all, those that failed by themselves."""
    runs = [_run_facts(result.run) for result in results if result.run is not None]
    failed = [result.error_facts() for result in results if result.run is None]
    return (*runs, *failed)[0] if one else {"runs": runs, "failed": failed}


def _run_facts(run: RoomRun) -> dict[str, Any]:
    return {
        "folder": str(run.folder),
        "objects": list(run.objects),
        "notes": list(run.notes),
        "fell_back": list(run.fell_back),
        "resumed": run.resumed,
        "folder_notes": list(run.folder_notes),
        "seconds": round(run.seconds, 2),
    }


def print_run(run: RoomRun, *, quiet: bool, verbose: bool, brief: bool = False) -> None:
    """One line, the objects, and what a person should know.

    brief: of many runs the line alone, and where the rest is told.
    """
    state = "is up to date" if run.resumed else f"{len(run.objects)} objects in {run.seconds:.1f} s"
    say(f"{run.folder}: {state}")
    if quiet:
        return
    for sentence in run.folder_notes:
        remark(f"{run.folder}: {sentence}" if brief else f"note: {sentence}")
    if run.fell_back:
        remark(f"warning: fell back to a simpler generator: {', '.join(run.fell_back)}")
    told = len(run.notes) + sum(len(item["warnings"]) for item in run.objects)
    if brief and not verbose:
        if told:
            remark(f"{told} remarks in {run.folder / 'report.html'}, or with -v")
        return
    print_objects(run.objects)
    for note in run.notes:
        remark(f"note: {note}")
    if not verbose and any(item["warnings"] for item in run.objects):
        remark(f"the objects' warnings are in {run.folder / 'report.html'}, or with -v")
    for item in run.objects:
        for warning in item["warnings"] if verbose else ():
            remark(f"{item['name']}: {warning}")


def print_objects(objects: Any) -> None:
    """The entries of scene.json as a table."""
    from pixal3d_scene.export.facts import floats

    rows = [
        [
            o["name"],
            o["status"],
            "floats" if floats(o) else f"{o['relation']} {o['parent']}",
            " x ".join(f"{s:.2f}" for s in o["size_m"]),
            str(len(o["warnings"]) or ""),
        ]
        for o in objects
    ]
    print_table(["object", "status", "stands", "size in m", "warnings"], rows)


def print_plans(plans: list[dict[str, Any]]) -> None:
    """What a dry run found."""
    for plan in plans:
        if "error" in plan:  # told by who asked
            continue
        stages = ", ".join(f"{name}: {what}" for name, what in plan["stages"].items())
        say(f"{plan['photo']} ({plan['size_px'][0]} x {plan['size_px'][1]} px) -> {plan['out']}")
        only = f" (only {', '.join(plan['only'])})" if plan["only"] else ""
        say(f"  {plan['segmenter']}, {plan['depth']}, {plan['generator']}; {stages}{only}")
        for note in plan["notes"]:
            remark(f"note: {note}")


def print_checks(checks: Sequence[PhotoCheck]) -> None:
    """The parts of one photo, or one line for each of several."""
    if len(checks) == 1 and checks[0].readiness is not None:
        readiness = checks[0].readiness
        rows = [
            ["" if part.passed is None else "ok" if part.passed else "LOW", part.rule.name,
             "not known" if part.measured is None else f"{part.measured:.3g} {part.rule.unit}", part.rule.condition,
             "" if part.quality is None else f"{part.quality:.2f}", f"{part.rule.weight:.2f}"]
            for part in readiness.parts
        ]  # fmt: skip
        print_table(["", "part", "measured", "condition", "quality", "weight"], rows)
        say(f"\nscore {readiness.score:.0f} of 100: {'go' if readiness.go else 'not yet, 75 is go'}")
        for sentence in readiness.advice:
            say(f"- {sentence}")
        for note in checks[0].notes:
            remark(f"note: {note}")
        return
    if len(checks) == 1:  # told by who asked
        return
    rows = []
    for check in checks:
        if check.readiness is None:
            rows.append([check.path.name, "", "not read", ""])
            continue
        low = ", ".join(part.rule.name for part in check.readiness.parts if part.passed is False)
        rows.append([check.path.name, f"{check.readiness.score:.0f}", "go" if check.readiness.go else "not yet", low])
    print_table(["photo", "score", "", "low parts"], rows)


def print_machine(checks: Sequence[Check]) -> None:
    """What `doctor` found, one line each."""
    for check in checks:
        remedy = f"  -> {check.remedy}" if check.remedy else ""
        say(f"{check.state:8} {check.name:22} {check.value}{remedy}")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns without lines, so that a pipe can cut them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # a file may be called room[final].jpg, which is no markup
    # A pipe has no width: rows must not be folded there.
    console = Console(width=None if _is_terminal(sys.stdout) else 240)
    with console.capture() as table_text:
        console.print(table)
    say(table_text.get().rstrip("\n"))


def print_json(value: Any) -> None:
    """One JSON document."""
    say(json.dumps(value, indent=1))


def say(text: str) -> None:
    """A result."""
    _write(text, sys.stdout)


def remark(text: str) -> None:
    """What is not a result."""
    _write(text, sys.stderr)


def _write(text: str, stream: TextIO | None) -> None:
    """A reader that has left, or was never there, must neither stop a job nor change its exit code."""
    if stream is None:
        return
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()
