"""A finished file under its name, its certificate beside it, and both found again."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from vmaftune_frv2.api.encode_outputs import Job
from vmaftune_frv2.contract.certificate import (
    Certificate,
    certificate_of,
    certificate_path,
    read_certificate,
)
from vmaftune_frv2.contract.files import atomic_file, dump_json, place_file
from vmaftune_frv2.errors import OutputError


def finished_before(job: Job, source: str, request: str) -> Certificate | None:
    """The certificate of an output that is there and is what would be made now.

    Args:
        job: which output.
        source: fingerprint of its source.
        request: digest of the request.
    """
    taken = itertools.takewhile(os.path.lexists, _rejected(job))
    for path in (job.output, *taken):
        found = read_certificate(certificate_path(path))
        if found is None or not path.is_file() or path.stat().st_size != found.measured.size_bytes:
            continue
        if (found.source.fingerprint, found.request) == (source, request):
            return found
    return None


def placed(job: Job, path: Path, certificate: Certificate, overwrite: bool) -> Certificate:
    """Puts a file under its name, or beside it if it was refused, and its certificate after it.

    Args:
        job: which output.
        path: the file, on the file system of the output; gone afterwards.
        certificate: of it.
        overwrite: whether it may take the place of another.

    Returns:
        The certificate as it is kept.

    Raises:
        OutputError: they cannot be written, or another file has the name meanwhile.
    """
    if not certificate.refused:
        return _put(path, job.output, certificate, overwrite)
    for name in _rejected(job):
        ours = _is_refused(name, certificate.source.fingerprint)
        if not ours and (os.path.lexists(name) or os.path.lexists(certificate_path(name))):
            continue
        try:
            return _put(path, name, dataclasses.replace(certificate, output=str(name)), overwrite=ours)
        except OutputError:
            if ours or not os.path.lexists(name):
                raise  # else another encode was faster
    raise AssertionError("names do not end")


def _rejected(job: Job) -> Iterator[Path]:
    """Where a refused file may be kept."""
    return map(job.rejected_as, itertools.count(1))


def _is_refused(path: Path, source: str) -> bool:
    """Whether a file is an earlier refused one of a source."""
    found = read_certificate(certificate_path(path))
    return found is not None and bool(found.refused) and found.source.fingerprint == source


def _put(path: Path, name: Path, certificate: Certificate, overwrite: bool) -> Certificate:
    record = certificate.record()
    # The disk has all of the certificate before the file has its name; then it replaces that of the old file.
    with atomic_file(certificate_path(name)) as stream:
        stream.write(dump_json(record))
        stream.flush()
        os.fsync(stream.fileno())
        place_file(path, name, overwrite)
    return certificate_of(record) or certificate  # the same figures as whoever asks again
