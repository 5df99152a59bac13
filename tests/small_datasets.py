"""Tiny datasets in the publishers' own layouts, and the real ones where they are."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _write_pair(image, mask, size=(12, 16), seed=0):
    """Write an RGB image of random pixels and a mask of one rectangle, both (height, width) = size."""
    rng = np.random.default_rng(seed)
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(image)
    lesion = np.zeros(size, dtype=np.uint8)
    lesion[2 : size[0] // 2, 3 : size[1] // 2 + seed % 3] = 255
    Image.fromarray(lesion).save(mask)


def _write_isic(
    root,
    images="ISIC-2017_Training_Data",
    masks="ISIC-2017_Training_Part1_GroundTruth",
    ending="_segmentation",
    n=4,
    size=(12, 16),
):
    for i in range(n):
        case = f"ISIC_{i:07d}"
        _write_pair(root / images / f"{case}.jpg", root / masks / f"{case}{ending}.png", size, seed=i)
    return root


def _write_ham10000(root, lesions=(2, 1, 1, 2), sites=("vidir_modern", "rosendahl", "vidir_modern", "vienna_dias")):
    """Write a HAM10000 with the given number of images of each lesion, spread over the two image folders."""
    rows, number = ["lesion_id,image_id,dx,dx_type,age,sex,localization,dataset"], 24306
    for lesion, (images, site) in enumerate(zip(lesions, sites, strict=True)):
        for _ in range(images):
            case = f"ISIC_{number:07d}"
            _write_pair(
                root / f"HAM10000_images_part_{number % 2 + 1}" / f"{case}.jpg",
                root / "HAM10000_segmentations_lesion_tschandl" / f"{case}_segmentation.png",
                seed=number,
            )
            rows.append(f"HAM_{lesion:07d},{case},nv,histo,45.0,male,back,{site}")
            number += 1
    (root / "HAM10000_metadata").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="session")
def write_isic():
    return _write_isic


@pytest.fixture
def isic(tmp_path):
    return _write_isic(tmp_path / "isic")


@pytest.fixture
def ham10000(tmp_path):
    return _write_ham10000(tmp_path / "ham")


@pytest.fixture(scope="session")
def real_data():
    default = Path(__file__).parents[1].parent / "shared" / "data"
    root = Path(os.environ.get("ADPFL_DATA", default))
    if not root.is_dir():
        pytest.skip(f"real data are not in {root}; set ADPFL_DATA to the folder that holds them")
    return root
