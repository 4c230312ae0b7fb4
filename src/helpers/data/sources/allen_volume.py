"""From the zip of one experiment to one red-channel section, with checks of everything that could
be otherwise.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from helpers.data import ccf
from helpers.data.sources.download import WrongContent

HEADERS = (".mhd", ".mha", ".nrrd", ".nii", ".nii.gz")


class Unusable(ValueError):
    """An experiment whose data are whole but not what the method needs; it is noted and left out."""


def red_section(archive, brain):
    """Read the section of the red channel out of an experiment's zip.

    Parameters
    ----------
    archive : Path
        Zip with ``resampled_red``, ``resampled_green`` and ``resampled_blue`` volumes.
    brain : (320, 448) bool
        Where the annotation shows tissue, to tell whether the axes run the right way.

    Returns
    -------
    (320, 448) array
        Raw intensities of section AP 286, columns 4:452.

    Raises
    ------
    WrongContent
        The file is no zip, or a broken one: worth another download.
    Unusable
        There is no red channel, its axes are not those of the atlas, or the section is empty.
    """
    try:
        with (
            zipfile.ZipFile(archive) as opened,
            tempfile.TemporaryDirectory(dir=Path(archive).parent) as place,
        ):
            names = [name for name in opened.namelist() if _is_red(name)]
            headers = [name for name in names if name.lower().endswith(HEADERS)]
            if not headers:
                raise Unusable(
                    f"no red channel in the zip; found {', '.join(opened.namelist()[:6]) or 'nothing'}"
                )
            for name in names:  # written under their bare names: a zip cannot choose where
                (Path(place) / PurePosixPath(name).name).write_bytes(opened.read(name))
            volume = _read(Path(place) / PurePosixPath(headers[0]).name)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
        start = Path(archive).read_bytes()[:200].lstrip().lower()
        found = (
            "a web page"
            if start.startswith((b"<!doctype", b"<html"))
            else f"a broken zip ({str(error)[:60]})"
        )
        raise WrongContent(f"{found} arrived instead of the volumes") from None
    try:
        section = np.ascontiguousarray(ccf.section_of(volume))
    except ValueError as error:
        raise Unusable(str(error)) from None
    _check(section, brain)
    return section


def _is_red(name):
    return re.search(
        r"(^|[_.-])red([_.-]|$)", PurePosixPath(name).name.lower()
    ) is not None and not name.endswith("/")


def _read(path):
    import SimpleITK

    try:
        return SimpleITK.GetArrayFromImage(
            SimpleITK.ReadImage(str(path))
        )  # axes reversed: (ML, DV, AP)
    except RuntimeError as error:
        raise WrongContent(
            f"{path.name} cannot be read ({str(error).strip().splitlines()[-1][:80]})"
        ) from None


def _check(section, brain):
    """The section must be bright where the annotation has tissue, and more so than upside down."""
    level = np.clip(section, 0, np.percentile(section, 99)).astype(np.float64)
    if not level.max() > level.min():
        raise Unusable(f"section {ccf.SECTION} of the red channel is empty")

    def contrast(image):
        return image[brain].mean() - image[~brain].mean()

    if contrast(level) <= 0 or contrast(level[::-1]) > contrast(level):
        raise Unusable(
            f"section {ccf.SECTION} of the red channel does not lie on the annotation; are its axes reversed?"
        )
