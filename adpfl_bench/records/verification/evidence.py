"""Evidence: the files of a run's folder, each hashed once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adpfl_bench.errors import RecordError
from adpfl_bench.privacy.journal import LedgerJournal, Session
from adpfl_bench.privacy.ledger import PrivacyLedger
from adpfl_bench.records.digests import file_sha256
from adpfl_bench.records.partition_columns import PartitionColumns, parse_partition
from adpfl_bench.records.round_columns import NO_ROUNDS, RoundColumns, parse_rounds
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord, parse_content
from adpfl_bench.records.score_columns import ScoreColumns, parse_scores


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a run's folder holds.

    Attributes:
        directory: The folder.
        record: What run.json holds.
        content: The same as JSON, as it stands in the file.
    """

    directory: RunDirectory
    record: RunRecord
    content: Mapping[str, Any]

    @classmethod
    def of(cls, directory: RunDirectory) -> Evidence:
        """Read the record of a folder; other files are read when they are asked for.

        Raises:
            RecordError: There is none, or it cannot be read.
        """
        record, content = parse_content(directory.record_content(), directory.record_file)
        return cls(directory, record, content)

    @property
    def closed(self) -> bool:
        """Whether the last process wrote the record when it was done; a run that was killed has files ahead of it."""
        return self.record.status != "running"

    def sha256(self, path: Path) -> str | None:
        """Hash a file of the folder, once; ``None`` where it is not there.

        Raises:
            RecordError: It cannot be read.
        """
        if path.name not in self._digests:
            try:
                self._digests[path.name] = file_sha256(path)
            except FileNotFoundError:
                self._digests[path.name] = None
            except OSError as error:
                raise RecordError(f"{path} cannot be read: {error.strerror}") from error
        return self._digests[path.name]

    @cached_property
    def _digests(self) -> dict[str, str | None]:
        return {}

    @cached_property
    def scores(self) -> ScoreColumns | None:
        """The scores of cases.csv; ``None`` where there is no such file.

        Raises:
            RecordError: It is malformed.
        """
        path = self.directory.cases_file
        if not path.exists():
            return None
        content = self.directory.cases_content()
        self._digests[path.name] = hashlib.sha256(content).hexdigest()
        return parse_scores(content, path)

    @cached_property
    def round_lines(self) -> Mapping[int, bytes]:
        """The lines of each round of rounds.csv; none where there is no such file.

        Raises:
            RecordError: It is malformed.
        """
        if not self.directory.rounds_file.exists():
            return {}
        try:
            return self.rounds.lines(self._rounds_content)
        except ValueError as error:
            raise RecordError(f"{self.directory.rounds_file} cannot be read as a table of rounds: {error}") from error

    @cached_property
    def rounds(self) -> RoundColumns:
        """The numbers of rounds.csv; none where there is no such file.

        Raises:
            RecordError: It is malformed.
        """
        path = self.directory.rounds_file
        return parse_rounds(self._rounds_content, path) if path.exists() else NO_ROUNDS

    @cached_property
    def _rounds_content(self) -> bytes:
        content = self.directory.rounds_content()
        self._digests[self.directory.rounds_file.name] = hashlib.sha256(content).hexdigest()
        return content

    @cached_property
    def partition(self) -> PartitionColumns | None:
        """Where partition.csv puts each case; ``None`` where there is no such file.

        Raises:
            RecordError: It is malformed, or names a case twice.
        """
        path = self.directory.partition_file
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RecordError(f"{path} cannot be read as a partition: {error}") from error
        self._digests[path.name] = hashlib.sha256(content).hexdigest()
        return parse_partition(content, path)

    @cached_property
    def journal(self) -> Mapping[Session, PrivacyLedger]:
        """The sessions of the journal of releases; none where there is no such file.

        Raises:
            RecordError: It is malformed.
        """
        return LedgerJournal(self.directory.path).read()

    @cached_property
    def ledger(self) -> PrivacyLedger:
        """The releases that run.json states.

        Raises:
            ConfigError: One is impossible.
        """
        found = PrivacyLedger()
        found.load_state_dict(dict(self.record.privacy.ledger))
        return found
