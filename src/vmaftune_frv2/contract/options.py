"""Fields of requests that are options too: what each is called, what it may be and what it means.

A request is a frozen dataclass whose fields are made with ``option``. Python builds it by name; a command line
reads the same fields as options. What a value may be is checked here for both, in the same words.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmaftune_frv2.errors import UsageError

_KEY = "option"


@dataclass(frozen=True)
class Option:
    """What is known of one option.

    Args:
        help: what it means, for help texts and for the docstring of its request.
        flag: its spelling on the command line, without the dashes in front; empty takes the field's name.
        metavar: what help calls its value.
        shown: what help says of its default, where that is no plain value.
        low: least value.
        high: largest value.
        above: whether ``low`` itself is out of range.
        below: whether ``high`` itself is out of range.
        choices: the only values there are.
        argument: whether it is an argument of the command rather than an option.
        also_option: whether an argument may be given as an option, too.
        names: "file" or "folder", where the value is the path of one that is written.
        flags: (value, flag, help) of each value that has a flag of its own instead of one option for all.
    """

    help: str
    flag: str = ""
    metavar: str | None = None
    shown: str | None = None
    low: float | None = None
    high: float | None = None
    above: bool = False
    below: bool = False
    choices: tuple[str, ...] = ()
    argument: bool = False
    also_option: bool = False
    names: str = ""
    flags: tuple[tuple[str, str, str], ...] = ()

    def range_text(self) -> str:
        """The range of a number in words; empty where there is none."""
        if self.low is None:
            return ""
        least = f"above {self.low:g}" if self.above else f"at least {self.low:g}"
        if self.high is None:
            return least
        if self.above or self.below:
            return f"{least} and {'below' if self.below else 'at most'} {self.high:g}"
        return f"from {self.low:g} to {self.high:g}"


def option(default: Any, help: str, **known: Any) -> Any:
    """A field of a request.

    Args:
        default: its value where none is given.
        help: what it means.
        known: further arguments of ``Option``.
    """
    return dataclasses.field(default=_Unset(default), metadata={_KEY: Option(help, **known)})


@dataclass(frozen=True)
class _Unset:
    """The default of an option, as long as nobody has given a value."""

    default: Any

    def __repr__(self) -> str:
        return repr(self.default)


@dataclass(frozen=True)
class OptionField:
    """An option as a field of a request.

    Args:
        name: in Python.
        kind: ``int``, ``float``, ``bool``, ``str`` or ``Path``.
        several: whether it takes several values.
        default: its value where none is given.
        known: what else is known of it.
    """

    name: str
    kind: str
    several: bool
    default: Any
    known: Option

    @property
    def spelled(self) -> str:
        """What errors and help call it: ``--max-encodes``, or ``SOURCE`` for an argument."""
        flag = self.known.flag or self.name
        return flag.upper() if self.known.argument else f"--{flag.replace('_', '-')}"

    def read(self, value: Any) -> Any:
        """A value as the request holds it.

        Args:
            value: of the field's kind, or text that says one; for a field of several values, one or an iterable.

        Raises:
            UsageError: it cannot be read, or is out of range.
        """
        if value is None:
            return None
        if not self.several:
            return self.read_one(value)
        alone = isinstance(value, (str, Path, int, float)) or not isinstance(value, Iterable)
        return tuple(self.read_one(each) for each in ([value] if alone else value))

    def read_one(self, value: Any) -> Any:
        """One value; as ``read``."""
        if self.kind == "bool":
            if not isinstance(value, bool):
                raise UsageError(f"{self.spelled} is either there or not, not {value!r}")
            return value
        if self.kind in ("int", "float"):
            return self._number(value)
        if self.kind == "Path":
            return self._path(Path(value))
        text = str(value)
        if self.known.choices and text not in self.known.choices:
            raise UsageError(f"{self.spelled} {text!r}: it is one of {', '.join(self.known.choices)}")
        return text

    def _number(self, value: Any) -> float:
        known, whole = self.known, self.kind == "int"
        try:
            number = float(value)
            if isinstance(value, bool) or not math.isfinite(number) or (whole and number != int(number)):
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            what = "a whole number" if whole else "a finite number"
            raise UsageError(f"{self.spelled} {value!r}: not {what}") from None
        low, high = known.low, known.high
        under = low is not None and (number <= low if known.above else number < low)
        over = high is not None and (number >= high if known.below else number > high)
        if under or over:
            raise UsageError(f"{self.spelled} {value}: it is {known.range_text()}")
        return int(value) if whole else number

    def _path(self, path: Path) -> Path:
        there = path.is_dir() if self.known.names == "file" else path.is_file()
        if self.known.names and there:
            other = "folder" if self.known.names == "file" else "file"
            raise UsageError(f"{self.spelled} {path} is a {other}, not a {self.known.names}")
        return path


def options_of(request: type[Request]) -> tuple[OptionField, ...]:
    """The options of a request: those of each of its groups in the order in which it names them, then its own."""
    fields = {each.name: each for each in dataclasses.fields(request) if _KEY in each.metadata}
    own, *groups = request.__mro__
    ordered = dict.fromkeys(n for group in (*groups, own) for n in vars(group).get("__annotations__", ()))
    return tuple(_field(fields[name]) for name in ordered if name in fields)


def _field(each: dataclasses.Field[Any]) -> OptionField:
    kind = str(each.type).removesuffix(" | None")
    several = kind.startswith("Sequence[")
    default = each.default.default if isinstance(each.default, _Unset) else each.default
    bare = kind.removeprefix("Sequence[").removesuffix("]")
    return OptionField(each.name, bare, several, default, each.metadata[_KEY])


@dataclass(frozen=True)
class Request:
    """What is asked for: values, read and checked when it is made.

    Raises:
        UsageError: a value cannot be, or values do not go together.
    """

    def __post_init__(self) -> None:
        given = set()
        for each in options_of(type(self)):
            value = getattr(self, each.name)
            if isinstance(value, _Unset):
                value = value.default
            elif value is None or value == ():
                value = each.default
            else:
                value = each.read(value)
                if value is not False:
                    given.add(each.name)
            object.__setattr__(self, each.name, value)
        object.__setattr__(self, "_given", frozenset(given))
        self.check()

    def check(self) -> None:
        """Refuses values that do not go together, or that would be ignored in silence.

        Raises:
            UsageError: there are some.
        """

    def gave(self, name: str) -> bool:
        """Whether a value was given, be it the default's."""
        given: frozenset[str] = getattr(self, "_given", frozenset())
        return name in given

    def refuse(self, names: Iterable[str], why: str) -> None:
        """Refuses each of some options, if it was given.

        Args:
            names: of fields.
            why: what follows its spelling in the error.

        Raises:
            UsageError: one was.
        """
        spelled = {each.name: each.spelled for each in options_of(type(self))}
        for name in names:
            if self.gave(name):
                raise UsageError(f"{spelled[name]} {why}")
