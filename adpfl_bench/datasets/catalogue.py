"""Catalogue of the suite's datasets: what commands know of one before they open the file that reads it.

Commands take a dataset's name, or the class path of a datamodule of one's own; neither torch nor Lightning is imported
before a dataset is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from adpfl_bench.data.scanning import Layout
from adpfl_bench.errors import ConfigError
from adpfl_bench.records.protected import Identity
from adpfl_bench.trust import check_class_path

if TYPE_CHECKING:
    from adpfl_bench.data.datamodule import FederatedDataModule
    from adpfl_bench.phantoms.writer import PhantomWriter


@dataclass(frozen=True)
class Dataset(Layout):
    """A dataset of the suite, with the layout of its folder.

    Attributes:
        datamodule: Its datamodule below ``adpfl_bench.datasets``, which also reads its folder and says what is wrong.
        phantoms: The writers of its phantoms below ``adpfl_bench.phantoms``, by the phantoms' names.
        task: Its file among ``tasks/``, without the ending.
        identities: By the name of each of its datamodules what a training example is, and what a patient_id identifies;
            none where the configuration states it.
    """

    datamodule: str
    phantoms: Mapping[str, str]
    task: str
    identities: Mapping[str, tuple[Identity, Identity]]


_ISIC = {
    "ISIC 2016": ("ISBI2016_ISIC_Part1_Training_Data", "ISBI2016_ISIC_Part1_Training_GroundTruth"),
    "ISIC 2017": ("ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"),
    "ISIC 2018": ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
}


def _own(kind: str, name: str) -> Dataset:
    """A dataset of one's own, whose configuration says what it is; no folder gives it away, and it has no phantoms."""
    return Dataset(
        dataset=f"{kind} of your own",
        tell_tales={},
        expected="dataset.json, imagesTr/ and labelsTr/, or a CSV file of paths",
        source="your own hospital",
        datamodule=f"own.own_{kind}.{name}",
        phantoms={},
        task=f"own_{kind}",
        identities={},
    )


DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        "isic": Dataset(
            dataset="ISIC",
            tell_tales=_ISIC,
            expected=", or ".join(f"{images}/ and {masks}/" for images, masks in _ISIC.values()),
            source="https://challenge.isic-archive.com/data/",
            datamodule="isic.ISICDataModule",
            phantoms={"isic": "isic_writer.IsicWriter"},
            task="isic",
            identities={"ISICDataModule": ("image", "image")},
        ),
        "ham10000": Dataset(
            dataset="HAM10000",
            tell_tales={"HAM10000": ("HAM10000_images*", "HAM10000_segmentations*", "HAM10000_metadata*")},
            expected="HAM10000_images_part_1/, HAM10000_images_part_2/, HAM10000_segmentations_lesion_tschandl/"
            " and HAM10000_metadata",
            source="https://doi.org/10.7910/DVN/DBW86T",
            datamodule="ham10000.HAM10000DataModule",
            phantoms={"ham10000": "ham10000_writer.Ham10000Writer"},
            task="ham10000",
            identities={"HAM10000DataModule": ("image", "lesion")},
        ),
        "kits": Dataset(
            dataset="KiTS",
            tell_tales={"KiTS": ("case_[0-9]*", "dataset/case_[0-9]*", "data/case_[0-9]*")},
            expected="case_00000/ and so on, each with imaging.nii.gz and segmentation.nii.gz, or dataset/ or data/"
            " with them",
            source="https://github.com/neheller/kits23",
            datamodule="kits.KiTSDataModule",
            phantoms={"kits": "volumes.kits_writer.KitsWriter"},
            task="kits",
            identities={"KiTSDataModule": ("patient", "patient")},
        ),
        "brats": Dataset(
            dataset="BraTS",
            tell_tales={
                "BraTS": (
                    *("BraTS[0-9]*_*", "BraTS-*-[0-9]*", "Brats[0-9]*_*", "MICCAI_BraTS*", "ASNR-MICCAI-BraTS*"),
                    "FeTS2*_*",
                ),
                "BraTS (HGG and LGG)": ("HGG",),
            },
            expected="a folder for each case (BraTS2021_00000/, BraTS-GLI-00000-000/, FeTS2022_00000/,"
            " HGG/Brats18_.../, ...)",
            source="https://www.synapse.org/brats",
            datamodule="brats.BraTSDataModule",
            phantoms={f"brats{year}": f"volumes.brats_writer.Brats{year}Writer" for year in (2021, 2023, 2024)},
            task="brats",
            identities={"BraTSDataModule": ("patient", "patient")},
        ),
        "lgg": Dataset(
            dataset="TCGA-LGG",
            tell_tales={"LGG (kaggle_3m)": ("kaggle_3m", "TCGA_[A-Z][A-Z]_*")},
            expected="kaggle_3m/ or its folders TCGA_<site>_<patient>_<date>/",
            source="https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation",
            datamodule="lgg.LGGDataModule",
            phantoms={"lgg": "volumes.lgg_writer.LggWriter"},
            task="lgg",
            identities={"LGGDataModule": ("patient", "patient"), "LGGSlicesDataModule": ("slice", "patient")},
        ),
        "msd": Dataset(
            dataset="Medical Segmentation Decathlon",
            tell_tales={"Medical Segmentation Decathlon": ("imagesTr", "labelsTr")},
            expected="dataset.json, imagesTr/ and labelsTr/ of Task01_BrainTumour",
            source="http://medicaldecathlon.com",
            datamodule="msd_brain.MSDBrainDataModule",
            phantoms={"msd_brain": "volumes.msd_brain_writer.MsdBrainWriter"},
            task="msd_brain",
            identities={"MSDBrainDataModule": ("image", "image")},
        ),
        "own_pictures": _own("pictures", "OwnPicturesDataModule"),
        "own_volumes": _own("volumes", "OwnVolumesDataModule"),
    }
)
"""The datasets by the names that the command line gives them."""

IDENTITIES: Mapping[str, tuple[Identity, Identity]] = MappingProxyType(
    {name: stated for dataset in DATASETS.values() for name, stated in dataset.identities.items()}
)
"""By the name of a datamodule of the suite what its examples are and what its ids identify."""

PHANTOMS: Mapping[str, str] = MappingProxyType(
    {name: path for dataset in DATASETS.values() for name, path in dataset.phantoms.items()}
)
"""The writers of phantoms, below ``adpfl_bench.phantoms``, by the phantoms' names."""

if TYPE_CHECKING:
    DatasetName = str
    PhantomName = str
else:  # for the help of commands
    DatasetName = Literal[tuple(DATASETS)] | str
    PhantomName = Literal[tuple(PHANTOMS)] | str


def find_datamodule(name: str) -> type[FederatedDataModule]:
    """Find the datamodule of a dataset.

    Args:
        name: One of :data:`DATASETS`, or the class path of a datamodule of one's own, such as
            ``clinic.ClinicDataModule``; the folder that holds ``clinic.py`` must be on ``PYTHONPATH``.

    Raises:
        ConfigError: There is none of that name.
    """
    path = f"adpfl_bench.datasets.{DATASETS[name].datamodule}" if name in DATASETS else name
    found = _import_class(path, f"There is no dataset {name!r}; there are {', '.join(DATASETS)}")
    from adpfl_bench.data.datamodule import FederatedDataModule  # deferred: it needs torch and Lightning

    if not issubclass(found, FederatedDataModule):
        raise ConfigError(f"{path} is no datamodule: expected a subclass of FederatedDataModule.")
    return found


def find_writer(name: str) -> type[PhantomWriter]:
    """Find the writer of a phantom.

    Args:
        name: One of :data:`PHANTOMS`, or the class path of a writer of one's own, or of a datamodule that has one.

    Raises:
        ConfigError: There is none of that name.
    """
    from adpfl_bench.phantoms.writer import PhantomWriter  # deferred, as everything that is opened

    path = f"adpfl_bench.phantoms.{PHANTOMS[name]}" if name in PHANTOMS else name
    found = _import_class(path, f"There is no phantom of {name!r}; there are phantoms of {', '.join(sorted(PHANTOMS))}")
    writer = getattr(found, "phantom", found)
    if not (isinstance(writer, type) and issubclass(writer, PhantomWriter)):
        raise ConfigError(
            f"{path} has no phantom: expected a PhantomWriter, or a datamodule whose attribute phantom is one."
        )
    return writer


def _import_class(path: str, unknown: str) -> type[Any]:
    module, _, name = path.rpartition(".")
    advice = (
        "of your own, give the class path, such as clinic.ClinicDataModule, with its folder on PYTHONPATH and --trust"
        " clinic"
    )
    if not module:
        raise ConfigError(f"{unknown}; {advice}.")
    check_class_path(path, "The command line")
    try:
        found: Any = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{unknown}; {advice} ({path} was not found: {error}).") from error
    if not isinstance(found, type):
        raise ConfigError(f"{path} is no class; {advice}.")
    return found
