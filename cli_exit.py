"""The one place where errors become exit codes; `cli.py` says what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from cli_output import print_json, remark

_INTERRUPTED = "interrupted; finished stages and objects are kept, run the same command again to go on."


@contextmanager
def exit_codes(verbose: bool, *, as_json: bool = False) -> Iterator[None]:
    """The one place where errors become exit codes. as_json: on stdout too, where a command has no other result."""
    try:
        yield
    except KeyboardInterrupt:
        remark(_INTERRUPTED)
        if as_json:
            print_json({"error": _INTERRUPTED})
        raise typer.Exit(130) from None
    except typer.Exit:
        raise
    except Exception as error:
        code = tell(error, verbose=verbose)
        if as_json:
            print_json({"error": str(error)})
        raise typer.Exit(code) from error


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


def exit_with(results: Iterable[tuple[Path, Exception | None]], *, one: bool, verbose: bool) -> None:
    """Tell the errors of photos, and end with the worst one's exit code; nothing where there is none.

    one: it is the whole command that ends.
    """
    bad = [(path, error) for path, error in results if error is not None]
    if bad:
        raise typer.Exit(max(tell(error, verbose=verbose, about="error" if one else str(path)) for path, error in bad))


def exit_code(error: Exception) -> int:
    from pixal3d_scene import errors

    codes = {errors.InputError: 2, errors.BackendMissing: 3}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), 4)
