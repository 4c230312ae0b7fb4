"""From the zip of one experiment to one red-channel section, with checks of everything that could
be otherwise.
"""

import math
import re
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from helpers.data import ccf
from helpers.data.sources.download import WrongContent, in_words

HEADERS = (".mhd", ".mha", ".nrrd", ".nii", ".nii.gz")
# A header names the file with its pixels; these words say that they follow, or are those of several
# files, which the archive does not have.
ELEMENTS = re.compile(rb"^\s*(?:ElementDataFile\s*[=:]|data ?file:)\s*(.*?)\s*$", re.I | re.M)
LONGEST_HEADER = 1 << 16  # bytes
BYTES_PER_VOXEL = 4  # at most: the archive has 16-bit integers, a float would have four bytes


def largest_volume() -> int:
    """Return how many bytes a volume may have unpacked, its header included."""
    return BYTES_PER_VOXEL * math.prod(ccf.VOLUME_SHAPE) + (1 << 16)


def largest_zip() -> int:
    """Return how many bytes the zip of three volumes may have."""
    return 3 * largest_volume()


class Unusable(ValueError):
    """An experiment whose data are whole but not what the method needs: noted and left out."""


def red_section(archive: Path, brain: np.ndarray) -> np.ndarray:
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
            tempfile.TemporaryDirectory(dir=archive.parent) as place,
        ):
            names = opened.namelist()
            red = {PurePosixPath(name).name: name for name in names if _is_red(name)}
            headers = [name for name in red if name.lower().endswith(HEADERS)]
            if not headers:
                found = ", ".join(names[:6]) or "nothing"
                raise Unusable(f"no red channel in the zip; found {found}")
            for name, member in red.items():  # under bare names: a zip cannot choose where
                _unpack(opened, member, Path(place) / name)
            _check_elements(Path(place) / headers[0], set(red))
            volume = _read(Path(place) / headers[0])
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
        page = archive.read_bytes()[:200].lstrip().lower().startswith((b"<!doctype", b"<html"))
        found = "a web page" if page else f"a broken zip ({str(error)[:60]})"
        raise WrongContent(f"{found} arrived instead of the volumes") from None
    try:
        section = np.ascontiguousarray(ccf.section_of(volume))
        mirrored = ccf.section_of(volume, ccf.VOLUME_SHAPE[0] - 1 - ccf.SECTION)
    except ValueError as error:
        raise Unusable(str(error)) from None
    _check(section, mirrored, brain)
    return section


def _is_red(name: str) -> bool:
    word = re.search(r"(^|[_.-])red([_.-]|$)", PurePosixPath(name).name.lower())
    return word is not None and not name.endswith("/")


def _unpack(opened: zipfile.ZipFile, member: str, path: Path) -> None:
    """Write one member of a zip, whatever length it declares, as far as a volume may be long."""
    most, written = largest_volume(), 0
    with opened.open(member) as source, open(path, "wb") as target:
        while block := source.read(1 << 20):
            written += len(block)
            if written > most:
                raise Unusable(
                    f"{path.name} unpacks to more than {in_words(most)}; expected a volume of "
                    f"{ccf.VOLUME_SHAPE} voxels"
                )
            target.write(block)


def _check_elements(header: Path, unpacked: set[str]) -> None:
    """A header may name its pixels in itself or in a file of the same zip, and no other file."""
    if header.name.lower().endswith((".nii", ".nii.gz")):
        return  # these hold their pixels themselves
    with open(header, "rb") as stream:
        text = stream.read(LONGEST_HEADER)
    found = ELEMENTS.findall(text)
    if not (found or re.search(rb"\n\r?\n", text) and header.name.lower().endswith(".nrrd")):
        raise Unusable(f"{header.name} does not say where its pixels are")
    for name in (one.decode(errors="replace") for one in found):
        if name.upper() != "LOCAL" and name not in unpacked - {header.name}:
            raise Unusable(
                f"{header.name} names {name[:80]!r} as the file of its pixels; expected one of the "
                "same zip"
            )


def _read(path: Path) -> np.ndarray:
    import SimpleITK

    try:  # axes come reversed: (ML, DV, AP)
        reader = SimpleITK.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()  # before memory is taken for what the header declares
        shape, parts = tuple(reversed(reader.GetSize())), reader.GetNumberOfComponents()
        if sorted(shape) != sorted(ccf.VOLUME_SHAPE) or parts != 1:
            raise Unusable(
                f"a volume of shape {shape}; expected the sides {tuple(ccf.VOLUME_SHAPE)}"
            )
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1][:80]
        raise WrongContent(f"{path.name} cannot be read ({reason})") from None


def _check(section: np.ndarray, mirrored: np.ndarray, brain: np.ndarray) -> None:
    """The section must be bright where the annotation has tissue, more so than upside down, and its
    tissue must have the annotation's outline, more so than the section counted from the other end.
    """
    level = np.clip(section, 0, np.percentile(section, 99)).astype(np.float64)
    if not level.max() > level.min():
        raise Unusable(f"section {ccf.SECTION} of the red channel is empty")
    upright, reversed_ = (
        image[brain].mean() - image[~brain].mean() for image in (level, level[::-1])
    )
    if upright <= 0 or reversed_ > upright:
        raise Unusable(
            f"section {ccf.SECTION} of the red channel does not lie on the annotation; are its "
            "axes reversed?"
        )
    forward, backward = _likeness(section, brain), _likeness(mirrored, brain)
    if backward > forward:
        raise Unusable(
            f"the tissue of section {ccf.SECTION} is less like the annotation's (correlation of "
            f"masks {forward:.2f}) than that of the section counted from the other end "
            f"({backward:.2f}): does the volume run from back to front?"
        )


def _likeness(section: np.ndarray, brain: np.ndarray) -> float:
    """Correlation of a section's tissue mask with the annotation's; -1 where there is none."""
    tissue = section > 0.25 * np.percentile(section, 95)
    if not tissue.any() or tissue.all():
        return -1.0
    return float(np.corrcoef(tissue.ravel(), brain.ravel())[0, 1])
