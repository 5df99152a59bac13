"""Intensity choice: how images are normalised, by names and public constants alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

Modality = Literal["CT", "MRI", "picture"]
Intensity = Literal["ct", "zscore"]
Window = tuple[float, float]

ALL_OF_CT: Window = (-1000.0, 1000.0)
"""From air to dense bone, where no name says what is looked at."""


class OrganWindow(NamedTuple):
    """A window of Hounsfield units that is used for some organs.

    Attributes:
        what: What it is called.
        window: Lower and upper end in HU.
        words: Beginnings of the words that ask for it.
        source: Where it comes from.
    """

    what: str
    window: Window
    words: tuple[str, ...]
    source: str


_VIEWS = "a usual setting of viewers"

WINDOWS: Sequence[OrganWindow] = (
    OrganWindow("kidney", (-79.0, 304.0), ("kidney", "renal"), "nnU-Net's KiTS19 entry, arXiv 1908.02182"),
    OrganWindow(
        "soft tissue",
        (-150.0, 250.0),
        (
            *("liver", "hepatic", "spleen", "pancrea", "colon", "bowel", "stomach", "gallbladder", "adrenal"),
            *("duoden", "bladder", "prostate", "uterus", "esophag", "oesophag", "lymph", "muscle", "abdom"),
        ),
        f"{_VIEWS}: width 400, level 50",
    ),
    OrganWindow(
        "heart and vessels",
        (-200.0, 400.0),
        ("heart", "cardia", "myocard", "aort", "coronar"),
        f"{_VIEWS}: width 600, level 100",
    ),
    OrganWindow(
        "lung",
        (-1350.0, 150.0),
        ("lung", "pulmon", "airway", "trachea", "covid", "pneumo"),
        f"{_VIEWS}: width 1500, level -600",
    ),
    OrganWindow(
        "brain",
        (0.0, 80.0),
        ("brain", "stroke", "hemorrh", "haemorrh", "hematoma", "haematoma"),
        f"{_VIEWS}: width 80, level 40",
    ),
    OrganWindow(
        "bone",
        (-500.0, 1300.0),
        ("bone", "verteb", "spine", "rib", "femur", "pelvi", "skull", "tooth", "teeth", "mandib", "sacrum", "hips"),
        f"{_VIEWS}: width 1800, level 400",
    ),
)
"""The windows, each for its organs."""


class IntensityChoice(NamedTuple):
    """How images are normalised.

    Attributes:
        modality: Whose rule it is.
        window: Of CT, in HU.
        reason: What the choice stands on, a sentence.
    """

    modality: Modality
    window: Window | None
    reason: str


def choose_modality(channels: Sequence[str], share_with_air: float) -> tuple[Modality, str]:
    """Say whether volumes are CT or MRI, and why.

    Names decide where they say it: channels called CT are CT, as nnU-Net has it, and those of another name are
    normalised as MRI is. Without names, volumes with air at Hounsfield units are taken for CT.

    Args:
        channels: Their names; empty where nothing states them.
        share_with_air: Share of the cases that reach below -500.
    """
    named = [name.strip().upper() for name in channels]
    if named and all(re.fullmatch(r"CT(\W.*)?|.*\WCT|CBCT", name) for name in named):
        return "CT", f"the channels are called {', '.join(channels)}"
    if named:
        return "MRI", f"the channels are called {', '.join(channels)}, and not CT"
    if share_with_air > 0.5:
        return "CT", f"no name says it, and {share_with_air:.0%} of the cases have values below -500, as air in HU"
    return "MRI", f"no name says it, and only {share_with_air:.0%} of the cases have values below -500, as air in HU"


def choose_window(names: Iterable[str]) -> tuple[Window, str]:
    """Choose a CT window by the names of what is segmented: that of its organs, or what spans those of several.

    nnU-Net takes percentiles of the training images instead, which would be statistics of private images that every
    copy of the model carries.

    Args:
        names: Of classes, regions and the dataset.

    Returns:
        The window in HU, and why.
    """
    words = [word for name in names for word in re.split(r"[^a-z]+", name.lower()) if word]
    found: Mapping[str, OrganWindow] = MappingProxyType(
        {organ.what: organ for organ in WINDOWS for word in words if word.startswith(organ.words)}
    )
    if len(found) == 1:
        organ = next(iter(found.values()))
        return organ.window, f"for {organ.what}, by the names; {organ.source}"
    if found:
        lows, highs = zip(*(organ.window for organ in found.values()), strict=True)
        return (min(lows), max(highs)), f"it spans those for {' and '.join(found)}, by the names"
    return ALL_OF_CT, "no name asks for a narrower one, so that it is from air to bone"
