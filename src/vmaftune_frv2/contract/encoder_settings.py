"""Encoder settings beside preset and crf: what is asked for, and what that is in ffmpeg arguments."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from vmaftune_frv2.contract.encoder import Encoder
from vmaftune_frv2.contract.encoders import ENCODERS
from vmaftune_frv2.contract.gop import Gop
from vmaftune_frv2.contract.grid import Choice
from vmaftune_frv2.errors import UsageError

_KEYINT = re.compile(r"(\d+)|(\d+(?:\.\d+)?)s")
_KEYINT_KEYS = ("keyint", "g", "IntraPeriod")


@dataclass(frozen=True)
class EncoderSettings:
    """What is asked of encoders beside preset and crf.

    Args:
        extra: further ffmpeg arguments, each setting as one text.
        pix_fmt: pixel format of the encodes, None for the one next to the source's.
        keyint: longest distance of keyframes: frames ("48"), or seconds ("2s"); None for the encoder's own.
        tunes: what encoders are tuned for.
        film_grain: levels of film grain synthesis.
    """

    extra: tuple[Choice, ...] = ()
    pix_fmt: str | None = None
    keyint: str | None = None
    tunes: tuple[Choice, ...] = ()
    film_grain: tuple[Choice, ...] = ()

    @classmethod
    def of_arguments(cls, arguments: Sequence[str]) -> EncoderSettings:
        """Those that give exactly these ffmpeg arguments, as a row has them, to whatever encoder."""
        return cls((Choice(None, shlex.join(arguments)),)) if arguments else cls()

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in dataclasses.fields(self))

    def check(self) -> None:
        """Checks what can be checked before it is known which encoders are asked for.

        Raises:
            UsageError: a quotation without an end, a distance of keyframes that is none, a film grain that is no
                level.
        """
        for setting in self.extra:
            split_arguments(setting.value)
        if self.keyint is not None:
            keyint_frames(self.keyint, Fraction(25))
        for setting in self.film_grain:
            if not setting.value.isdecimal():
                raise UsageError(f"--film-grain {setting.value!r}: write a level, as in 8 or libsvtav1=8")

    def check_encoders(self, encoders: Sequence[str]) -> None:
        """Checks that each setting is for an encoder that is asked for, and that these have it.

        Args:
            encoders: their ffmpeg names.

        Raises:
            UsageError: a setting of an encoder that is not there, or that one does not have.
        """
        for setting, spelled in (
            *((each, "--enc") for each in self.extra),
            *((each, "--tune") for each in self.tunes),
            *((each, "--film-grain") for each in self.film_grain),
        ):
            if setting.encoder is not None and setting.encoder not in encoders:
                raise UsageError(
                    f"{spelled} {setting.encoder}={setting.value} is bound to an encoder that is not in --encoder"
                )
        for name in encoders:
            self.arguments(ENCODERS.get(name), Fraction(25))

    def arguments(self, encoder: Encoder, framerate: Fraction) -> tuple[str, ...]:
        """The ffmpeg arguments that say these settings to an encoder; they stand in the row as ``extra_params``.

        Args:
            encoder: any.
            framerate: of the source, for distances in seconds.

        Raises:
            UsageError: the encoder has no such setting.
        """
        found = [*self._pix_fmt_of(encoder), *self._keyint_of(encoder, framerate)]
        for setting in _of(encoder, self.tunes):
            if setting not in encoder.tunes:
                known = f"it has {', '.join(encoder.tunes)}" if encoder.tunes else "it has none"
                raise UsageError(
                    f"--tune {setting}: no tune of {encoder.name}, {known}; {_for_one('tune', setting)}"
                )
            found += encoder.tunes[setting]
        for level in _of(encoder, self.film_grain):
            found += _grain_of(encoder, level)
        for text in _of(encoder, self.extra):
            found += split_arguments(text)
        return tuple(joined(found))

    def _pix_fmt_of(self, encoder: Encoder) -> Sequence[str]:
        if self.pix_fmt is None:
            return ()
        if self.pix_fmt not in encoder.pix_fmts:
            raise UsageError(f"--pix-fmt {self.pix_fmt}: {encoder.name} takes {', '.join(encoder.pix_fmts)}")
        return ("-pix_fmt", self.pix_fmt)

    def _keyint_of(self, encoder: Encoder, framerate: Fraction) -> Sequence[str]:
        if self.keyint is None:
            return ()
        return [part.format(keyint=keyint_frames(self.keyint, framerate)) for part in encoder.keyint]


NO_SETTINGS = EncoderSettings()


def _for_one(option: str, value: str) -> str:
    return f"--{option} ENCODER={value} is for one encoder alone"


def _of(encoder: Encoder, settings: Iterable[Choice]) -> list[str]:
    """The values of a setting that are for an encoder."""
    return [setting.value for setting in settings if setting.encoder in (None, encoder.name)]


def _grain_of(encoder: Encoder, level: str) -> list[str]:
    if encoder.film_grain is None:
        raise UsageError(
            f"--film-grain {level}: {encoder.name} has no film grain synthesis; {_for_one('film-grain', level)}"
        )
    most, argv = encoder.film_grain
    if int(level) > most:
        raise UsageError(f"--film-grain {level}: {encoder.name} takes levels from 0 to {most}")
    return [part.format(level=level) for part in argv]


def split_arguments(text: str) -> list[str]:
    """Further arguments as a shell splits them; ``name=value`` without a dash is read as ``-name value``.

    Raises:
        UsageError: a quotation has no end.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--enc {text!r}: {error}") from error
    if len(words) == 1 and "=" in words[0] and not words[0].startswith("-"):
        name, _, value = words[0].partition("=")
        return [f"-{name}", value]
    return words


def keyint_frames(text: str, framerate: Fraction) -> int:
    """A distance of keyframes in frames.

    Args:
        text: frames ("48") or seconds ("2s").
        framerate: frames per second.

    Raises:
        UsageError: neither, or less than a frame.
    """
    found = _KEYINT.fullmatch(text.strip())
    frames = 0
    if found is not None:
        frames = int(found[1]) if found[1] else round(Fraction(found[2]) * framerate)
    if frames < 1:
        raise UsageError(f"--keyint {text!r}: write frames (48) or seconds (2s), at least one frame")
    return frames


def joined(argv: Sequence[str]) -> list[str]:
    """Arguments in which an encoder's own options (``-x265-params``) stand once: ffmpeg hears only the last.

    Of a parameter that is there twice the later value comes last, which encoders take.
    """
    found: list[str] = []
    for word in argv:
        if found and found[-1].endswith("-params") and found[-1].startswith("-") and found[-1] in found[:-1]:
            option = found.pop()
            place = found.index(option) + 1
            found[place] = f"{found[place]}:{word}"
        else:
            found.append(word)
    return found


def gop_of(encoder: Encoder, arguments: Sequence[str]) -> Gop:
    """How an encoder groups frames under further arguments."""
    frames: int | None = None
    for option, value in itertools.pairwise(arguments):
        pairs = [("g", value)] if option in ("-g", "-g:v") else []
        if option.startswith("-") and option.endswith("-params"):
            pairs = [(key, number) for key, _, number in (part.partition("=") for part in value.split(":"))]
        for key, number in pairs:
            if key in _KEYINT_KEYS and number.isdecimal() and int(number) > 0:
                frames = int(number)
    if frames is None:
        return encoder.gop
    return dataclasses.replace(encoder.gop, keyframe_every=frames, keyframe_seconds=None)
