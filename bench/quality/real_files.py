"""Rows against an independent reader, over folders of real files: frames, seconds, rate and kbit/s to 0.1 %.

Every file below the folders is read twice, each time in a process of its own with a time limit: by
``pyav_reader.py``, which shares no code with this package, and by ``vmaf-tune corpus`` with one cheap cell
(libx264 ultrafast crf 40), whose row says everything that is compared. Files of more megapixels than ``--most``
are only opened. A refusal is right where the reader sees a reason for it, too.

What was read is kept in ``--cache`` and not read again as long as the file, PyAV and this package's sources stay
what they are; ``--only-report`` reads nothing.

    python bench/quality/real_files.py FOLDER ... [--cache DIR] [--jobs 2] [--limit 120] [--most 400]
        [--only-report]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vmaftune_frv2
from vmaftune_frv2.errors import TimeoutToolError
from vmaftune_frv2.media.process import run

READER = Path(__file__).with_name("pyav_reader.py")
TOLERANCE = 1e-3
LEAST_SIDE = 18
HUNG = -1000
"""Instead of an exit status, of a reader that ran past its time limit."""
NOT_VIDEO = re.compile(
    r"\.(jpe?g|png|webp|heic|heif|avif|mp3|m4a|aac|wav|ogg|oga|flac|srt|vtt|json|txt|md)$", re.I
)
"""Files that are nobody's source; stills among them."""
OPEN_ALONE = """
import json, sys
from vmaftune_frv2.errors import TuneError
from vmaftune_frv2.media.ffmpeg import locate
from vmaftune_frv2.media.opening import open_source
try:
    s = open_source(locate(), sys.argv[1], hash_file=False)
    print(json.dumps({"frames": s.frames, "seconds": s.duration_s, "rate": float(s.framerate),
                      "size": [s.width, s.height]}))
except TuneError as error:
    print(json.dumps({"refused": str(error).replace(sys.argv[1] + ": ", "")}))
"""

DEBATABLE: dict[str, str] = {
    "mp4/sample_edit_list_no_sync_frame_before_edit.mp4": "ten frames before the edit list's start are decoded"
    " with negative timestamps, because no key picture lies before it; a player hides them",
    "isoparser/src/test/resources/count.h264": "a raw stream without any timing; ffmpeg says 25 fps and gives each"
    " frame a millisecond",
    "muxer/tracks/h264-sample.h264": "the last six bytes are the beginning of another frame: cut short or not",
    "invalid/blockgroup_block_ends_beyond_blockgroup.mkv": "one frame, whose length two broken headers state",
}
"""{end of a file's path: why its truth is open}."""


# --- Reading ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """How files are read."""

    cache: Path
    limit: float
    most: float


def _key(path: Path, about: str) -> str:
    stat = path.stat()
    return hashlib.sha256(f"{path.absolute()}|{stat.st_size}|{stat.st_mtime_ns}|{about}".encode()).hexdigest()[:24]


def _package_digest() -> str:
    """Changes whenever this package's opening, encoding or measuring may."""
    root = Path(vmaftune_frv2.__file__).parent
    digest = hashlib.sha256()
    for room in ("media", "corpus"):
        for source in sorted((root / room).glob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()


def _kept(folder: Path, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    file = folder / f"{key}.json"
    if file.is_file():
        loaded: dict[str, Any] = json.loads(file.read_text())
        return loaded
    made = make()
    if not made.get("hung"):  # a busy machine must not be remembered
        file.write_text(json.dumps(made))
    return made


def _python(arguments: Iterable[str], limit: float, cwd: Path | None = None) -> tuple[int, str, str]:
    try:
        done = run([sys.executable, *arguments], timeout=limit, cwd=cwd)
    except TimeoutToolError:
        return HUNG, "", f"no answer within {limit:g} s"
    return done.returncode, done.stdout, done.stderr


def independent(path: Path, settings: Settings) -> dict[str, Any]:
    """What PyAV says of a file; a crash or a hang is what it says then."""
    code, out, err = _python([str(READER), str(path.absolute())], settings.limit)
    if code == 0:
        return dict(json.loads(out))
    end = err.strip().splitlines()[-1] if err.strip() else ""
    how = "does not end in time" if code == HUNG else f"crashes (exit status {code}) {end}"
    return {"error": f"PyAV {how}", "broke": True, "hung": code == HUNG}


def ours(path: Path, reading: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """What this package says of a file: of a row, or of opening it where a row would take long."""
    columns, rows = reading.get("size", (0, 0))
    megapixels = columns * rows * reading.get("frames", 0) / 1e6
    label = str(path.absolute())
    if megapixels > settings.most or reading.get("hung"):
        code, out, err = _python(["-c", OPEN_ALONE, label], settings.limit)
        return dict(json.loads(out)) if code == 0 else _broken(code, err)
    with tempfile.TemporaryDirectory(prefix="real-files-") as folder:
        cell = ("--encoder", "libx264", "--preset", "ultrafast", "--crf", "40", "--jobs", "1", "--no-source-hash")
        command = ("-m", "vmaftune_frv2", "corpus", label, *cell, "--output", "row.jsonl")
        code, _, err = _python(command, settings.limit, Path(folder))
        written = Path(folder, "row.jsonl")
        lines = written.read_text().splitlines() if written.is_file() else []
        if code in (0, 1) and lines:
            return _of_row(json.loads(lines[-1]))
    said = [line for line in err.splitlines() if line.startswith("Error: ")]
    if code in (2, 3) and said:
        return {"refused": said[-1].removeprefix("Error: ").replace(f"{label}: ", "").replace(label, path.name)}
    return _broken(code, err)


def _broken(code: int, err: str) -> dict[str, Any]:
    return {"broke": f"exit status {code}: {err.strip()[-300:]}", "hung": code == HUNG}


def _of_row(row: dict[str, Any]) -> dict[str, Any]:
    if row["vmaf_score"] is None:
        return {"broke": "the row failed: " + str(row.get("failure_reason", ""))[:300]}
    return {
        "frames": len(row["per_frame_vmaf"]),
        "seconds": row["duration_s"],
        "rate": row["framerate"],
        "size": [row["width"], row["height"]],
        "kbps": row["bitrate_kbps"],
        "bytes": row["encode_size_bytes"],
        "least_vmaf": min(row["per_frame_vmaf"]),
    }


@dataclass(frozen=True)
class File:
    """One file, said twice."""

    name: str
    reading: dict[str, Any]
    ours: dict[str, Any]


def read_all(folders: list[Path], settings: Settings, jobs: int, only_report: bool) -> list[File]:
    """Both readings of every file below the folders, in order of their names."""
    paths = [
        (path, str(path.relative_to(folder.parent)))
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not NOT_VIDEO.search(path.name)
    ]
    for room in ("pyav", "ours"):
        (settings.cache / room).mkdir(parents=True, exist_ok=True)
    of_pyav, of_ours = f"{version('av')}|{READER.read_bytes().hex()}", _package_digest()

    def one(job: tuple[Path, str]) -> File | None:
        path, name = job
        keys = _key(path, of_pyav), _key(path, of_ours)
        kept = [settings.cache / room / f"{key}.json" for room, key in zip(("pyav", "ours"), keys, strict=True)]
        if only_report and not all(file.is_file() for file in kept):
            return None
        reading = _kept(settings.cache / "pyav", keys[0], lambda: independent(path, settings))
        said = _kept(settings.cache / "ours", keys[1], lambda: ours(path, reading, settings))
        print(".", end="", flush=True, file=sys.stderr)
        return File(name, reading, said)

    with ThreadPoolExecutor(jobs) as pool:
        found = [file for file in pool.map(one, paths) if file is not None]
    print(file=sys.stderr)
    return found


# --- Judging ---------------------------------------------------------------------------


def expected_refusal(reading: dict[str, Any]) -> str:
    """Why a file should be refused, as far as the independent reading shows; empty where nothing speaks for it."""
    if reading["error"]:
        return str(reading["error"])
    columns, rows = reading["size"]
    first_change = (
        f"{reading['changes'][0][1]} changes at frame {reading['changes'][0][0]}" if reading["changes"] else ""
    )
    reasons = {
        f"{reading['interlaced']} of {reading['frames']} frames are interlaced": reading["interlaced"],
        first_change: bool(first_change),
        f"{columns}x{rows} has an odd side": columns % 2 or rows % 2,
        f"{columns}x{rows} is too small": min(columns, rows) < LEAST_SIDE,
        f"damage: {reading['damage'][:1]}": reading["damage"],
        f"{reading['corrupt']} damaged frames": reading["corrupt"],
    }
    return "; ".join(reason for reason, holds in reasons.items() if holds)


def differences(file: File, span: float | None = None) -> dict[str, tuple[float, float]]:
    """{quantity: (ours, independent)} that differ by more than the tolerance, by the reader's best span."""
    reading, said = file.reading, file.ours
    if span is None:
        return min((differences(file, each) for each in (reading["span"], *reading["also"])), key=len)
    pairs = {
        "frames": (said["frames"], reading["frames"]),
        "span": (said["seconds"], span),
        "rate": (said["rate"], reading["frames"] / span if span else 0.0),
    }
    if "kbps" in said:
        pairs["kbit/s"] = (said["kbps"], said["bytes"] * 8 / 1000 / span if span else 0.0)
    return {
        name: (float(a or 0), float(b)) for name, (a, b) in pairs.items() if abs((a or 0) - b) > TOLERANCE * abs(b)
    }


def reason(file: File, differ: dict[str, tuple[float, float]]) -> str:
    """What about a file most likely makes the two readings differ."""
    reading, said = file.reading, file.ours
    if list(reading["size"]) != list(said["size"]):
        return f"another track or size: {said['size']} not {list(reading['size'])}"
    if "frames" in differ:
        return "another number of frames" + (
            f", {reading['backwards']} go back in time" if reading["backwards"] else ""
        )
    off = abs(said["seconds"] - reading["span"])
    if off < 0.0011:
        return "a clock of milliseconds"
    if reading["constant"] and abs(off - abs(reading["last"] - reading["gap"])) < 0.0011 + 0.05 * reading["gap"]:
        return f"the last frame: {reading['last']:.4f} s, the others {reading['gap']:.4f} s"
    if not reading["constant"]:
        return f"variable rate, stated {reading['stated']:.4g}"
    return f"stated {reading['stated']:.5g} fps, shown {reading['frames'] / reading['span']:.5g}"


def debatable(name: str) -> str:
    """Why a file's truth is open, empty where it is not."""
    return next((why for end, why in DEBATABLE.items() if name.endswith(end)), "")


# --- Reporting -------------------------------------------------------------------------


def report(files: list[File]) -> None:
    """Prints shares that agree, and every file that does not with its reason."""
    broke = [file for file in files if file.reading.get("broke")]
    empty = [file for file in files if "refused" in file.ours and file.reading["error"] == "no video"]
    files = [file for file in files if file not in empty]
    refused = [file for file in files if "refused" in file.ours]
    failed = [file for file in files if "broke" in file.ours]
    taken = [file for file in files if "frames" in file.ours]
    both = [file for file in taken if not file.reading["error"] and not debatable(file.name)]
    print(f"{len(empty)} files without video in which neither finds any; of the others:")
    _shares(files, taken, refused, failed, both)
    _section("PyAV crashes or does not end", ((file.name, file.reading["error"]) for file in broke))
    _section("We neither take nor refuse", ((file.name, file.ours["broke"]) for file in failed))
    kinds = Counter(_kind(file.ours["refused"]) for file in refused)
    _section("Refused, by reason", ((f"{count:4}", kind) for kind, count in kinds.most_common()))
    justified = [(file, expected_refusal(file.reading)) for file in refused]
    _section(
        "Refused, and the reader sees no reason",
        ((file.name, file.ours["refused"]) for file, why in justified if not why and not debatable(file.name)),
    )
    _section(
        "Refused, and the reader's reason",
        ((f.name, f"{f.ours['refused']} | {why}") for f, why in justified if why),
    )
    _section(
        "Taken, and the reader would refuse",
        ((file.name, why) for file in taken if (why := expected_refusal(file.reading))),
    )
    _section("Disagree", _disagreements(both))
    _section("Debatable", ((file.name, why) for file in files if (why := debatable(file.name))))


def _shares(
    files: list[File], taken: list[File], refused: list[File], failed: list[File], both: list[File]
) -> None:
    print(f"{len(files)} files: {len(taken)} measured or opened, {len(refused)} refused, {len(failed)} failed")
    print(f"{len(both)} of these are read by PyAV, too, and not debatable; agreement to {TOLERANCE:.1%}:")
    for name in ("frames", "span", "rate", "kbit/s"):
        compared = [file for file in both if name != "kbit/s" or "kbps" in file.ours]
        agree = sum(name not in differences(file) for file in compared)
        strictly = sum(name not in differences(file, file.reading["span"]) for file in compared)
        said = f"{strictly} with the last frame as it is said"
        print(f"  {name:8} {agree:4} of {len(compared):4}  {agree / max(1, len(compared)):7.2%}  ({said})")


def _disagreements(both: list[File]) -> Iterable[tuple[str, str]]:
    for file in both:
        differ = differences(file)
        if differ:
            numbers = ", ".join(f"{name} {a:.6g} not {b:.6g}" for name, (a, b) in differ.items())
            yield file.name, f"{numbers} | {reason(file, differ)}"


def _kind(refusal: str) -> str:
    """A refusal without its numbers and names."""
    return re.sub(r"\d+(\.\d+)?", "N", re.sub(r"0x[0-9a-f]+|\S*/\S*", "*", refusal))[:100]


def _section(title: str, lines: Iterable[tuple[str, str]]) -> None:
    listed = list(lines)
    print(f"\n{title}: {len(listed)}")
    for name, why in listed:
        print(f"  {name}  {' '.join(why.split())}")


def main() -> None:
    """Reads, then reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("real-files"))
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--limit", type=float, default=120.0, help="seconds a reader may take for a file")
    parser.add_argument("--most", type=float, default=400.0, help="megapixels of a file that a row is made of")
    parser.add_argument("--only-report", action="store_true")
    asked = parser.parse_args()
    settings = Settings(asked.cache, asked.limit, asked.most)
    report(read_all(asked.folders, settings, asked.jobs, asked.only_report))


if __name__ == "__main__":
    main()
