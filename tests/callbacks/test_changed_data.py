"""Data that were changed between a run and what goes on with it: refused, with the first file that differs."""

import json
import os

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.data.case import Case
from adpfl_bench.errors import CheckpointError, DataError, RecordError
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.records.run_directory import RunDirectory
from tests.toy_federation import ToyDataModule

FILE = "images/alps-7.png"


class FilesDataModule(ToyDataModule):
    """The toy's cases, each with a file of its own and a label that all share, which nobody reads but to hash them."""

    def __init__(self, folder, **federation):
        super().__init__(**federation)
        self.root = folder

    def scan(self, root):
        cases = [(case.case_id, case.site) for case in super().scan(root)]
        files = [(root / "images" / f"{name}.png", root / "labels.nii.gz") for name, _ in cases]
        return [
            Case(name, name, (file,), label, site) for (name, site), (file, label) in zip(cases, files, strict=True)
        ]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    for case in ToyDataModule().scan(root):
        (root / "images" / f"{case.case_id}.png").write_text(f"pixels of {case.case_id}")
    (root / "labels.nii.gz").write_bytes(b"labels")
    return root


@pytest.fixture
def trainer_of(make_trainer, tmp_path):
    def make(rounds=1, run="run", private=False):
        privacy = [DifferentialPrivacy("batch", FixedThreshold(1.0), GaussianMechanism(), 1.0)] * private
        saved = ModelCheckpoint(tmp_path / run, save_last=True, save_on_train_epoch_end=True)
        return make_trainer(FederatedLoop(rounds), *privacy, RunRecorder(), saved, default_root_dir=tmp_path / run)

    return make


@pytest.fixture
def run(trainer_of, toy_task, folder, tmp_path):
    """A run of one round, whose test cases are scored."""
    trainer, task, data = trainer_of(), toy_task(), FilesDataModule(folder)
    trainer.fit(task, datamodule=data)
    trainer.test(task, datamodule=data, verbose=False)
    return tmp_path / "run"


def alter(path, content=None):
    """Replace a file by one of the same size and time of modification."""
    status = path.stat()
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()) if content is None else content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES = {
    "an image": (lambda folder: alter(folder / FILE), f"{FILE} of the case alps-7 has another content"),
    "the label of every case": (
        lambda folder: alter(folder / "labels.nii.gz"),
        "labels.nii.gz of the case alps-0 has another content, as one of 40 files",
    ),
    "all images": (
        lambda folder: [alter(path) for path in (folder / "images").iterdir()],
        "images/alps-0.png of the case alps-0 has another content, as one of 40 files",
    ),
    "the size alone": (lambda folder: alter(folder / FILE, b"longer" * 9), f"{FILE} of the case alps-7 has another"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_run_does_not_go_on_with_other_data(run, trainer_of, toy_task, folder, what):
    before = (run / "run.json").read_bytes(), (run / "cases.csv").read_bytes()
    change, said = CHANGES[what]
    change(folder)
    again = {"datamodule": FilesDataModule(folder), "ckpt_path": run / "last.ckpt"}
    with pytest.raises(
        CheckpointError, match=f"made from other data than there are now: {said}.*Restore.*bench evaluate"
    ):
        trainer_of(2).fit(toy_task(), **again)
    for command in ("test", "validate"):
        with pytest.raises(
            RecordError, match=f"was made with other data than there are now: {said}.*Restore.*bench evaluate"
        ):
            getattr(trainer_of(), command)(toy_task(), **again)
    assert ((run / "run.json").read_bytes(), (run / "cases.csv").read_bytes()) == before


def test_a_run_goes_on_with_data_that_were_only_touched(run, trainer_of, toy_task, folder):
    root = RunDirectory(run).read_record().data.contents.root
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    again = {"datamodule": FilesDataModule(folder), "ckpt_path": run / "last.ckpt"}
    trainer_of(2).fit(toy_task(), **again)
    trainer_of(2).test(toy_task(), verbose=False, datamodule=FilesDataModule(folder), ckpt_path=run / "last.ckpt")
    record = RunDirectory(run).read_record()
    assert (record.status, record.rounds_completed, record.data.contents.root) == ("finished", 2, root)


def test_files_are_named_wherever_their_digests_are(run, trainer_of, toy_task, folder):
    alter(folder / FILE)
    again = {"datamodule": FilesDataModule(folder), "ckpt_path": run / "last.ckpt"}
    (run / "data.csv").rename(run.parent / "data.csv")  # above the checkpoint, which is what is given here
    with pytest.raises(CheckpointError, match=f"{FILE} of the case alps-7"):
        trainer_of(2, run="other").fit(toy_task(), **again)
    (run.parent / "data.csv").write_text("broken")
    with pytest.raises(CheckpointError, match=r"what their files hold \(data\.contents of run\.json\) was .* and is "):
        trainer_of(2, run="other").fit(toy_task(), **again)
    with pytest.raises(RecordError, match="what their files hold was "):
        trainer_of().test(toy_task(), **again)


def test_scores_of_other_data_may_go_elsewhere_and_predictions_anywhere(run, trainer_of, toy_task, folder):
    alter(folder / FILE)
    again = {"datamodule": FilesDataModule(folder), "ckpt_path": run / "last.ckpt"}
    trainer_of(run="elsewhere").test(toy_task(), verbose=False, **again)
    assert (run.parent / "elsewhere/cases.csv").exists()
    trainer_of().predict(toy_task(), **again)


def test_cases_that_are_divided_otherwise_are_not_scored(run, trainer_of, toy_task, folder):
    with pytest.raises(RecordError, match=r"partition\.csv divides them among clients and splits in another way"):
        trainer_of().test(toy_task(), datamodule=FilesDataModule(folder, split_seed=1), ckpt_path=run / "last.ckpt")


def test_earlier_records_are_compared_by_names_and_sizes(run, trainer_of, toy_task, folder):
    record = json.loads((run / "run.json").read_text())
    del record["data"]["contents"]
    (run / "run.json").write_text(json.dumps(record))
    alter(folder / FILE)
    again = {"ckpt_path": run / "last.ckpt"}
    trainer_of().test(toy_task(), verbose=False, datamodule=FilesDataModule(folder), **again)
    alter(folder / FILE, b"longer" * 9)
    with pytest.raises(RecordError, match="names or sizes of their files were"):
        trainer_of().test(toy_task(), datamodule=FilesDataModule(folder), **again)


def test_what_changes_in_the_middle_of_a_run_is_told_before_it_is_scored(trainer_of, toy_task, folder, tmp_path):
    trainer, task, data = trainer_of(), toy_task(), FilesDataModule(folder)
    trainer.fit(task, datamodule=data)
    alter(folder / FILE)
    for command in ("validate", "test", "predict"):
        with pytest.raises(DataError, match=rf"{FILE} of the case alps-7 was changed after this run had read it"):
            getattr(trainer, command)(task, datamodule=data)
    assert not (tmp_path / "run/cases.csv").exists()


def test_noise_has_another_key_for_other_contents(trainer_of, toy_task, folder):
    def key(run):
        trainer = trainer_of(run=run, private=True)
        trainer.fit(toy_task(), datamodule=FilesDataModule(folder))
        (session,) = trainer.callbacks[1].engine.books.state_dict()["sessions"]
        return session

    first = key("first")
    assert key("again") == first
    alter(folder / FILE)
    assert key("other") != first
