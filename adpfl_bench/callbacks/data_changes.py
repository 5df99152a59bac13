"""Changes of data between a run and what goes on with it: the files that differ, by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lightning.pytorch import Trainer

from adpfl_bench.callbacks.lookup import federated_data, folders_of_checkpoint
from adpfl_bench.data.data_statement import DataStatement
from adpfl_bench.data.partitioning.partition_file import partition_bytes
from adpfl_bench.errors import RecordError, score_beside
from adpfl_bench.privacy.lineage import DataState
from adpfl_bench.records.file_digests import contents_difference, contents_root
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord


def data_state(trainer: Trainer) -> DataState:
    """Return the data that there are now; what differs is found in the folders of the run and of its checkpoint."""
    data = federated_data(trainer)
    folders = (Path(trainer.default_root_dir), *folders_of_checkpoint(trainer))
    return DataState(data.fingerprint, data.contents.digest, lambda root: _changed_files(data, root, folders))


def check_scored_data(record: RunRecord, directory: RunDirectory, data: DataStatement) -> None:
    """Make sure that a run is scored on the cases that it was made with.

    Raises:
        RecordError: They are others, whose scores would stand under this record.
    """
    if changed := data_difference(record, directory, data):
        raise RecordError(
            f"The run in {directory.path} was made with other data than there are now: {changed}. Restore them."
            f" {score_beside(directory.path)}"
        )


def data_difference(record: RunRecord, directory: RunDirectory, data: DataStatement) -> str:
    """Say in a clause how the data that there are now differ from those of a run; empty where they do not.

    Args:
        record: The run's record; one of an earlier version knows names and sizes of files alone.
        directory: Its folder, where data.csv has the digests by which a file is named.
        data: The data that there are now.
    """
    before, root = record.data, record.data.contents.root if record.data.contents else ""
    if root and root != data.contents.digest:
        held = f"what their files hold was {root[:8]} and is {data.contents.digest[:8] or 'not known'}"
        return _changed_files(data, root, [directory.path]) or held
    if not root and before.fingerprint and data.fingerprint and before.fingerprint != data.fingerprint:
        return f"names or sizes of their files were {before.fingerprint[:8]} and are {data.fingerprint[:8]}"
    path = directory.partition_file
    if path.exists() and path.read_bytes() != partition_bytes(path, data.clients):
        return f"{path} divides them among clients and splits in another way"
    return ""


def _changed_files(data: DataStatement, root: str, folders: Iterable[Path]) -> str:
    """Say how files that had the given root differ from those that there are; empty if no folder has their digests."""
    for folder in folders:
        try:
            before = RunDirectory(folder).read_data()
        except RecordError:  # there is none, or it is broken and says nothing: the roots differ all the same
            continue
        if contents_root(before) == root:
            return contents_difference(before, data.contents.files)
    return ""
