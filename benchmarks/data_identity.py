"""What it costs to hash a dataset's files, as a share of what is done with them anyway.

    OMP_NUM_THREADS=1 python benchmarks/data_identity.py

Pictures are JPEG files of 450x600 pixels with a PNG mask each, as HAM10000 has them, which a run decodes at every
start; volumes are phantoms in the layout of BraTS 2021, which are prepared once. Seconds are those of the processor,
the least of the repetitions, and files are in the page cache.

* first: every file is hashed, and the digests are kept;
* later: digests are found, and only times are looked at;
* look: what is done when images have been loaded, and before validation and test.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from adpfl_bench.data.case import Case
from adpfl_bench.data.data_contents import read_contents
from adpfl_bench.data.images.image_cache import ImageCache
from adpfl_bench.data.volumes.preparation import Preparation, prepare_case
from adpfl_bench.data.volumes.store import write_case
from adpfl_bench.data.volumes.volume_checks import check_case
from adpfl_bench.datasets.brats import survey_brats
from adpfl_bench.phantoms import write_phantom
from adpfl_bench.phantoms.volumes.brats_writer import Brats2021Writer

SIZE = (450, 600)


def pictures(root: Path, count: int) -> list[Case]:
    """Write pictures with skin's grain, of about 220 kB each, and their masks."""
    generator = np.random.default_rng(0)
    grain = gaussian_filter(generator.normal(size=(*SIZE, 3)), (1, 1, 0)) * 250 + 150
    pixels, mask = np.clip(grain, 0, 255).astype(np.uint8), np.zeros(SIZE, np.uint8)
    mask[100:300, 150:400] = 255
    cases = []
    for number in range(count):
        image, label = root / f"{number}.jpg", root / f"{number}.png"
        Image.fromarray(np.roll(pixels, number, 1)).save(image, quality=92)
        Image.fromarray(mask).save(label)
        cases.append(Case(str(number), str(number), (image,), label))
    return cases


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """Processor seconds of the fastest repetition."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def report(what: str, root: Path, cases: list[Case], work: Callable[[], Any], repeats: int) -> None:
    """Print what hashing costs beside a kind of work."""
    files = [path for case in cases for path in case.files]
    usual = seconds(work, repeats)
    first = seconds(lambda: read_contents(root, cases, fresh=True), repeats)
    contents = read_contents(root, cases)
    later = seconds(lambda: read_contents(root, cases), repeats)
    look = seconds(contents.check, repeats)
    size = sum(path.stat().st_size for path in files) / len(cases) / 1e6
    print(
        f"{what}: {len(cases):,} cases of {size:.2f} MB, {1e3 * usual / len(cases):.2f} ms a case;"
        f" first {first / usual:.2%}, later {later / usual:.2%}, look {look / usual:.2%}",
        flush=True,
    )


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description="Time the hashing of files beside decoding and preparing them.")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--volumes", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["ADPFL_CACHE"] = str(folder / "cache")
        (folder / "pictures").mkdir()
        cases = pictures(folder / "pictures", arguments.pictures)
        time.sleep(2)  # what was just written would be hashed again
        report("pictures", folder / "pictures", cases, lambda: ImageCache(cases, (128, 128)), arguments.repeats)

        write_phantom(Brats2021Writer, folder / "volumes", arguments.volumes, 0, (240, 240, 155))
        survey, how = survey_brats(folder / "volumes", None), Preparation((1.0, 1.0, 1.0), (0.0, 1.0))

        def prepare() -> None:
            for number, case in enumerate(survey.cases):
                digest = check_case(case, survey.release).digest
                prepared = prepare_case(case, survey.release, how)
                write_case(folder / "prepared" / f"{number}-{time.monotonic_ns()}", prepared, digest)

        time.sleep(2)
        report("volumes", folder / "volumes", list(survey.cases), prepare, arguments.repeats)


if __name__ == "__main__":
    main()
