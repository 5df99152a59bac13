"""History of a run: the chain of its rounds, from its start or its checkpoint to its last round."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lightning.pytorch import LightningModule, Trainer

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.lookup import find_callback
from adpfl_bench.errors import CheckpointError, score_beside
from adpfl_bench.peers import peers
from adpfl_bench.privacy.ledger import PrivacyLedger
from adpfl_bench.privacy.noise_key import weights_digest
from adpfl_bench.records.blocks import ProcessesBlock
from adpfl_bench.records.chain import ChainBlock, run_origin
from adpfl_bench.records.checkpoint_block import CheckpointBlock
from adpfl_bench.records.extension_block import ExtensionBlock
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import DigestsBlock, RunRecord


class RunHistory:
    """The chain of a run's rounds; of a run that is resumed that of its checkpoint, which the record must agree with.

    Attributes:
        earlier: The record that the folder held when the run was resumed.
        chain: The chain so far; ``None`` before the run is open.
        processes: Who trained these rounds.
        extended: Rounds that were added to those that the run was first planned with.
    """

    def __init__(self) -> None:
        self.earlier: RunRecord | None = None
        self.chain: ChainBlock | None = None
        self.processes: tuple[ProcessesBlock, ...] = ()
        self.extended: tuple[ExtensionBlock, ...] = ()
        self._planned: int | None = None

    def restore(self, checkpoint: CheckpointBlock) -> None:
        """Go on from a checkpoint; one from before there was a chain has none."""
        self.chain, self.processes = checkpoint.chain, checkpoint.processes
        self.extended, self._planned = checkpoint.extended, checkpoint.planned_rounds

    def open(self, record: RunRecord, partition: bytes, resuming: bool) -> None:
        """Give the record of a run that starts its digests.

        Args:
            record: The record, as it starts.
            partition: What partition.csv will hold.
            resuming: Whether a checkpoint has been restored.

        Raises:
            CheckpointError: The checkpoint tells of other rounds than the record that the folder held, or of rounds on
                another partition.
        """
        division = hashlib.sha256(partition).hexdigest()
        origin = run_origin(record.seed, record.data.kind, record.data.fingerprint, division)
        chain = self.chain if resuming else None
        if chain is None:
            chain = ChainBlock(origin=origin)
        elif chain.origin != origin:
            raise CheckpointError(
                "The checkpoint belongs to another run: it was made with another seed, on other data, or with another"
                " division of them among clients than there is now. Restore what was changed, or start a new run"
                f" without --ckpt_path. {score_beside()}"
            )
        before = self.earlier.digests if self.earlier is not None else None
        if resuming and before is not None and (place := chain.parts_from(before.chain)) is not None:
            where = f"round {place}" if place else "their start"
            raise CheckpointError(
                f"The checkpoint and the run.json of this folder are of different histories, which part at {where}:"
                " restore the one that belongs to the other, or resume in a folder of its own"
                " (--trainer.default_root_dir)."
            )
        self.chain = chain
        self.processes = self.processes if resuming else ()
        record.processes = self.processes
        record.digests = DigestsBlock(chain=chain)
        self._note_extension(record, resuming)

    def _note_extension(self, record: RunRecord, resuming: bool) -> None:
        """State what was added to the rounds that the checkpoint was planned with."""
        rounds, before = record.federated.rounds, self._planned if resuming else None
        self.extended = self.extended if resuming else ()
        if before is not None and rounds > before:
            completed, when = record.rounds_completed, record.started
            added = ExtensionBlock(from_rounds=before, rounds=rounds, completed=completed, when=when)
            self.extended = (*self.extended, added)
        if self.extended:
            record.extended = self.extended

    def keep_rounds(self, directory: RunDirectory, completed: int) -> None:
        """Drop the lines of rounds after the checkpoint, and those that stand twice.

        Raises:
            RecordError: The lines say two different things of a round.
        """
        doubled = directory.keep_rounds(completed, self.chain)
        if doubled:
            rounds = f"round {doubled[0]}" if len(doubled) == 1 else f"{len(doubled)} rounds, from {doubled[0]} on,"
            print(
                f"{directory.rounds_file} had the numbers of {rounds} more than once, as if two processes had written"
                " there at once; each is kept once."
            )

    def begin(self, record: RunRecord, directory: RunDirectory, completed: int) -> None:
        """Note from which round on the folder has the run's lines, when those after ``completed`` are dropped."""
        assert record.digests is not None
        rounds = directory.round_lines() if directory.rounds_file.exists() else {}
        record.digests.elsewhere = min(rounds, default=completed + 1) - 1

    def go_on(self, record: RunRecord, completed: int) -> None:
        """Note that this moment's processes train the rounds after ``completed``."""
        self.processes = record.processes = continued_by(self.processes, completed)

    def add(self, record: RunRecord, number: int, lines: bytes, trainer: Trainer, module: LightningModule) -> None:
        """Add a round, of which rounds.csv has the lines, to the chain."""
        assert self.chain is not None
        assert record.digests is not None
        privacy = find_callback(trainer, DifferentialPrivacy)
        ledger = privacy.ledger if privacy is not None else PrivacyLedger()
        self.chain = self.chain.extended(number, lines, ledger.state_dict(), weights_digest(module))
        record.digests.chain = self.chain


def continued_by(before: Sequence[ProcessesBlock], completed: int) -> tuple[ProcessesBlock, ...]:
    """Return who trains a run from its start on, where the processes of this moment go on after some rounds.

    Args:
        before: Who has trained it so far.
        completed: The rounds after which they go on.
    """
    others = peers()
    devices, threads = zip(*others.places, strict=True)
    now = ProcessesBlock(
        from_round=completed + 1, number=others.count, devices=devices, threads=threads, backend=others.backend
    )
    kept = [block for block in before if block.from_round <= completed]
    if kept and kept[-1].model_copy(update={"from_round": now.from_round}) == now:
        return tuple(kept)
    return (*kept, now)
