"""Real and synthetic cases laid out as one's own data: folders as of nnU-Net or the Decathlon, and tables of paths."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from PIL import Image

from adpfl_bench.data.case import Case


def write_json(root: Path, **content: Any) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def raw_folder(
    root: Path,
    cases: Sequence[Case],
    ending: str,
    channels: Sequence[str],
    labels: Mapping[str, Any],
    **more: Any,
) -> Path:
    """Lay cases out as nnU-Net does: links to their files, of which pictures are written anew as PNG."""
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True)
    for case in cases:
        for number, image in enumerate(case.images):
            put(image, root / "imagesTr" / f"{case.case_id}_{number:04d}{ending}")
        put(case.label, root / "labelsTr" / f"{case.case_id}{ending}", mask=True)
    names = {str(number): name for number, name in enumerate(channels)}
    stated = {"channel_names": names, "labels": {"background": 0, **labels}, "numTraining": len(cases)}
    return write_json(root, **stated, file_ending=ending, **more)


def put(source: Path, target: Path, mask: bool = False) -> None:
    """Link a file; a picture of another format is written as the target's, and a mask of 0 and 255 as 0 and 1."""
    pixels = None
    if target.suffix in (".png", ".bmp", ".tif"):
        with Image.open(source) as image:
            pixels = np.asarray(image)
    if pixels is None:
        target.symlink_to(source.resolve())
    else:
        Image.fromarray((pixels > 0).astype(np.uint8) if mask else pixels).save(target)


def table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write a CSV file of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def pictures(
    root: Path,
    number: int = 12,
    channels: int = 3,
    values: Sequence[int] = (1,),
    ending: str = ".png",
    size: tuple[int, int] = (24, 32),
) -> Path:
    """Invent pictures in nnU-Net's layout: a disc of the largest value, in rings of the smaller ones."""
    generator = np.random.default_rng(0)
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True)
    rows, columns = np.mgrid[: size[0], : size[1]]
    for index in range(number):
        centre = generator.uniform(0.3, 0.7, 2) * size
        distance = np.hypot(rows - centre[0], columns - centre[1])
        label = np.zeros(size, np.uint8)
        for ring, value in enumerate(values):
            label[distance < (len(values) - ring) * 10 / len(values)] = value
        noise = generator.integers(0, 60, (*size, channels))
        image = np.clip(noise + 120 * (label > 0)[..., None], 0, 255).astype(np.uint8)
        if channels == 3:
            Image.fromarray(image).save(root / "imagesTr" / f"case_{index:03d}_0000{ending}")
        else:
            for channel in range(channels):
                Image.fromarray(image[..., channel]).save(root / "imagesTr" / f"case_{index:03d}_{channel:04d}{ending}")
        Image.fromarray(label).save(root / "labelsTr" / f"case_{index:03d}{ending}")
    names = ["R", "G", "B"] if channels == 3 else [f"stain{channel}" for channel in range(channels)]
    return write_json(
        root,
        channel_names={str(number): name for number, name in enumerate(names)},
        labels={"background": 0, **{f"tissue{value}": value for value in values}},
        numTraining=number,
        file_ending=ending,
    )


def volumes(
    root: Path, number: int = 8, channels: Sequence[str] = ("CT",), shape: tuple[int, int, int] = (18, 16, 12)
) -> Path:
    """Invent volumes in nnU-Net's layout: an organ of the value 1 with a tumour of the value 2."""
    generator = np.random.default_rng(0)
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True)
    grid = np.stack(np.meshgrid(*(np.arange(side) for side in shape), indexing="ij"))
    affine = np.diag([1.5, 1.5, 2.0, 1.0])
    for index in range(number):
        centre = generator.uniform(0.4, 0.6, 3) * shape
        distance = np.linalg.norm(grid - centre[:, None, None, None], axis=0)
        label = np.select([distance < 2, distance < 5], [2, 1]).astype(np.uint8)
        for channel in range(len(channels)):
            image = generator.normal(0, 30, shape) + 60 * (label > 0) + 40 * (label == 2) + 5 * channel
            save_volume(root / "imagesTr" / f"case_{index:03d}_{channel:04d}.nii.gz", image.astype(np.int16), affine)
        save_volume(root / "labelsTr" / f"case_{index:03d}.nii.gz", label, affine)
    return write_json(
        root,
        channel_names={str(number): name for number, name in enumerate(channels)},
        labels={"background": 0, "organ": 1, "tumour": 2},
        numTraining=number,
        file_ending=".nii.gz",
    )


def save_volume(path: Path, values: np.ndarray, affine: np.ndarray | None = None) -> None:
    """Write a NIfTI file in mm."""
    image = nib.Nifti1Image(values, np.eye(4) if affine is None else affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def decathlon(root: Path, source: Path) -> Path:
    """Lay a folder of nnU-Net out as the Decathlon's: all channels in one 4-D file, cases listed by dataset.json."""
    described = json.loads((source / "dataset.json").read_text())
    channels = described["channel_names"]
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True)
    pairs = []
    for mask in sorted((source / "labelsTr").iterdir()):
        case = mask.name.removesuffix(".nii.gz")
        read = [nib.load(source / "imagesTr" / f"{case}_{int(number):04d}.nii.gz") for number in channels]
        stacked = np.stack([np.asanyarray(image.dataobj) for image in read], axis=-1)
        save_volume(root / "imagesTr" / mask.name, stacked if len(read) > 1 else stacked[..., 0], read[0].affine)
        (root / "labelsTr" / mask.name).symlink_to(mask.resolve())
        pairs.append({"image": f"./imagesTr/{mask.name}", "label": f"./labelsTr/{mask.name}"})
    labels = {str(value): name for name, value in described["labels"].items()}
    return write_json(root, name="Task99_Own", modality=channels, labels=labels, training=pairs, test=[])


def rows_of(root: Path, folder: Path, **more: Sequence[object]) -> list[dict[str, object]]:
    """Rows of a table in ``folder`` of the cases of a folder in nnU-Net's layout, with further columns."""
    described = json.loads((root / "dataset.json").read_text())
    ending, rows = described["file_ending"], []
    for index, mask in enumerate(sorted((root / "labelsTr").iterdir())):
        case = mask.name.removesuffix(ending)
        images = sorted((root / "imagesTr").glob(f"{case}_*{ending}"))
        columns = ["image"] if len(images) == 1 else [f"image_{name}" for name in described["channel_names"].values()]
        row = {"case": case, **dict(zip(columns, images, strict=True)), "mask": mask}
        row = {name: path.relative_to(folder) if isinstance(path, Path) else path for name, path in row.items()}
        rows.append({**row, **{name: values[index % len(values)] for name, values in more.items()}})
    return rows
