"""How many processes and threads a run on a CPU has, where the command line leaves it to the suite."""

import itertools
import re

import pytest

from adpfl_bench.config.config_files import settle
from adpfl_bench.running.process_choice import Share, Work, choose, memory_gib, work_of
from adpfl_bench.running.stated_settings import stated_settings


def work(*options, command="fit"):
    line = settle(["--config", "tasks/isic.yaml", *options])
    return work_of(command, stated_settings(line), line.trusted)


@pytest.fixture(autouse=True)
def on_linux_outside_slurm(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


@pytest.mark.parametrize(
    ("participants", "processors", "share"),
    [
        (4, 1, Share(1, 1)),
        (4, 2, Share(2, 1)),
        (4, 3, Share(3, 1)),
        (4, 4, Share(4, 1)),
        (4, 8, Share(4, 2)),
        (3, 64, Share(3, 21)),
        (100, 16, Share(16, 1)),
        (1, 4, Share(1, 4, "one client at a time takes part")),
    ],
)
def test_each_participant_has_a_process_and_each_process_its_part_of_the_processors(participants, processors, share):
    assert choose(Work(participants, 1.0), processors, 256.0) == share


def test_no_more_is_taken_than_there_is():
    for participants, processors, memory, loaders, threads in itertools.product(
        (1, 2, 3, 5, 40), (1, 2, 3, 7, 32), (1.0, 4.0, 64.0), (0, 1, 9), (None, 1, 2)
    ):
        work = Work(participants, 1.5, loaders=loaders)
        share = choose(work, processors, memory, threads)
        assert 1 <= share.processes <= participants
        assert share.threads == (threads or share.threads)
        if share.processes > 1:
            assert share.processes * share.threads + loaders <= processors
            assert share.processes * 1.5 <= memory


def test_threads_follow_from_machine_and_settings_so_that_any_number_of_processes_leaves_the_same_bits():
    # What a second process finds no memory for is known before, and not from what happens to be free.
    assert choose(Work(4, 3.0), 4, 8.0) == Share(2, 2)
    assert choose(Work(4, 3.0), 4, 5.0) == Share(1, 4, "5 GiB of memory are too little for two, which need some 6.0")
    # OMP_NUM_THREADS is what one compares runs by.
    assert choose(Work(4, 1.0), 4, 64.0, threads=2) == Share(2, 2)
    assert choose(Work(4, 1.0), 2, 64.0, threads=2) == Share(1, 2)


@pytest.mark.parametrize(
    ("options", "participants"),
    [
        ([], 4),  # four sizes
        (["--data.partition", "NaturalPartition"], 4),  # only the data will tell
        (["--data.partition", "IIDPartition", "--data.partition.clients", "7"], 7),
        (["--data.partition.init_args.sizes", "[1,2,3]"], 3),
        (["--data.partition", "{class_path: IIDPartition, init_args: {clients: 9}}"], 9),
        (["--federated.clients_per_round", "2"], 2),
        (["--federated.participation", "0.5"], 2),
        (["--config", "callbacks/centralized.yaml"], 1),
    ],
)
def test_participants_of_a_round_are_read_from_the_settings(options, participants):
    assert work(*options).participants == participants


def test_memory_grows_with_the_batch():
    images, volumes = work(), work("--data.patch_size", "[128,128,128]", "--data.batch_size", "2")
    assert images.gib == pytest.approx(0.8 + 8 * 128 * 128 * 2000 / 2**30)
    assert volumes.gib == pytest.approx(0.8 + 2 * 128**3 * 2000 / 2**30)
    assert 0.1 < memory_gib() < 1e5


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--trust", "clinic"], r"code of your own takes part \(clinic\)"),
        (["--trainer.max_time", "00:01:00:00"], "a Timer reads the clock"),
        (["--trainer.callbacks", "[{class_path: Timer}]"], "a Timer reads the clock"),
        (["--trainer.limit_val_batches", "3"], "trainer.limit_val_batches is 3"),
        (["--trainer.limit_test_batches", "1"], "trainer.limit_test_batches is 1"),
        (["--trainer.fast_dev_run", "true"], "trainer.fast_dev_run is set"),
        (["--trainer.profiler", "simple"], "trainer.profiler is set"),
    ],
)
def test_what_only_one_process_can_do_is_left_to_one_and_said(options, reason):
    found = work(*options)
    assert found.alone is not None
    assert re.search(reason, found.alone)
    assert choose(found, 8, 256.0) == Share(1, 8, found.alone)
    assert work("--trainer.limit_val_batches", "0").alone is None
    assert work("--trainer.limit_val_batches", "1.0").alone is None


def test_slurm_s_queue_is_left_to_one_process(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert "Slurm" in (work().alone or "")


def test_another_class_starts_without_the_arguments_of_the_former():
    line = settle(["--config", "tasks/isic.yaml", "--data.partition", "IIDPartition", "--data.batch_size=4"])
    found = stated_settings(line)
    assert found["data.partition.class_path"].endswith("IIDPartition")
    assert "data.partition.sizes" not in found
    assert found["data.batch_size"] == 4
    same = stated_settings(settle(["--config", "tasks/isic.yaml"]))
    assert same["data.partition.sizes"] == [380, 270, 190, 120]


def test_a_word_that_is_no_yaml_is_a_text_as_it_is_for_the_parser():
    found = stated_settings(settle(["--method=@home", "--data.root", "a: b: c"]))
    assert (found["method"], found["data.root"]) == ("@home", "a: b: c")
