"""All kinds of bad input."""

from collections.abc import Sequence

import numpy as np

from tests.corpus.bad_accounts import ACCOUNTS
from tests.corpus.bad_checkpoints import CHECKPOINTS
from tests.corpus.bad_class_paths import CLASS_PATHS
from tests.corpus.bad_commands import COMMAND_LINES
from tests.corpus.bad_configurations import CONFIGURATIONS
from tests.corpus.bad_contents import CONTENTS
from tests.corpus.bad_descriptions import DESCRIPTIONS
from tests.corpus.bad_folders import FOLDERS
from tests.corpus.bad_grids import GRIDS
from tests.corpus.bad_headers import HEADERS
from tests.corpus.bad_kept_cases import KEPT_CASES
from tests.corpus.bad_label_maps import LABEL_MAPS
from tests.corpus.bad_layouts import LAYOUTS, SITE_FILES
from tests.corpus.bad_ledgers import LEDGERS
from tests.corpus.bad_masks import MASKS
from tests.corpus.bad_metadata import METADATA
from tests.corpus.bad_new_patients import BUNDLES, COHORTS, NEW_PATIENTS
from tests.corpus.bad_own_folders import OWN_FOLDERS
from tests.corpus.bad_own_tables import OWN_TABLES
from tests.corpus.bad_partitions import PARTITIONS
from tests.corpus.bad_pictures import PICTURES
from tests.corpus.bad_plans import PLANS
from tests.corpus.bad_round_numbers import ROUND_NUMBERS
from tests.corpus.bad_run_folders import RUN_FOLDERS
from tests.corpus.bad_run_records import RUN_RECORDS
from tests.corpus.bad_scores import IMPOSSIBLE, SCORES
from tests.corpus.bad_slices import SLICES
from tests.corpus.bad_voxels import VOXELS
from tests.corpus.kind import Kind

KINDS: Sequence[Kind] = (
    *PICTURES,
    *MASKS,
    *SLICES,
    *HEADERS,
    *VOXELS,
    *LABEL_MAPS,
    *CONTENTS,
    *DESCRIPTIONS,
    *LAYOUTS,
    *SITE_FILES,
    *METADATA,
    *PARTITIONS,
    *OWN_FOLDERS,
    *OWN_TABLES,
    *CONFIGURATIONS,
    *CLASS_PATHS,
    *COMMAND_LINES,
    *GRIDS,
    *ACCOUNTS,
    *CHECKPOINTS,
    *RUN_RECORDS,
    *SCORES,
    *IMPOSSIBLE,
    *ROUND_NUMBERS,
    *KEPT_CASES,
    *LEDGERS,
    *FOLDERS,
    *RUN_FOLDERS,
    *PLANS,
    *NEW_PATIENTS,
    *BUNDLES,
    *COHORTS,
)


ALWAYS = (
    "slices: a pair with a number of 18 digits",
    "headers: a claim of 30,000 cubed",
    "headers: voxels that begin at infinity",
    "voxels: complex numbers",
    "voxels: colours",
    "places: a singular affine",
    "places: sform and qform apart",
    "metadata: a source called all",
    "partitions: a client called all",
    "partitions: a client called global",
    "configurations: an alias of itself",
    "configurations: a method that is a boolean",
    "class paths: a shell command as an optimizer",
    "grids: modules that nobody trusts",
    "ledgers: rounds without end",
    "kept cases: objects that are pickled",
    "folders: phantom in a read-only folder",
    "folders: prepare of files that may not grow",
    "run folders: fit of files that may not grow",
    "run folders: test where examples.npz is a folder",
    "checkpoints to score: a weight of another shape",
    "checkpoints to go on from: no federation",
    *(kind.label for kind in CONTENTS),
)
"""Kinds that no sample is without: they were once a traceback, a hang, or taken without a word."""


def areas() -> list[str]:
    """Return the areas in their order."""
    return list(dict.fromkeys(kind.area for kind in KINDS))


def sample(seed: int, share: float, among: Sequence[Kind] = KINDS) -> list[Kind]:
    """Draw a share of the kinds, at least one of each area, beside those of :data:`ALWAYS`."""
    generator = np.random.default_rng(seed)
    chosen = {kind.label for kind in among if kind.label in ALWAYS}
    for area in dict.fromkeys(kind.area for kind in among):
        of_area = [kind.label for kind in among if kind.area == area]
        chosen |= {
            of_area[index] for index in generator.permutation(len(of_area))[: max(1, round(share * len(of_area)))]
        }
    return [kind for kind in among if kind.label in chosen]
