"""Fields of requests that are options too: what each is called, what it may be and what it means.

Python builds a request by the names of its fields; a command line reads the same fields as options. What a value
may be is checked here for both, in the same words. Requests are no dataclasses at run time: generating the methods
of one takes longer than all that a one-line answer does with it.
"""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from vmaftune_frv2.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**known: Any) -> Any:
        """What tells type checkers that a class has the constructor of a dataclass."""
        return lambda cls: cls


class Option:
    """One field of a request.

    Args:
        default: its value where none is given.
        help: what it means, for help texts and reference tables.
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
        also: another spelling, likewise.
        short: letter of its short spelling, as in ``-o``; empty for none.
        flags: (value, flag, help) of each value that has a flag of its own instead of one option for all.

    Attributes:
        name: of the field.
        kind: ``int``, ``float``, ``bool``, ``str`` or ``Path``.
        several: whether it takes several values.
    """

    def __init__(
        self, default: Any, help: str, *, flag: str = "", metavar: str | None = None, shown: str | None = None,
        low: float | None = None, high: float | None = None, above: bool = False, below: bool = False,
        choices: tuple[str, ...] = (), argument: bool = False, also_option: bool = False, names: str = "",
        flags: tuple[tuple[str, str, str], ...] = (), also: str = "", short: str = "",
    ) -> None:  # fmt: skip
        self.default, self.help, self.flag, self.metavar, self.shown = default, help, flag, metavar, shown
        self.low, self.high, self.above, self.below = low, high, above, below
        self.choices, self.argument, self.also_option = choices, argument, also_option
        self.names, self.flags, self.also, self.short = names, flags, also, short
        self.name = self.kind = ""
        self.several = False

    def __set_name__(self, owner: type, name: str) -> None:
        kind = str(owner.__annotations__[name]).removesuffix(" | None")
        self.name, self.several = name, kind.startswith("Sequence[")
        self.kind = kind.removeprefix("Sequence[").removesuffix("]")

    @property
    def spelled(self) -> str:
        """What errors and help call it: ``--max-encodes``, or ``SOURCE`` for an argument."""
        flag = self.flag or self.name
        return flag.upper() if self.argument else f"--{flag.replace('_', '-')}"

    @property
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

    def read(self, value: Any) -> Any:
        """A value as the request holds it.

        Args:
            value: of the field's kind, or text that says one; for a field of several values, one or an iterable.

        Raises:
            UsageError: it cannot be read, or is out of range.
        """
        if not self.several:
            return self.read_one(value)
        alone = isinstance(value, (str, Path, int, float)) or not isinstance(value, Iterable)
        return tuple(self.read_one(each) for each in ([value] if alone else value))

    def read_one(self, value: Any) -> Any:
        """One value; as ``read``."""
        if self.kind == "bool":
            if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):  # numpy's
                raise UsageError(f"{self.spelled} is either there or not, not {value!r}")
            return bool(value)
        if self.kind in ("int", "float"):
            return self._number(value)
        if not isinstance(value, (str, PurePath, numbers.Number)):
            raise UsageError(f"{self.spelled} {value!r}: not text")
        if self.kind == "Path":
            return self._path(Path(str(value)))
        text = str(value)
        if self.choices and text not in self.choices:
            raise UsageError(f"{self.spelled} {text!r}: it is one of {', '.join(self.choices)}")
        return text

    def _number(self, value: Any) -> float:
        whole = self.kind == "int"
        try:
            number = float(value)
            if isinstance(value, bool) or not math.isfinite(number) or (whole and number != int(number)):
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            what = "a whole number" if whole else "a finite number"
            raise UsageError(f"{self.spelled} {value!r}: not {what}") from None
        low, high = self.low, self.high
        under = low is not None and (number <= low if self.above else number < low)
        over = high is not None and (number >= high if self.below else number > high)
        if under or over:
            raise UsageError(f"{self.spelled} {value}: it is {self.range_text}")
        if not whole:
            return number
        return int(value) if str(value).lstrip("+-").isdigit() else int(number)

    def _path(self, path: Path) -> Path:
        there = os.path.isdir(path) if self.names == "file" else os.path.isfile(path)
        if self.names and there:
            other = "folder" if self.names == "file" else "file"
            raise UsageError(f"{self.spelled} {path} is a {other}, not a {self.names}")
        return path


def option(default: Any, help: str, **known: Any) -> Any:
    """A field of a request: an ``Option``, which type checkers take for its value.

    Args:
        default: its value where none is given.
        help: what it means.
        known: further arguments of ``Option``.
    """
    return Option(default, help, **known)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Request:
    """What is asked for: values, read and checked when it is made, and not changed afterwards.

    Raises:
        UsageError: a value cannot be, or values do not go together.
        TypeError: there is no field of a name.
    """

    _options: ClassVar[tuple[Option, ...]] = ()

    def __init_subclass__(cls) -> None:
        names = dict.fromkeys(
            n for group in (*cls.__mro__[1:], cls) for n in vars(group).get("__annotations__", ())
        )
        found = (getattr(cls, name, None) for name in names)
        cls._options = tuple(each for each in found if isinstance(each, Option))

    def __init__(self, **values: Any) -> None:
        fields = {each.name: each for each in self._options}
        for name in values.keys() - fields.keys():
            raise TypeError(f"{type(self).__name__} has no field {name!r}")
        found, given = {}, set()
        for name, each in fields.items():
            value = values.get(name)
            if value is None or (isinstance(value, tuple) and not value):
                found[name] = each.default
            else:
                found[name] = each.read(value)
                if found[name] is not False:
                    given.add(name)
        vars(self).update(found, _given=frozenset(given))
        self.check()

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"a request does not change; make another {type(self).__name__}")

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={getattr(self, name)!r}" for name in sorted(self._given))
        return f"{type(self).__name__}({given})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, each.name) for each in self._options)

    @property
    def _given(self) -> frozenset[str]:
        given: frozenset[str] = vars(self)["_given"]
        return given

    def changed(self, **values: Any) -> Self:
        """The same request with other values; None takes one back.

        Raises:
            UsageError, TypeError: as making one.
        """
        return type(self)(**{name: getattr(self, name) for name in self._given} | values)

    def check(self) -> None:
        """Refuses values that do not go together, or that would be ignored in silence.

        Raises:
            UsageError: there are some.
        """

    def refuse(self, names: Iterable[str], why: str) -> None:
        """Refuses each of some options, if a value was given, be it the default's.

        Args:
            names: of fields.
            why: what follows its spelling in the error.

        Raises:
            UsageError: one was.
        """
        for name in names:
            if name in self._given:
                raise UsageError(f"{getattr(type(self), name).spelled} {why}")


def options_of(request: type[Request]) -> tuple[Option, ...]:
    """The options of a request: those of each of its groups in the order in which it names them, then its own."""
    return request._options
