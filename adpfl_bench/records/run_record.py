"""Run record, run.json."""

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from adpfl_bench.errors import RecordError
from adpfl_bench.metrics.registry import UNSTATED, Metric
from adpfl_bench.records.account_block import AccountBlock
from adpfl_bench.records.block import Block
from adpfl_bench.records.blocks import DataBlock, FederatedBlock, PrivacyBlock, ProcessesBlock
from adpfl_bench.records.calibration_block import CalibrationBlock
from adpfl_bench.records.chain import ChainBlock
from adpfl_bench.records.deployed_block import DeployedBlock
from adpfl_bench.records.extension_block import ExtensionBlock
from adpfl_bench.records.stated_text import Moment, Name
from adpfl_bench.records.strict_json import read_strict

FORMAT_VERSION = 1
"""That of the records that this version writes; it grows where an older version could not read them any more."""

_UNION = re.compile(r"(tuple|dict|literal)\[|float$|\w+Block$")
"""What pydantic calls the alternatives of a union, which are no keys of the file."""

Status = Literal["running", "trained", "finished", "interrupted", "failed"]


class ModelBlock(Block):
    """The network, and which of its weights were scored."""

    class_name: str | None = Field(None, validation_alias="class", serialization_alias="class")
    """Name of the task's class, ``class`` in the file."""
    parameters: int | None = None
    scored_round: int | None
    """Round whose weights cases.csv scores; null before they are scored."""
    selection: str | None = None
    """How validation scores chose the weights: ``last round`` where they did not."""
    started_from: str | None = None
    """Kind of data that the first weights were trained on; null for chance."""
    metrics: tuple[Metric, ...] = UNSTATED
    """What cases are scored by, the main metric first."""
    surface_tolerance: dict[str, float] = Field(default_factory=dict)
    """Tolerance of each region's normalised surface distance, in the unit of its distances."""


class DigestsBlock(Block):
    """Digests by which a record, and the files beside it, can be checked against each other."""

    chain: ChainBlock
    elsewhere: int = 0
    """Number of first rounds whose lines of rounds.csv are in another folder, which the run was continued from."""
    fields: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of what stands under each of this file's other keys."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the files beside this one; none while a process writes them."""


class RunRecord(Block):
    """The record of a run: what it was, and how far it is."""

    format_version: int = Field(0, ge=0, le=FORMAT_VERSION)
    """Version of this format; 0 for records from before it was stated."""
    run: str = ""
    """Id of the run, which its checkpoints and the journal of its releases state too; what continues it keeps it."""
    task: Name
    method: Name
    seed: int
    status: Status
    data: DataBlock
    federated: FederatedBlock
    privacy: PrivacyBlock
    account: AccountBlock | None = None
    """The account of its cohort; absent where the run has none."""
    deployed: DeployedBlock | None = None
    """The hospitals of a run that was no simulation; absent where it was one."""
    rounds_completed: int
    model: ModelBlock
    started: Moment
    """Start of the process that trained last, ISO 8601."""
    wall_seconds: float | None = None
    peak_memory_mb: float | None = None
    peak_gpu_memory_mb: float | None = None
    processes: tuple[ProcessesBlock, ...] = ()
    """Who trained the run: the processes that it was started with, and those of each continuation by others; empty in
    records from before this was stated."""
    extended: tuple[ExtensionBlock, ...] = ()
    """Rounds that were added to those that the run was first planned with; empty where none were."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of Python and of the packages that results depend on."""
    git_revision: str | None = None
    config_sha256: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    """The resolved configuration."""
    trusted: tuple[str, ...] = ()
    """Modules of others that ``--trust`` named, so that their code could take part in the run."""
    calibration: tuple[CalibrationBlock, ...] = ()
    """Of the test cases' probabilities, by region; empty of records from before it was stated."""
    error: str | None = None
    """Why a failed run failed."""
    digests: DigestsBlock | None = None
    """What the record proves itself by; null in records from before there was this."""

    @property
    def judged_calibration(self) -> tuple[CalibrationBlock, ...]:
        """That of the models that tables judge the run by, by region."""
        models = "global" if self.federated.headline == "global" else "own"
        return tuple(block for block in self.calibration if block.models == models)

    @property
    def progress(self) -> str:
        """Say how far an unfinished run came."""
        error = f" ({self.error})" if self.error else ""
        return f"{self.status} after {self.rounds_completed} of {self.federated.planned_rounds} rounds{error}"

    def to_json(self) -> str:
        """Return the record as run.json holds it.

        Raises:
            ValueError: It holds a number that is not finite, which JSON has no word for.
        """
        return json.dumps(self.model_dump(by_alias=True, exclude_unset=True), indent=2, allow_nan=False) + "\n"


def parse_record(content: bytes, path: Path) -> RunRecord:
    """Read what run.json holds.

    Raises:
        RecordError: It is not JSON, or no record of this format.
    """
    return parse_content(content, path)[0]


def parse_content(content: bytes, path: Path) -> tuple[RunRecord, Any]:
    """As :func:`parse_record`, with the JSON as it stands in the file."""
    try:
        record = RunRecord.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise RecordError(_sentence(error, path)) from None
    try:
        return record, read_strict(content)
    except ValueError as error:
        raise RecordError(f"{path} cannot be read as JSON: {error}") from None


def record_schema() -> str:
    """Return the JSON schema of run.json, as docs/run.schema.json publishes it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunRecord.model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"


def _sentence(error: ValidationError, path: Path) -> str:
    found = error.errors(include_url=False)
    first = next((entry for entry in found if entry["loc"] == ("format_version",)), found[0])
    key = ".".join(str(part) for part in first["loc"] if not _UNION.match(str(part))) or "the file"
    if first["type"] == "json_invalid":
        return f"{path} cannot be read as JSON: {first['msg'].removeprefix('Invalid JSON: ')}"
    if key == "format_version" and first["type"] == "less_than_equal":
        return (
            f"{path} has the format version {first['input']}, but this version of adpfl-bench reads up to"
            f" {FORMAT_VERSION}: read it with the version that made it, or a later one."
        )
    if first["type"] == "missing":
        problem = f"{key} is missing"
    else:
        expected = first["msg"].removeprefix("Value error, ").replace("Input should be", "should be", 1)
        problem = f"{key} {expected}, but it is {json.dumps(first['input'], default=str)[:80]}"
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return (
        f"{path} is no usable record of a run: {problem}{more}. Restore the file, or read it with the version that"
        " made it."
    )


if __name__ == "__main__":
    print(record_schema(), end="")
