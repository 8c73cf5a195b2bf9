"""``--model`` and ``--feature`` as libvmaf's command line spells them, for libvmaf's filter of ffmpeg."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.contract.vmaf_names import DEFAULT_MODEL, PHONE
from vmaftune_frv2.errors import InputError, UsageError
from vmaftune_frv2.media.vmaf import model_option

DEFAULT_NAME = "vmaf"
"""What the log calls the score of a model that is given no name."""
_FLAGS = ("disable_clip", "enable_transform")
_WORD = re.compile(r"[A-Za-z0-9_.+-]+")
_PLAIN = ("adm", "vif", "motion")
_SEPARATOR = r"\:"


@dataclass(frozen=True)
class ModelChoice:
    """One ``--model``.

    Args:
        name: what the log calls its score.
        version: of a model that libvmaf has, None for one from a file.
        path: the file.
        options: further ones, as the filter takes them.
    """

    name: str = DEFAULT_NAME
    version: str | None = DEFAULT_MODEL
    path: Path | None = None
    options: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What the user called it."""
        return self.version or str(self.path)

    def for_filter(self, file: str) -> str:
        """It, as the filter takes it.

        Args:
            file: by which name ffmpeg finds the file of the model, if it has one.
        """
        which = f"path={file}" if self.version is None else model_option(self.version)
        return _SEPARATOR.join((which, f"name={self.name}", *self.options))


def read_model(text: str) -> ModelChoice:
    """Reads ``version=NAME`` or ``path=FILE``, with ``:name=..``, ``:disable_clip`` and the like behind it.

    Raises:
        UsageError: no model is named, or an option is not one of a model.
        InputError: its file is not there.
    """
    found: dict[str, str] = {}
    for part in text.split(":"):
        key, equals, value = part.partition("=")
        if not equals and key in _FLAGS:
            value = "true"
        if not value or not _WORD.fullmatch(key) or (key != "path" and not _WORD.fullmatch(value)):
            raise UsageError(f"--model {text!r}: {part!r} is no option of a model; write version=vmaf_v0.6.1")
        found[key] = value
    version, path = found.pop("version", None), found.pop("path", None)
    if (version is None) == (path is None):
        raise UsageError(f"--model {text!r}: write version=NAME for a model of libvmaf, or path=FILE")
    name = found.pop("name", DEFAULT_NAME)
    for key, value in found.items():
        if "." not in key and (key not in _FLAGS or value not in ("true", "false")):
            raise UsageError(f"--model {text!r}: a model has no option {key}={value}")
    if version is not None:
        model_option(version + (PHONE if found.get("enable_transform") == "true" else ""))
    if path is not None and not Path(path).is_file():
        raise InputError(f"--model {text!r}: no such file")
    options = tuple(f"{key}={value}" for key, value in found.items())
    return ModelChoice(name, version, None if path is None else Path(path).absolute(), options)


def read_models(texts: tuple[str, ...]) -> tuple[ModelChoice, ...]:
    """Reads every ``--model``; libvmaf's default one where there is none.

    Raises:
        UsageError: one is wrong, or two have the same name.
        InputError: the file of one is not there.
    """
    models = tuple(map(read_model, texts)) or (ModelChoice(),)
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two models are called {name}; give each a name, as version={models[1].label}:name=b"
            )
    return models


def read_features(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Reads every ``--feature``: ``NAME`` or ``NAME=option=value:option=value``.

    Returns:
        Each as the filter takes it; those that always run are left out.

    Raises:
        UsageError: one cannot be read.
    """
    found = []
    for text in texts:
        name, _, options = text.partition("=")
        parts = options.split(":") if options else []
        pairs = [part.partition("=") for part in parts]
        if not all(map(_WORD.fullmatch, (name, *(word for key, _, value in pairs for word in (key, value))))):
            raise UsageError(f"--feature {text!r}: write NAME, or NAME=option=value:option=value")
        if parts or name not in _PLAIN:
            found.append(_SEPARATOR.join((f"name={name}", *parts)))
    return tuple(dict.fromkeys(found))
