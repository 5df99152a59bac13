"""Facts of a dataset of one's own, read from all of its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adpfl_bench.data.case import Case
from adpfl_bench.data.fingerprint import dataset_kind
from adpfl_bench.data.images.labelled_pictures import LabelledPictures
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.problems import Findings, Problem
from adpfl_bench.data.volumes.reader import NiftiReader
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.datasets.own.dataset_description import DatasetDescription
from adpfl_bench.datasets.own.dataset_json import Kind
from adpfl_bench.datasets.own.own_survey import OwnSurvey, holder_of, survey_own
from adpfl_bench.errors import DataError
from adpfl_bench.planning.case_facts import AIR, CaseFacts, picture_facts, volume_facts
from adpfl_bench.planning.kind_of_files import kind_of_files
from adpfl_bench.processors import in_parallel


class ReadCase(NamedTuple):
    """A case, and what is in its files.

    Attributes:
        case: The case.
        facts: What was read.
    """

    case: Case
    facts: CaseFacts


@dataclass(frozen=True)
class DataFacts:
    """What is in a dataset of one's own.

    Attributes:
        root: Its folder, or its table of paths.
        kind: Whether it holds pictures or volumes.
        description: What its files say of themselves, complete.
        read: The cases that can be read, sorted by id.
        problems: What is missing, there twice, or cannot be read.
        is_phantom: Whether all of it is synthetic.
    """

    root: Path
    kind: Kind
    description: DatasetDescription
    read: tuple[ReadCase, ...]
    problems: tuple[Problem, ...]
    is_phantom: bool

    @property
    def cases(self) -> list[Case]:
        """The cases that can be read."""
        return [case for case, _ in self.read]

    @property
    def facts(self) -> list[CaseFacts]:
        """What is in their files."""
        return [facts for _, facts in self.read]

    @property
    def scheme(self) -> LabelScheme:
        """Classes and regions."""
        return self.description.scheme()

    @property
    def channels(self) -> list[str]:
        """Names of the channels."""
        return list(self.description.channels or [])

    @property
    def named_channels(self) -> list[str]:
        """Names of the channels, if anybody has named them; the column of a table that is called ``image`` has not."""
        return [] if self.channels == ["image"] else self.channels

    @property
    def share_with_air(self) -> float:
        """Share of the cases with values as low as air in Hounsfield units."""
        return float(np.mean([facts.lowest < AIR for facts in self.facts]))

    @property
    def sites(self) -> Mapping[str, int]:
        """Patients of each site, sorted; empty where a case has none."""
        if any(case.site is None for case in self.cases):
            return {}
        return dict(sorted(Counter(site for _, site in {(c.patient_id, str(c.site)) for c in self.cases}).items()))

    @property
    def patients(self) -> int:
        """Number of patients."""
        return len({case.patient_id for case in self.cases})

    @property
    def empty(self) -> int:
        """Number of cases in which nothing is labelled."""
        return sum(facts.is_empty for facts in self.facts)


def read_data(root: Path, stated: DatasetDescription, workers: int | None = None) -> DataFacts:
    """Read every file of a dataset of one's own, in processes, with a bar.

    Cases that cannot be read are among the problems, and the others go on.

    Args:
        root: Folder in the layout of nnU-Net or the Decathlon, or CSV file of paths.
        stated: What is stated of it.
        workers: Processes; by default one for each processor.

    Raises:
        DataError: There is no such dataset, or none of its cases can be read.
        ConfigError: It and what is stated contradict each other.
    """
    kind = kind_of_files(root, stated.columns.images)
    survey = survey_own(root, stated, kind)
    read: list[ReadCase] = []
    problems = list(survey.problems)
    attempt = partial(_attempt, read=_reader(survey, kind))
    for case, found in in_parallel(attempt, survey.cases, "Reading", workers, processes=True):
        if isinstance(found, CaseFacts):
            read.append(ReadCase(case, found))
        else:
            problems.append(found)
    problems.sort(key=lambda problem: (problem.case, str(problem.path)))
    if not read:
        first = f"; the first problem: {problems[0]}" if problems else ""
        raise DataError(f"{root} has no case that can be read{first}. `adpfl-bench verify` lists every problem.")
    read.sort(key=lambda each: each.case.case_id)
    holder = holder_of(root, survey.cases)
    return DataFacts(
        root, kind, survey.description, tuple(read), tuple(problems), "phantom" in map(dataset_kind, (root, holder))
    )


def _reader(survey: OwnSurvey, kind: Kind) -> Callable[[Case], CaseFacts]:
    description = survey.description
    channels, labels = tuple(description.channels or []), description.values()
    if kind == "pictures":
        pictures = LabelledPictures(len(channels), tuple(labels.values()), labels, empty=True)
        return partial(picture_facts, reader=pictures, classes=tuple(labels.values()))
    order = tuple(range(len(channels))) if survey.in_one_file and len(channels) > 1 else ()
    scheme = description.scheme()
    release = VolumeRelease(str(description.name), "MRI", channels, labels, (scheme,), reader=NiftiReader(order))
    return partial(volume_facts, release=release)


def _attempt(case: Case, read: Callable[[Case], CaseFacts]) -> CaseFacts | Problem:
    """Read a case, or say why it cannot be read, and which of its files."""
    findings = Findings(case.case_id)
    facts = findings.attempt(case.images[0], partial(read, case))
    if facts is not None:
        return facts
    said = findings.problems[0].problem
    path = next((path for path in case.files if said.startswith(f"{path} ")), case.images[0])
    return Problem(case.case_id, said.removeprefix(f"{path} "), path)


def medians(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Median of each column."""
    return tuple(float(value) for value in np.median(np.array(rows, dtype=np.float64), axis=0))
