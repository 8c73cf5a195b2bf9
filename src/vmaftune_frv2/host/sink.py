"""The one place where errors become exit codes, in our host and in any other that runs click commands."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import IO, Any

import click

from vmaftune_frv2.errors import ExitCode, TuneError
from vmaftune_frv2.log import shown


class Failure(click.ClickException):
    """An error as click shows it: ``Error: ...`` and one of our exit codes. Its cause is what was raised.

    Attributes:
        hint: what follows the message.
    """

    hint = ""

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints it, unless its cause was told as an event already."""
        if not was_told(self.__cause__):
            super().show(file)

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click has one per class

    def format_message(self) -> str:
        """What stands after ``Error:``."""
        return self.message + self.hint


def mark_told(error: BaseException) -> ExitCode:
    """Keeps an error, which was told in another way, from being printed.

    Returns:
        The exit code that it leads to.
    """
    vars(error)["told"] = True
    if isinstance(error, TuneError):
        return error.exit_code
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.INTERNAL


def was_told(error: BaseException | None) -> bool:
    """Whether ``mark_told`` saw it."""
    return error is not None and bool(vars(error).get("told"))


@contextlib.contextmanager
def sink() -> Iterator[None]:
    """Turns whatever is raised into what click knows how to end with.

    Raises:
        Failure: for every error that is not click's own.
        BrokenPipeError: which click ends with in silence.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        if not was_told(stop):
            click.echo(err=True)  # closes the line of the terminal's ^C, as click does
        raise Failure("interrupted", ExitCode.INTERRUPTED) from stop
    except click.Abort as stop:
        raise Failure("interrupted", ExitCode.INTERRUPTED) from stop
    except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
        raise
    except TuneError as error:
        raise Failure(str(error), error.exit_code) from error
    except Exception as error:
        raise Failure(f"internal error: {type(error).__name__}: {error}", ExitCode.INTERNAL) from error


def exits(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command's function whose errors go down the sink, and whose ``int`` is the exit code in any host."""

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        with sink(), shown(functools.partial(click.echo, err=True)):
            result = function(*arguments, **options)
        if isinstance(result, int) and result:
            raise click.exceptions.Exit(result)  # click's standalone mode does not look at what is returned
        return result

    return run
