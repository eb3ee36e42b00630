"""The one place where errors become exit codes; `cli.py` says what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from cli_output import remark


@contextmanager
def exit_codes(verbose: bool) -> Iterator[None]:
    """The one place where errors become exit codes."""
    try:
        yield
    except KeyboardInterrupt:
        remark("interrupted; finished stages and objects are kept, run the same command again to go on.")
        raise typer.Exit(130) from None
    except typer.Exit:
        raise
    except Exception as error:
        raise typer.Exit(tell(error, verbose=verbose)) from error


def tell(error: Exception, *, verbose: bool, about: str = "error") -> int:
    """One sentence on stderr, and the trace for those who ask; returns the exit code.

    about: what comes before the sentence, where it is not the whole command that ends.
    """
    from pixal3d_scene.errors import SceneError

    if verbose:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, SceneError):
        sentence = str(error)
        remark(sentence if sentence.startswith(f"{about} ") else f"{about}: {sentence}")  # most name the photo
    else:  # a mistake of ours
        remark(f"{about}: unexpected {type(error).__name__}: {error}; this is a bug, -v shows where it happened.")
    return exit_code(error)


def exit_code(error: Exception) -> int:
    from pixal3d_scene import errors

    codes = {errors.InputError: 2, errors.BackendMissing: 3}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), 4)
