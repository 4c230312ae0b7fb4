"""The command `brainbook volume`: its options, and what it prints."""

import argparse
from argparse import ArgumentParser, Namespace
from pathlib import Path

UNITS = {"": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def add_options(parser: ArgumentParser) -> None:
    """Declare what the command takes."""
    text = "a zarr or OME-Zarr array, TIFF stack, NIfTI, NRRD, folder of planes or dataset folder"
    parser.add_argument("source", metavar="IN", help=text)
    parser.add_argument("out", metavar="OUT", help="OME-Zarr to write: a folder or an address")
    text = "run folder whose trained network is used"
    parser.add_argument("--run", metavar="RUN", type=Path, required=True, help=text)
    text = "which of its networks (default: the first seed of page 02)"
    parser.add_argument("--seed", type=int, help=text)
    text = "coefficients too, on the basis of factors of the run"
    parser.add_argument("--factors", action="store_true", help=text)
    text = "local, local:N or a scheduler's address (default: threads of this process)"
    parser.add_argument("--dask", metavar="WHERE", default="", help=text)
    text = "pixels between positions, along rows and columns (default: 1)"
    parser.add_argument("--stride", type=_whole, default=1, metavar="N", help=text)
    text = "of a pixel, where the file does not say (default: 1.17)"
    parser.add_argument("--pixel-size", type=_size, default=0.0, metavar="UM", help=text)
    text = "that a worker may take (default: 1.5GB)"
    parser.add_argument("--memory", type=memory, default="1.5GB", metavar="BYTES", help=text)
    text = "replace what another request made"
    parser.add_argument("--force", action="store_true", help=text)


def main(arguments: Namespace) -> None:
    """Predict a volume and print how large every area is."""
    from helpers.book.executors import workers
    from helpers.tissue.stages.learned import trained_by
    from helpers.tissue.stages.volume import Options, predict_volume

    trained = trained_by(arguments.run, seed=arguments.seed, factors=arguments.factors)
    print(f"network: {trained.name}; {trained.recipe}")
    options = Options(
        stride=arguments.stride,
        pixel_size_um=arguments.pixel_size,
        memory=arguments.memory,
        force=arguments.force,
    )
    with workers(arguments.dask, memory=arguments.memory) as found:
        result = predict_volume(arguments.source, arguments.out, trained, found, options)
    if not result.work.computed:
        print(f"{arguments.out}: up to date")
    else:
        hours = sum(result.work.seconds.values()) / 3600
        print(f"{arguments.out}: ready after {hours:.3f} processor hours")
    print(result.volumes.round({"volume_mm3": 4, "share": 3}).to_string())
    dice = result.agreement.stack()
    if len(dice):
        print(f"mean Dice between neighbours: {dice.mean():.3f}")


def memory(text: str) -> int:
    """Return the bytes that a text such as ``1.5GB`` or ``900MiB`` names."""
    number = text.upper().rstrip("BIKMG ")
    try:
        return int(float(number) * UNITS[text.upper()[len(number) :].strip()])
    except (ValueError, KeyError):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected for example 1.5GB") from None


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number of at least 1")
    return int(text)


def _size(text: str) -> float:
    try:
        if 0 < float(text) < float("inf"):
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"found {text!r}; expected micrometres above 0")
