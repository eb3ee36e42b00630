"""`pixal3d-scene models`: network weights on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from cli_exit import exit_codes
from cli_output import JsonOption, VerboseOption, print_json, print_table, say

models_app = typer.Typer(help="Network weights: list, fetch, check.", no_args_is_help=True)


@models_app.command("list")
def models_list(as_json: JsonOption = False, verbose: VerboseOption = False) -> None:
    """Size, licence, gated or not, and what is here."""
    with exit_codes(verbose, as_json=as_json):
        from pipelines import models

        found = models.list_weights()
        if as_json:
            print_json([w.facts() for w in found])
        else:
            print_table(models.LIST_HEADER, [w.row() for w in found])


@models_app.command("fetch")
def models_fetch(
    names: Annotated[list[str], typer.Argument(help="Names from `models list`.", show_default=False)],
    revision: Annotated[str | None, typer.Option(help="Commit on the hub, 40 digits.", show_default=False)] = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Bring published weights here; the only command that uses the network."""
    with exit_codes(verbose, as_json=as_json):
        from pipelines import models

        fetched = models.fetch(names, revision=revision)
        if as_json:
            print_json({name: [str(p) for p in paths] for name, paths in fetched.items()})
        else:
            for name, paths in fetched.items():
                say(f"{name}: {len(paths)} files in {paths[0].parent}")


@models_app.command("check")
def models_check(
    reference: Annotated[str, typer.Argument(help="Name from `models list`, folder or hub id.")] = "pixal3d",
    revision: Annotated[str | None, typer.Option(help="Commit on the hub.", show_default=False)] = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Whether every file is there, unharmed, and fits its network."""
    with exit_codes(verbose, as_json=as_json):
        from pipelines import models

        checks = models.check(reference, revision=revision)
        if as_json:
            print_json([c.facts() for c in checks])
        else:
            print_table(models.CHECK_HEADER, [c.row() for c in checks])
        if any(c.state != "ok" for c in checks):
            raise typer.Exit(3)
