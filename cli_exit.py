"""The one place where errors become exit codes; `cli.py` says what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from cli_output import remark


@contextmanager
def exit_codes(verbose: bool) -> Iterator[None]:
    """The one place where errors become exit codes."""
    from pixal3d_scene.errors import SceneError

    try:
        yield
    except SceneError as error:
        if verbose:
            import traceback

            traceback.print_exc()
        remark(f"error: {error}")
        raise typer.Exit(exit_code(error)) from error
    except KeyboardInterrupt:
        remark("interrupted; finished stages and objects are kept, run the same command again to go on.")
        raise typer.Exit(130) from None
    except typer.Exit:
        raise
    except Exception as error:
        # A mistake of ours: still one sentence, and the trace for those who ask.
        if verbose:
            import traceback

            traceback.print_exc()
        remark(f"error: unexpected {type(error).__name__}: {error}; this is a bug, -v shows where it happened.")
        raise typer.Exit(4) from error


def exit_code(error: Exception) -> int:
    from pixal3d_scene import errors

    codes = {errors.InputError: 2, errors.BackendMissing: 3}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), 4)
