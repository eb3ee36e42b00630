"""The command line: parses, prints, exits. Every job is a function in `pipelines/`.

Exit codes: 0 done, 2 bad input or flags, 3 machine not ready, 4 a stage failed or the output cannot be written,
5 scene written but some objects fell back, 130 interrupted. Results on stdout, progress and remarks on stderr.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli_exit import exit_codes, exit_with, tell
from cli_models import models_app
from cli_output import (
    JsonOption,
    QuietOption,
    VerboseOption,
    VersionOption,
    print_checks,
    print_json,
    print_machine,
    print_objects,
    print_plans,
    print_run,
    print_table,
    progress,
    remark,
    runs_document,
    say,
)
from cli_settings import Quality, settings_of

app = typer.Typer(
    name="pixal3d-scene",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(version: VersionOption = False) -> None:
    """A room photo in, a scene of separate, placed, engine-ready 3D objects out."""
    del version  # it has been answered by now


class Stage(StrEnum):
    """Stages that can be made again."""

    segment = "segment"
    depth = "depth"
    complete = "complete"
    generate = "generate"
    place = "place"
    export = "export"


PhotosArgument = Annotated[list[Path], typer.Argument(help="Photo files, or folders of photos.", show_default=False)]
OutOption = Annotated[Path, typer.Option("-o", "--out", help="Run folder.")]
RunsOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        help="Run folder; with several photos or a folder OUT/NAME for each. [default: runs/NAME]",
        show_default=False,
    ),
]
_INPUT, _OPTIONS, _RESUME = "Your own data", "Options", "Resume"


@app.command(
    epilog="Exit codes: 0 done, 2 bad input, 3 machine not ready, 4 a stage failed or the output cannot be written, "
    "5 written but some objects fell back to a simpler generator, 130 interrupted (run again to go on)."
)
def run(
    photos: PhotosArgument,
    out: RunsOption = None,
    masks: Annotated[Path | None, typer.Option(help="Label map of the photo (PNG).", rich_help_panel=_INPUT)] = None,
    clean_masks: Annotated[
        bool,
        typer.Option("--clean-masks", help="Clean these masks: specks, merged objects.", rich_help_panel=_INPUT),
    ] = False,
    prompts: Annotated[
        list[Path] | None,
        typer.Option(
            "--points",
            "--boxes",
            help="JSON of the objects to segment, by points or boxes (needs --segmenter sam2 or sam).",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help='Words to look for: "sofa,floor lamp".', rich_help_panel=_INPUT)
    ] = None,
    depth: Annotated[
        Path | None,
        typer.Option(help="Depth: PNG in mm, NPY or NPZ (depth or points) in m.", rich_help_panel=_INPUT),
    ] = None,
    camera: Annotated[
        Path | None,
        typer.Option(help="Camera JSON: width, height, K, pose, distortion.", rich_help_panel=_INPUT),
    ] = None,
    fov: Annotated[
        float | None, typer.Option(help="Horizontal field of view in degrees.", rich_help_panel=_INPUT)
    ] = None,
    camera_height: Annotated[
        float | None, typer.Option(help="Height of the camera above the floor in m.", rich_help_panel=_INPUT)
    ] = None,
    known_size: Annotated[
        list[str] | None, typer.Option(help="Height of an object, such as chair_01=0.9m.", rich_help_panel=_INPUT)
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Which models: embedded (in the package), pixal3d or pixal3d-low-vram.")
    ] = "embedded",
    segmenter: Annotated[
        str | None, typer.Option(help="front_end, regions, sam, sam2 or sam3.", show_default=False)
    ] = None,
    quality: Annotated[Quality, typer.Option(help="Steps and resolution.")] = Quality.standard,
    seed: Annotated[int | None, typer.Option(help="Same seed, same result.", show_default=False)] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", show_default=False)] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    max_megapixels: Annotated[float | None, typer.Option(help="Refuse larger photos.", show_default=False)] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Paint what others hide of an object before it is generated.")
    ] = False,
    share_duplicates: Annotated[
        bool, typer.Option("--share-duplicates", help="Equal objects (four equal chairs) share one mesh.")
    ] = False,
    redo: Annotated[
        Stage | None, typer.Option(help="Make this stage and those after it again.", rich_help_panel=_RESUME)
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Generate only this object again, keep the others.", rich_help_panel=_RESUME),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and write nothing.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Reconstruct rooms from photos."""
    with exit_codes(verbose, as_json=as_json):
        from pipelines.batch import find_left_out, find_photos, is_one_photo, plan_photos, run_folders, run_photos
        from pipelines.given_files import GivenFiles
        from pixal3d_scene.errors import InputError
        from pixal3d_scene.frontend.vocabulary import parse_labels

        settings = settings_of(
            preset, quality, config,
            {
                "seed": seed,
                "device": device,
                "photo.max_megapixels": max_megapixels,
                "segment.segmenter": segmenter,
                "segment.labels": None if labels is None else parse_labels(labels),
                "complete.completer": "inpaint" if complete else None,
                "layout.share_duplicates": share_duplicates or None,
            },
        )  # fmt: skip
        found = find_photos(photos)
        for path, why in find_left_out(photos):
            remark(f"warning: {path} is left out: {why}.")
        one = is_one_photo(photos, found)
        folders = run_folders(found, out, one=one)
        if not one and (masks or prompts or depth or camera or known_size):
            raise InputError(
                "--masks, --points, --boxes, --depth, --camera and --known-size belong to one photo; run the photos "
                "one by one."
            )
        given = GivenFiles(
            masks=masks, clean_masks=clean_masks, prompts=tuple(prompts or ()), depth=depth, camera=camera, fov_deg=fov,
            camera_height_m=camera_height, known_sizes=tuple(known_size or ()),
        )  # fmt: skip
        again, only_these = redo.value if redo else None, frozenset(only or ())
        if dry_run:
            plans = list(plan_photos(found, folders, settings, given, redo=again, only=only_these))
            documents = [plan.facts() for plan in plans]
            print_json(documents[0] if one else documents) if as_json else print_plans(documents)
            exit_with([(plan.photo, plan.error) for plan in plans], one=one, verbose=verbose)
            return
        done, codes = [], []
        for result in run_photos(
            found, folders, settings, given_files=given, redo=again, only=only_these,
            shown=lambda photo: progress(photo.name, show=not quiet and not as_json),
        ):  # fmt: skip
            done.append(result)
            if result.error is not None:
                codes.append(tell(result.error, verbose=verbose, about="error" if one else str(result.photo)))
            elif result.run is not None and not as_json:
                print_run(result.run, quiet=quiet, verbose=verbose, brief=not one)
        if as_json:
            print_json(runs_document(done, one=one))
        if codes and not one:
            remark(f"{len(done) - len(codes)} of {len(done)} photos are done; the same command tries the others again.")
        if codes:
            raise typer.Exit(max(codes))
        if any(result.run.fell_back for result in done if result.run is not None):
            raise typer.Exit(5)


@app.command()
def check(
    photos: PhotosArgument,
    masks: Annotated[Path | None, typer.Option(help="Label map of the photo (PNG).", rich_help_panel=_INPUT)] = None,
    camera: Annotated[Path | None, typer.Option(help="Camera JSON, as for run.", rich_help_panel=_INPUT)] = None,
    fov: Annotated[
        float | None, typer.Option(help="Horizontal field of view in degrees.", rich_help_panel=_INPUT)
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    max_megapixels: Annotated[float | None, typer.Option(help="Refuse larger photos.", show_default=False)] = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Score photos from 0 to 100 before any time is spent on them; 75 and more is "go"."""
    with exit_codes(verbose, as_json=as_json):
        from pipelines.batch import find_left_out, find_photos, is_one_photo
        from pipelines.check import check_photos
        from pipelines.given_files import GivenFiles
        from pixal3d_scene.errors import InputError

        settings = settings_of("embedded", Quality.standard, config, {"photo.max_megapixels": max_megapixels})
        found = find_photos(photos)
        for path, why in find_left_out(photos):
            remark(f"warning: {path} is left out: {why}.")
        one = is_one_photo(photos, found)
        if not one and (masks or camera):
            raise InputError("--masks and --camera belong to one photo; check the photos one by one.")
        done = list(check_photos(found, settings, GivenFiles(masks=masks, camera=camera, fov_deg=fov)))
        if as_json:
            documents = [result.facts() for result in done]
            print_json(documents[0] if one else documents)
        else:
            print_checks(done)
        exit_with([(result.path, result.error) for result in done], one=one, verbose=verbose)


@app.command()
def demo(
    out: OutOption = Path("demo-run"),
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Reconstruct the example room that comes with the project."""
    with exit_codes(verbose):
        from pipelines.demo import run_demo

        with progress("example room", show=not quiet) as shown:
            done = run_demo(out, settings_of("embedded", Quality.standard), progress=shown)
        print_run(done, quiet=quiet, verbose=verbose)
        say(f"\nOpen {done.folder / 'report.html'} in a browser,")
        say(f"or {done.folder / 'scene.glb'} in Blender, Godot, Unity, Unreal or any glTF viewer.")


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the objects, scores and warnings of a finished run."""
    with exit_codes(verbose, as_json=as_json):
        from pipelines.inspect_run import read_run

        facts = read_run(folder)
        if as_json:
            print_json(facts)
            return
        print_objects(facts["objects"])
        for note in facts["notes"]:
            say(f"- {note}")
        for warning in facts["warnings"]:
            remark(f"warning: {warning}")


@app.command()
def doctor(as_json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Check whether this machine can run the job, and say what to type if not."""
    with exit_codes(verbose, as_json=as_json):
        from pipelines.doctor import examine

        checks = examine()
        print_json([c.facts() for c in checks]) if as_json else print_machine(checks)
        if any(c.state == "missing" for c in checks):
            raise typer.Exit(3)


@app.command()
def train(
    settings: Annotated[
        str,
        typer.Argument(
            help="front-end, extents, hidden-sides, reliefs, objects-structure, objects-voxels, objects-flows, "
            "or a TOML file.",
            show_default=False,
        ),
    ],
    data: Annotated[Path, typer.Argument(help="Pack of models, or folder of rooms or objects.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of checkpoints, curves and weights.")],
    minutes: Annotated[float | None, typer.Option(help="Stop after this time, all sessions together.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    earlier: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="For objects-flows: OUT of objects-structure and objects-voxels, if another folder. For front-end and "
            "reliefs: weights to start from.",
        ),
    ] = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Train networks of the package; the same command goes on where it was interrupted (docs/training-data.md)."""
    with exit_codes(verbose, as_json=as_json):
        from pipelines.train import train as run_training

        done = run_training(settings, data, out, device=device, minutes=minutes, earlier=earlier)
        if as_json:
            print_json(done)
            return
        for name, value in done["validation"].items():
            say(f"{name:16} {value:.4f}")
        say(f"weights: {done['weights']}")


@app.command()
def evaluate(
    truth: Annotated[Path, typer.Argument(help="Folder of rooms with ground truth.", show_default=False)],
    runs: Annotated[Path, typer.Argument(help="Folder of run folders with the same names.", show_default=False)],
    protocol: Annotated[
        str, typer.Option(help="P-Room, P-MIDI, P-SceneGen, P-Gen3DSR or P-Physics (docs/evaluation.md).")
    ] = "P-Room",
    layout_baselines: Annotated[
        bool, typer.Option("--layout-baselines", help="Beside it, the same objects placed by four other methods.")
    ] = False,
    with_truth: Annotated[
        bool, typer.Option("--with-truth", help="Beside it, the truth itself as if it were a run.")
    ] = False,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Score run folders against rooms with ground truth by a named protocol."""
    with exit_codes(verbose, as_json=as_json):
        from pipelines import evaluate as job

        evaluation = job.evaluate(
            truth, runs, job.find_protocol(protocol), with_truth=with_truth, layout_baselines=layout_baselines
        )
        if as_json:
            print_json(job.as_json(evaluation))
        else:
            header, *rows = job.table_rows(evaluation)
            print_table(header, rows)
            for line in job.remarks(evaluation):
                remark(f"note: {line}")
        if evaluation.failed:
            raise typer.Exit(5)


app.add_typer(models_app, name="models")


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
