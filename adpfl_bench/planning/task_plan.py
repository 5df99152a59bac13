"""Task plan: every setting of a task file for a dataset of one's own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from adpfl_bench.planning.data_facts import DataFacts
from adpfl_bench.planning.federation_choice import SPLIT, FederationChoice, choose_federation
from adpfl_bench.planning.geometry_plan import GeometryPlan, plan_geometry
from adpfl_bench.planning.intensity_choice import Intensity, choose_modality, choose_window
from adpfl_bench.planning.planned_setting import PlannedSetting, section, sections
from adpfl_bench.records.blocks import PlannedOn
from adpfl_bench.text import count

_ROUNDS = {"pictures": 50, "volumes": 100}
_RATE = {"pictures": 0.002, "volumes": 0.001}
_TOLERANCE = {"pictures": (0.5, "percent of the picture's diagonal"), "volumes": (2.0, "mm")}
_FEWEST_PHANTOMS = 24  # of which four sites have patients to train, validate and test


@dataclass(frozen=True)
class TaskPlan:
    """A planned task.

    Attributes:
        name: Its name.
        heading: What the file begins with, a paragraph each.
        settings: Its settings.
        geometry: Grid, patch and network.
        federation: Who the clients are.
        planned_on: What it was planned on.
        window_reason: What the window of CT stands on; empty of anything else.
    """

    name: str
    heading: tuple[str, ...]
    settings: tuple[PlannedSetting, ...]
    geometry: GeometryPlan
    federation: FederationChoice
    planned_on: PlannedOn
    window_reason: str


def plan_task(data: DataFacts, memory_gib: float, is_public: bool, intensity: Intensity | None = None) -> TaskPlan:
    """Plan a task.

    Args:
        data: What is in the dataset.
        memory_gib: Memory that a training step may take.
        is_public: Whether somebody says that the dataset is public.
        intensity: How volumes are normalised; by default what names or values say.

    Raises:
        ConfigError: Nothing fits into the memory, or pictures are to be normalised as volumes are.
        DataError: There are too few patients.
    """
    federation = choose_federation(data.cases, by_patient=data.kind == "volumes")
    geometry = plan_geometry(data, federation, memory_gib)
    planned_on: PlannedOn = "phantom" if data.is_phantom else "public" if is_public else "private"
    intensities, window_reason = _intensities(data, intensity)
    name = str(data.description.name)
    settings = (
        PlannedSetting("task", name),
        section(
            "data",
            PlannedSetting("class_path", f"adpfl_bench.Own{data.kind.capitalize()}DataModule"),
            section(
                "init_args",
                PlannedSetting("root", str(data.root.absolute()), _root_comment(data)),
                PlannedSetting("planned_on", planned_on, _PLANNED_ON[planned_on]),
                sections("description", _described(data), _description_comment(data)),
                sections("partition", federation.partition, _partition_comment(federation)),
                PlannedSetting("validation_fraction", SPLIT.validation, _split_comment(data)),
                PlannedSetting("test_fraction", SPLIT.test),
                *intensities,
                *_sizes(data, geometry),
            ),
        ),
        section(
            "model",
            PlannedSetting("class_path", "adpfl_bench.RegionsTask"),
            section(
                "init_args",
                PlannedSetting("spatial_dims", len(geometry.shape)),
                _tolerance(data),
                PlannedSetting("network", "DynUNet"),
                sections("network_arguments", geometry.step.network.arguments(), geometry.network_reason),
                section(
                    "optimizer",
                    PlannedSetting("class_path", "torch.optim.AdamW"),
                    section("init_args", PlannedSetting("lr", _RATE[data.kind])),
                    comment="As in the suite's own task files; not planned by data.",
                ),
                section("lr_scheduler", PlannedSetting("class_path", "adpfl_bench.CosineOverRounds")),
            ),
        ),
        section(
            "federated",
            PlannedSetting("rounds", _ROUNDS[data.kind], "As in the suite's own task files; not planned by data."),
            PlannedSetting("local_epochs", 1),
        ),
    )
    return TaskPlan(name, _heading(data), settings, geometry, federation, planned_on, window_reason)


_PLANNED_ON = {
    "private": "Spacing, sizes, network and batch below are statistics of these data, which this file gives away; no"
    " epsilon covers them, and every record will say so. For a run that claims privacy plan on public data or phantoms,"
    " and give --data.root these; if these are public, plan with --public.",
    "public": "Spacing, sizes, network and batch below are statistics of data that were said to be public.",
    "phantom": "Spacing, sizes, network and batch below are statistics of phantoms, and so of nobody.",
}


def _heading(data: DataFacts) -> tuple[str, ...]:
    kinds = "pictures" if data.kind == "pictures" else "volumes"
    return (
        f"Planned by adpfl-bench plan from {count(data.read, 'case')} of {data.description.name} ({kinds}). Rules are"
        " those of nnU-Net (Isensee et al. 2021) unless a comment says else; docs/planning.md has them all.",
        "Run: adpfl-bench fit --config THIS_FILE; a method of another kind is one more --config callbacks/METHOD.yaml.",
    )


def _root_comment(data: DataFacts) -> str:
    if not data.problems:
        return ""
    return (
        f"{count(data.problems, 'problem')} of these data are left out of the plan, and fit refuses them until they are"
        " mended."
    )


def _described(data: DataFacts) -> dict[str, Any]:
    stated = asdict(data.description)
    stated["columns"] = {key: value for key, value in stated["columns"].items() if value is not None}
    stated["empty_masks"] = data.description.empty_masks or data.empty > 0
    return {key: value for key, value in stated.items() if value not in (None, {}, False)}


def _description_comment(data: DataFacts) -> str:
    comment = "Channels, labels and regions, as the files state them."
    if data.empty:
        comment += (
            f" {data.empty:,} of {len(data.read):,} cases show nothing that is labelled, which empty_masks allows; if"
            " that cannot be, set it to false, and adpfl-bench verify lists them."
        )
    return comment


def _partition_comment(federation: FederationChoice) -> str:
    return f"{count(federation.clients, 'client')}: {federation.reason}."


def _split_comment(data: DataFacts) -> str:
    stated = sorted({case.split for case in data.cases if case.split is not None})
    shares = "Shares of each client's patients that validate, and that are scored at the end"
    return f"{shares}; the data state who is in {', '.join(stated)}, which stands." if stated else f"{shares}."


def _intensities(data: DataFacts, stated: Intensity | None) -> tuple[list[PlannedSetting], str]:
    if data.kind == "pictures":
        return [], ""
    modality, reason = choose_modality(data.named_channels, data.share_with_air)
    intensity = stated or ("ct" if modality == "CT" else "zscore")
    reason = "as --intensity states" if stated else reason
    if intensity == "zscore":
        comment = f"Each image's own mean and deviation over what is not zero: {reason}. Nothing of others is in it."
        return [PlannedSetting("intensity", "zscore", comment)], ""
    regions = data.scheme.regions
    window, why = choose_window([str(data.description.name), *data.channels, *data.scheme.classes, *regions])
    return [
        PlannedSetting("intensity", "ct", f"Hounsfield units: {reason}."),
        PlannedSetting(
            "ct_window",
            list(window),
            f"A public constant {why}. nnU-Net would take percentiles of these images, which are statistics of private"
            " data that normalisation must not hold.",
        ),
    ], why


def _sizes(data: DataFacts, geometry: GeometryPlan) -> list[PlannedSetting]:
    batch = PlannedSetting("batch_size", geometry.step.batch, geometry.batch_reason)
    phantom = PlannedSetting(
        "phantom_size",
        list(geometry.shape if data.kind == "volumes" else geometry.step.network.patch),
        "Shape and number of phantoms of this task (adpfl-bench phantom --like THIS_FILE).",
    )
    cases = PlannedSetting("phantom_cases", max(_FEWEST_PHANTOMS, len(data.read)))
    patch = list(geometry.step.network.patch)
    if data.kind == "pictures":
        return [PlannedSetting("image_size", patch, geometry.size_reason), batch, phantom, cases]
    return [
        PlannedSetting("spacing", list(geometry.spacing or ()), geometry.spacing_reason),
        PlannedSetting("patch_size", patch, geometry.size_reason),
        batch,
        phantom,
        cases,
    ]


def _tolerance(data: DataFacts) -> PlannedSetting | None:
    if data.description.tolerances:
        return None
    tolerance, unit = _TOLERANCE[data.kind]
    return PlannedSetting(
        "surface_tolerance",
        tolerance,
        f"In {unit}: surfaces this close agree (NSD). Not planned by data; choose what readers agree on.",
    )
