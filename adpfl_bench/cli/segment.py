"""The command ``adpfl-bench segment``: masks of new patients' images."""

import math
from collections.abc import Sequence
from pathlib import Path

from adpfl_bench.config.config_files import WordParser
from adpfl_bench.errors import ConfigError
from adpfl_bench.text import say_loading

_HELP = """usage: adpfl-bench segment MODEL FILE|FOLDER [FILE|FOLDER ...] --output DIR

Segments images of new patients, without masks, by a model: the folder of a run, or one that adpfl-bench export wrote.

  pictures   JPEG, PNG, BMP or TIFF; each becomes a PNG of 0 and 255 for each region
  volumes    NIfTI, one file for each channel (scan_0000.nii.gz, scan_0001.nii.gz, ... in the order of the release's
             channels, scan_flair.nii.gz, or as the release names them); each becomes a label map with its values
  DICOM      a series of slices of CT or MRI for each channel, whatever its files are called; of several channels, in
             folders that are called as NIfTI files are (scan_0000, scan_flair); they become label maps in NIfTI, too

Cases are read, segmented and written one after the other. One that cannot be is told, the others go on, and the exit
status is 1. segment.json says what did it, and segmented.csv what became of each case. What a model segments alone, and
without --flips or --uncertainty, is what adpfl-bench predict writes of the same case, to the bit.

options:
  --output DIR       folder for the masks
  --ensemble MODEL   average the probabilities with those of a further model; may be given several times
  --client NAME      the client whose own model it is, of methods that train such
  --flips            average over the image and its mirror images along all axes
  --uncertainty      write the entropy of each region's probability too, in bits (pictures: 255 for 1)
  --smallest SIZE    remove components of a region that are smaller: in mm^3, or in pixels of pictures
  --dicom_seg        write the label map of a DICOM series as DICOM-SEG, too
  --cpu              leave a GPU alone
  --overwrite        write into a folder that is not empty
  --trust MODULE     let configurations name a module of your own; may be given several times"""


def segment(words: Sequence[str]) -> int:
    """Run the command.

    Args:
        words: The command line after the program's name.

    Returns:
        The exit status: 0, or 1 where a case could not be segmented.

    Raises:
        BenchError: An option is wrong, a run or folder cannot be used, or there is no image.
    """
    _, *words = words
    if not words or words[0] in ("-h", "--help"):
        print(_HELP)
        return 0
    parser = WordParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--ensemble", action="append", default=[], type=Path)
    parser.add_argument("--client")
    for flag in ("--flips", "--uncertainty", "--dicom_seg", "--cpu", "--overwrite"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--smallest", type=float, default=0.0)
    parser.add_argument("--trust", action="append", default=[])
    options = parser.parse_args(list(words))
    if not 0 <= options.smallest < math.inf:
        raise ConfigError(f"--smallest is the size of the smallest component, at least 0, not {options.smallest}.")
    say_loading("segment")
    from adpfl_bench.running.segmented_cases import Segmentation
    from adpfl_bench.running.segmenting import segment_new  # deferred: importing torch takes seconds

    models = (options.model, *options.ensemble)
    how = (options.client, options.flips, options.uncertainty, options.smallest, options.cpu, options.overwrite)
    more = (tuple(options.trust), options.dicom_seg)
    return int(segment_new(Segmentation(models, options.files, options.output, *how, *more)) > 0)
