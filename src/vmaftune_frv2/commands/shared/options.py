"""Options of a command from the fields of its request."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.options import Option, Request, options_of

Command = TypeVar("Command", bound=Callable[..., Any])
_NAMES = {"int": "integer", "float": "float", "str": "text", "Path": "path", "file": "file", "folder": "directory"}


class OptionType(click.ParamType):  # type: ignore[type-arg]  # which older versions of click do not take
    """A value that its field reads, and refuses in the same words as in Python."""

    def __init__(self, field: Option) -> None:
        self.field = field
        self.name = _NAMES[field.names or field.kind]

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """The choices, where there are no others."""
        choices = self.field.choices
        return f"[{'|'.join(choices)}]" if choices else None

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value as the request holds it."""
        return self.field.read_one(value)


class EncoderOption(click.Option):
    """``--encoder``; its help names the encoders of the table as it stands when help is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Option and help text."""
        said, bracket, extras = (self.help or "").partition("  [")
        known = f"Known: {ENCODERS.described()}."
        self.help = f"{said.partition(' Known: ')[0]} {known}{bracket}{extras}"
        return super().get_help_record(ctx)


def request_options(*requests: type[Request]) -> Callable[[Command], Command]:
    """Gives a command the options of some requests, and each of these requests as an argument, in order."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(**values: Any) -> Any:
            built = [_built(request, values) for request in requests]
            return command(*built, **values)

        decorated: Any = run
        for request in reversed(requests):
            for field in reversed(options_of(request)):
                for each in reversed(_as_click(field)):
                    decorated = each(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate


def _built(request: type[Request], values: dict[str, Any]) -> Request:
    """The request of what was given, which is taken out of ``values``."""
    given = {}
    for field in options_of(request):
        value = values.pop(field.name)
        if field.also_option:
            value = (*value, *values.pop(_further(field)))
        if value is not None and value != ():
            given[field.name] = value
    return request(**given)


def _further(field: Option) -> str:
    return f"further_{field.name}"


def _as_click(field: Option) -> list[Callable[[Any], Any]]:
    if field.argument:
        metavar = f"[{field.spelled}]" + ("..." if field.several else "")
        argument = click.argument(
            field.name, nargs=-1 if field.several else 1, required=False, metavar=metavar, type=OptionType(field)
        )
        if not field.also_option:
            return [argument]
        spelled = f"--{field.flag}"
        option = click.option(spelled, _further(field), multiple=True, metavar=field.spelled, help=field.help)
        return [argument, option]
    if field.flags:
        return [
            click.option(f"--{flag}", field.name, flag_value=value, default=None, help=meaning)
            for value, flag, meaning in field.flags
        ]
    if field.kind == "bool":
        return [click.option(field.spelled, field.name, is_flag=True, default=None, help=field.help)]
    return [
        click.option(
            *_spellings(field),
            field.name,
            multiple=field.several,
            metavar=field.metavar,
            type=OptionType(field),
            help=field.help + _extras(field),
            cls=EncoderOption if field.name == "encoders" else click.Option,
        )
    ]


def _spellings(field: Option) -> list[str]:
    short = [f"-{field.short}"] if field.short else []
    return [*short, field.spelled, *([f"--{field.also}"] if field.also else [])]


def _extras(field: Option) -> str:
    """Default, and the range where it has two ends, as click shows them."""
    shown, default = field.shown, field.default
    if shown is None and default not in (None, (), ""):
        shown = f"{default:g}" if isinstance(default, float) else str(default)
    if shown == "0":
        shown = None
    found = [f"default: {shown}"] if shown else []
    found += [field.range_text] if field.high is not None else []
    return f"  [{'; '.join(found)}]" if found else ""
