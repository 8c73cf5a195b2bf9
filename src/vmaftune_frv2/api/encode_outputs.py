"""Which file is made of which source, and which of them must not be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vmaftune_frv2.api.folders import is_several, with_folders
from vmaftune_frv2.contract.certificate import certificate_path, read_certificate
from vmaftune_frv2.contract.containers import MATROSKA, Container, container_of, named_container
from vmaftune_frv2.contract.encode_request import EncodeRequest
from vmaftune_frv2.errors import InputError, OutputError, UsageError

REJECTED = ".rejected"
"""Stands before the extension of a finished file that was refused."""


@dataclass(frozen=True)
class Job:
    """One source, and the file that is made of it.

    Args:
        label: path of the source as given.
        output: of the file.
        container: of the file.
    """

    label: str
    output: Path
    container: Container

    @property
    def rejected(self) -> Path:
        """Where the file is put if it is refused."""
        return self.rejected_as(1)

    def rejected_as(self, number: int) -> Path:
        """The ``number``-th name of a refused file, from 1 on; the first that is free is taken."""
        more = "" if number == 1 else f"-{number}"
        return self.output.with_name(f"{self.output.stem}{REJECTED}{more}{self.output.suffix}")


def jobs_of(request: EncodeRequest, fits: Callable[[Container], bool]) -> list[Job]:
    """The sources of a request and their outputs; nothing is opened.

    Args:
        request: what to encode, and where to.
        fits: whether a container holds the encoder's video.

    Raises:
        UsageError: an output's name says no container, two sources have one output, or one is its own output.
        InputError: a folder of sources holds none.
    """
    assert request.output is not None
    labels, several = _sources(request)
    folder = several or os.path.isdir(request.output)
    if not folder and request.container is not None:
        raise UsageError("--container needs a folder as -o; otherwise the name of OUT says it")
    if several and os.path.isfile(request.output):
        raise UsageError(f"-o {request.output} is a file; of several sources it is a folder")
    found = [_job(request, label, folder, fits) for label in labels]
    _refuse_equal(found)
    for job in found:
        for label in labels:
            if same_file(job.output, Path(label)):
                raise UsageError(f"{job.output} is the source {label}; write somewhere else")
            if same_file(job.rejected, Path(label)):
                raise UsageError(f"{label} is where a refused {job.output} would be kept; write somewhere else")
    return found


def _sources(request: EncodeRequest) -> tuple[list[str], bool]:
    """The sources, folders in their place, and whether there are several by what was asked.

    Of a folder, files that were made here are left out.
    """
    labels, several = list(with_folders(request.sources)), is_several(request.sources)
    found = [
        each for each in labels if each in request.sources or not os.path.exists(certificate_path(Path(each)))
    ]
    if not found:
        raise InputError(
            f"{labels[0]} and all others of its folder were made here; name them to encode them again"
        )
    return found, several


def _job(request: EncodeRequest, label: str, folder: bool, fits: Callable[[Container], bool]) -> Job:
    assert request.output is not None
    if not folder:
        return Job(label, request.output, named_container(request.output))
    name = request.container
    own = container_of(Path(label))
    container = named_container(Path(f"x.{name}")) if name else own if own and fits(own) else MATROSKA
    return Job(label, request.output / f"{Path(label).stem}.{container.name}", container)


def _refuse_equal(found: list[Job]) -> None:
    first: dict[str, str] = {}
    for job in found:
        other = first.setdefault(os.path.realpath(job.output), job.label)
        if other != job.label:
            raise UsageError(f"{other} and {job.label} would both be written to {job.output}")


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, be it through links of either kind."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return False


def prepare(job: Job, request: EncodeRequest) -> None:
    """Sees that a file and its certificate can be written, before hours are spent on it.

    Raises:
        OutputError: one exists and is not to be replaced, a name is too long, or the folder cannot be written to.
    """
    output, overwrite = job.output, request.overwrite
    if output.is_dir():
        raise OutputError(f"{output} is a folder")
    if output.exists() and not output.is_file():
        raise OutputError(f"{output}: cannot be written (a device or a pipe; name a file)")
    if os.path.lexists(output) and not overwrite:
        raise OutputError(f"{output} exists; --overwrite replaces it")
    beside = certificate_path(output)
    if beside.exists() and not beside.is_file():
        what = "a folder" if beside.is_dir() else "a device or a pipe"
        raise OutputError(f"{beside} is {what}; the certificate of {output} is written there, name another OUT")
    if os.path.lexists(beside) and not overwrite and read_certificate(beside) is None:
        raise OutputError(f"{beside} exists and is no certificate of an encode; --overwrite replaces it")
    folder = _existing(output)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: no file can be written in it")


def check_names(job: Job, request: EncodeRequest) -> None:
    """Checks that the file system takes all names of an output.

    Raises:
        OutputError: one is too long.
    """
    may_be_refused = request.min_vmaf is not None or request.max_percent is not None
    longest = certificate_path(job.rejected_as(99) if may_be_refused else job.output)
    whole = Path(os.path.realpath(longest))
    folder = _existing(whole)
    most, path = os.pathconf(folder, "PC_NAME_MAX"), os.pathconf(folder, "PC_PATH_MAX")
    if any(len(os.fsencode(part)) > most for part in whole.relative_to(folder).parts):
        raise OutputError(
            f"{job.output}: with {longest.name[len(job.output.stem) :]} at its end a name would be longer than the"
            f" {most} bytes that the file system takes"
        )
    # Of its intermediate files, too.
    if len(os.fsencode(whole)) + 40 > path:
        raise OutputError(f"{job.output}: the path is too long for the system, which takes {path} bytes")


def make_folder(job: Job) -> Path:
    """The folder that a file is put into, made if it is not there.

    Raises:
        OutputError: it cannot be made.
    """
    folder = Path(os.path.realpath(job.output)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from error
    return folder


def _existing(path: Path) -> Path:
    """The innermost folder of a path that is there."""
    return next(each for each in Path(os.path.realpath(path)).parents if os.path.exists(each))


def check_room(job: Job, least: int | None) -> None:
    """Checks that a disk has room for a file before it is made.

    Args:
        job: where to.
        least: bytes that it will have at least, None where nobody knows.

    Raises:
        OutputError: it has not.
    """
    folder = _existing(job.output)
    free = shutil.disk_usage(folder).free
    if least is not None and least > free:
        raise OutputError(
            f"{folder}: no space is left for the encode, of {least:,} bytes or more; {free:,} are free"
        )
