"""Folder of one run: run.json, rounds.csv, cases.csv, data.csv."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from adpfl_bench.errors import RecordError
from adpfl_bench.files import append_to_file, replace_file
from adpfl_bench.privacy.journal import JOURNAL_NAME
from adpfl_bench.records.case_score import CaseScore, columns_of, to_line
from adpfl_bench.records.chain import ChainBlock
from adpfl_bench.records.doubled_rounds import keep_once
from adpfl_bench.records.file_digests import FileDigest, digests_table, read_digests
from adpfl_bench.records.round_columns import parse_rounds
from adpfl_bench.records.run_record import RunRecord, parse_record
from adpfl_bench.records.score_columns import ScoreColumns, parse_scores
from adpfl_bench.text import csv_text


class RoundRow(NamedTuple):
    """One number of one round, a line of rounds.csv.

    Attributes:
        round: Round, counted from 1.
        client: Name of a client, or ``all``.
        name: What was measured.
        value: The number.
    """

    round: int
    client: str
    name: str
    value: float


class RunDirectory:
    """Files of one run, each replaced or appended to as a whole; its folder is made when something is written."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.record_file = self.path / "run.json"
        self.rounds_file = self.path / "rounds.csv"
        self.cases_file = self.path / "cases.csv"
        self.partition_file = self.path / "partition.csv"
        self.data_file = self.path / "data.csv"
        self.journal_file = self.path / JOURNAL_NAME
        self.examples_file = self.path / "examples.npz"
        self.configuration_file = self.path / "config.yaml"
        self.checkpoints = self.path / "checkpoints"

    def record_content(self) -> bytes:
        """Return run.json as it is.

        Raises:
            RecordError: It is missing or cannot be read.
        """
        try:
            return self.record_file.read_bytes()
        except FileNotFoundError:
            raise RecordError(f"{self.path} holds no run: {self.record_file.name} is missing there.") from None
        except NotADirectoryError:
            raise RecordError(f"{self.path} is a file, and no run; give the folder that holds run.json.") from None
        except OSError as error:
            raise RecordError(f"{self.record_file} cannot be read: {error}") from error

    def read_record(self) -> RunRecord:
        """Read run.json, of this format or an earlier one.

        Raises:
            RecordError: It is missing, not JSON or no such record.
        """
        return parse_record(self.record_content(), self.record_file)

    def find_record(self) -> RunRecord | None:
        """As :meth:`read_record`, or ``None`` if there is none yet."""
        return self.read_record() if self.record_file.exists() else None

    def write_record(self, record: RunRecord) -> None:
        """Replace run.json.

        Raises:
            RecordError: It could not be written; the earlier one is whole.
        """
        self._write(self.record_file, record.to_json())

    def write_configuration(self, text: str) -> None:
        """Replace config.yaml, which makes the run again.

        Raises:
            RecordError: It could not be written; the earlier one is whole.
        """
        self._write(self.configuration_file, text)

    def write_partition(self, content: bytes) -> None:
        """Replace partition.csv, which a FilePartition reads back.

        Raises:
            RecordError: It could not be written; the earlier one is whole.
        """
        self._write(self.partition_file, content)

    def write_data(self, files: Iterable[FileDigest]) -> None:
        """Replace data.csv, the digests of the files that the run reads; without such files there is none.

        Raises:
            RecordError: It could not be written; the earlier one is whole.
        """
        if rows := list(files):
            self._write(self.data_file, digests_table(rows))
        else:
            self.data_file.unlink(missing_ok=True)

    def read_data(self) -> list[FileDigest]:
        """Read data.csv.

        Raises:
            RecordError: It is missing or malformed.
        """
        try:
            return read_digests(self.data_file.read_bytes())
        except (OSError, ValueError) as error:
            raise RecordError(f"{self.data_file} cannot be read as a table of files: {error}") from error

    def append_rounds(self, rows: Iterable[RoundRow]) -> bytes:
        """Append lines to rounds.csv, all or none, and return them.

        Raises:
            RecordError: They could not be written, or a name contains a line break; the earlier lines are whole.
        """
        rows = list(rows)
        lines = csv_text(rows).encode()
        if lines.count(b"\n") != len(rows):
            broken = next(row for row in rows if set(row.client + row.name) & set("\r\n"))
            raise RecordError(
                f"{self.rounds_file} has a line for each number, but the name {broken.name!r} or the client"
                f" {broken.client!r} contains a line break; rename it."
            )
        if not self.rounds_file.exists():
            self._write(self.rounds_file, csv_text([RoundRow._fields]))
        try:
            append_to_file(self.rounds_file, lines)
        except OSError as error:
            raise _unwritable(self.rounds_file, error) from error
        return lines

    def keep_rounds(self, completed: int, chain: ChainBlock | None = None) -> list[int]:
        """Drop the lines of rounds after ``completed``, which a resumed run will write again, and what stands twice.

        Args:
            completed: The last round of the checkpoint.
            chain: Its chain, which tells the true lines of a round from others.

        Returns:
            The rounds of which lines stood more than once.

        Raises:
            RecordError: As :func:`~adpfl_bench.records.doubled_rounds.keep_once`; or the file could not be written.
        """
        if not self.rounds_file.exists():
            return []
        lines = {number: lines for number, lines in self.round_lines().items() if number <= completed}
        kept, doubled = keep_once(lines, chain, self.rounds_file)
        self._write(self.rounds_file, csv_text([RoundRow._fields]).encode() + b"".join(kept.values()))
        return doubled

    def round_lines(self) -> dict[int, bytes]:
        """Return each round's lines of rounds.csv as they stand; what a crash left unfinished is passed over.

        Raises:
            RecordError: It is missing, or a line does not begin with the number of a round.
        """
        found: dict[int, list[bytes]] = {}
        try:
            for line in self.rounds_file.read_bytes().split(b"\n")[1:-1]:
                found.setdefault(int(line.partition(b",")[0]), []).append(line + b"\n")
        except (OSError, ValueError) as error:
            raise _no_rounds(self.rounds_file, error) from error
        return {number: b"".join(lines) for number, lines in found.items()}

    def read_rounds(self) -> list[RoundRow]:
        """Read rounds.csv; a last line that a crash left unfinished is passed over.

        Raises:
            RecordError: It is missing or malformed.
        """
        return [RoundRow(*row) for row in parse_rounds(self.rounds_content(), self.rounds_file).rows()]

    def rounds_content(self) -> bytes:
        """Return rounds.csv as it is, for ``parse_rounds``.

        Raises:
            RecordError: It cannot be read.
        """
        try:
            return self.rounds_file.read_bytes()
        except OSError as error:
            raise _no_rounds(self.rounds_file, error) from error

    def write_cases(self, rows: Sequence[CaseScore]) -> None:
        """Replace the lines of cases.csv of the splits in ``rows``; those of other splits stay.

        Raises:
            RecordError: It could not be written; the earlier one is whole.
        """
        splits = {row.split for row in rows}
        kept = [row for row in self.read_cases() if row.split not in splits] if self.cases_file.exists() else []
        ordered = sorted([*kept, *rows], key=lambda row: (row.split, row.client, row.case, row.region, row.model))
        columns = columns_of(ordered)
        lines = ([line.get(column) for column in columns] for line in map(to_line, ordered))
        self._write(self.cases_file, csv_text([columns, *lines]))

    def cases_content(self) -> bytes:
        """Return cases.csv as it is, for ``parse_scores``.

        Raises:
            RecordError: It is missing or cannot be read.
        """
        try:
            return self.cases_file.read_bytes()
        except FileNotFoundError:
            raise RecordError(
                f"{self.path} has no {self.cases_file.name}: the run has not been scored yet; finish it with"
                " --ckpt_path last."
            ) from None
        except OSError as error:
            raise RecordError(f"{self.cases_file} cannot be read as a table of cases: {error}") from error

    def read_scores(self) -> ScoreColumns:
        """Read cases.csv by columns; one without a column ``model`` holds scores of the global model.

        Raises:
            RecordError: It is missing or malformed.
        """
        return parse_scores(self.cases_content(), self.cases_file)

    def read_cases(self) -> list[CaseScore]:
        """As :meth:`read_scores`, line by line."""
        return list(self.read_scores())

    def write_examples(self, content: bytes) -> None:
        """Replace examples.npz.

        Raises:
            RecordError: It could not be written; the earlier one is whole.
        """
        self._write(self.examples_file, content)

    def remove_scores(self) -> None:
        """Remove what a run says of its scores, which new weights make untrue.

        Raises:
            RecordError: A file could not be removed.
        """
        for path in (self.cases_file, self.examples_file):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise RecordError(f"{path} could not be removed: {error.strerror}. Remove it by hand.") from error

    def _write(self, path: Path, content: str | bytes) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            replace_file(path, content.encode() if isinstance(content, str) else content)
        except OSError as error:
            raise _unwritable(path, error) from error


def _no_rounds(path: Path, error: Exception) -> RecordError:
    return RecordError(f"{path} cannot be read as a table of rounds: {error!r}")


def _unwritable(path: Path, error: OSError) -> RecordError:
    return RecordError(
        f"{path} could not be written: {error.strerror}. What it held before is unchanged; make room or fix the"
        " folder, then continue with --ckpt_path last."
    )
