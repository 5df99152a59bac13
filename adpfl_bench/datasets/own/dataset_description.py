"""Description of a dataset of one's own: what its files hold, as YAML states it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.region_scheme import Regions, describe_values, make_scheme
from adpfl_bench.errors import ConfigError
from adpfl_bench.records.protected import Identity


@dataclass(frozen=True)
class TableColumns:
    """Names of the columns of a table of paths; one that is not stated is taken where it has its usual name.

    Attributes:
        images: Columns of image files, one for each channel; by default ``image``, or all that begin with ``image_``.
        mask: Column of the mask or label map; ``mask`` by default.
        case: Column of case ids; ``case``, or else the first image's name without its ending.
        patient: Column of patient ids; ``patient``, or else each case is a patient.
        site: Column of who acquired a case, which may become clients; ``site``, or else nobody says.
        split: Column of ``train``, ``validation`` and ``test``; ``split``, or else cases are divided at random.
    """

    images: list[str] | None = None
    mask: str | None = None
    case: str | None = None
    patient: str | None = None
    site: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class DatasetDescription:
    """What the files of a dataset hold; what is left open is taken from its ``dataset.json``, or has a default.

    Attributes:
        name: Name in records; by default that of ``dataset.json``, or of the folder or table.
        channels: Names of the image's channels, in order; by default those of ``dataset.json``, the image columns of a
            table, or red, green and blue where one picture holds them.
        labels: Value of each class in mask files, by the class's name; 0 is background and not listed. By default
            those of ``dataset.json``, or ``foreground: 1``; a picture's mask of one class may have 255 in place of 1.
        regions: What is predicted and scored: regions by name, each with the names or the values of its classes, which
            may overlap; by default those of ``dataset.json``, or each class.
        regions_class_order: Value that each region is painted with, in their order, as in nnU-Net; by default larger
            regions before those that they hold.
        tolerances: Tolerance of regions' normalised surface distance in mm, or in percent of a picture's diagonal.
        ids_identify: What a patient id identifies: ``image``, ``slice``, ``lesion`` or ``patient``, which statements on
            privacy then say; by default ``patient`` where a column or the pattern states patients, and else ``image``.
        case_pattern: Regular expression that every case id matches, whose groups ``patient`` and ``site`` say whose and
            from where the case is; for folders, which have no columns.
        columns: Columns of a table of paths.
        empty_masks: Whether cases without anything to segment occur; if not, an empty mask is a problem.
    """

    name: str | None = None
    channels: list[str] | None = None
    labels: dict[str, int] | None = None
    regions: dict[str, list[int | str]] | None = None
    regions_class_order: list[int] | None = None
    tolerances: dict[str, float] | None = None
    ids_identify: Identity | None = None
    case_pattern: str | None = None
    columns: TableColumns = field(default_factory=TableColumns)
    empty_masks: bool = False

    def __post_init__(self) -> None:
        if self.case_pattern is not None:
            try:
                groups = re.compile(self.case_pattern).groupindex
            except re.error as error:
                raise ConfigError(
                    f"data.description.case_pattern is no regular expression: {error}; it is {self.case_pattern}."
                ) from error
            if not {*groups} & {"patient", "site"}:
                raise ConfigError(
                    "data.description.case_pattern has no group called patient or site, such as"
                    f" (?P<patient>[^_]+)_.*; it is {self.case_pattern}."
                )

    def completed(self, found: DatasetDescription, source: str) -> DatasetDescription:
        """Take from what files state what is left open here.

        Args:
            found: What they state.
            source: Which file does.

        Raises:
            ConfigError: Both give a class of the same name another value, or a channel of the same name another place.
        """
        for cls, value in (self.labels or {}).items():
            theirs = (found.labels or {}).get(cls, value)
            if theirs != value:
                raise ConfigError(
                    f"data.description.labels gives {cls} the value {value}, but {source} gives it {theirs}; state what"
                    " the files hold."
                )
        self._check_order(found.channels or [], source)
        # Regions of a file are made of its own classes.
        own = found if self.labels is None and self.regions is None else replace(found, regions=None)
        order = own.regions_class_order if self.regions is None and own.regions is not None else None
        return replace(
            self,
            name=self.name or own.name,
            channels=self.channels or own.channels,
            labels=self.labels or own.labels,
            regions=self.regions or own.regions,
            regions_class_order=self.regions_class_order or order,
            ids_identify=self.ids_identify or own.ids_identify,
        )

    def _check_order(self, theirs: Sequence[str], source: str) -> None:
        """Refuse channels that are called as others are in the files."""
        own = self.channels or []
        for number, name in enumerate(own):
            if name in theirs and (number >= len(theirs) or theirs[number] != name):
                raise ConfigError(
                    f"data.description.channels are {', '.join(own)}, but {source} has {', '.join(theirs)}; state them"
                    " in its order."
                )

    @property
    def is_complete(self) -> bool:
        """Whether a model can be made without looking at any file."""
        return None not in (self.name, self.channels, self.labels)

    def scheme(self) -> LabelScheme:
        """Make the label scheme.

        Raises:
            ConfigError: Labels and regions do not fit together.
        """
        name, labels, regions = self.name or "own", self.labels or {}, self.regions
        stated: Regions | None = regions
        return make_scheme(name, labels, stated, self.regions_class_order, self.tolerances, f"The dataset {name}")

    def values(self) -> Mapping[int, str]:
        """Classes by their values in mask files, sorted."""
        labels = self.labels or {}
        return {labels[cls]: cls for cls in sorted(labels, key=lambda cls: labels[cls])}

    def describe_labels(self) -> str:
        """List values and classes."""
        return describe_values(self.labels or {})

    def of_case(self, case_id: str) -> tuple[str, str | None]:
        """Patient and site that a case id states by the pattern.

        Raises:
            ConfigError: The pattern does not fit it.
        """
        if self.case_pattern is None:
            return case_id, None
        match = re.fullmatch(self.case_pattern, case_id)
        if match is None:
            raise ConfigError(
                f"data.description.case_pattern, {self.case_pattern}, does not fit the case {case_id}; it must fit"
                " every one."
            )
        groups = match.groupdict()
        return groups.get("patient") or case_id, groups.get("site")
