"""What bad inputs are given to: commands, and the readers that they use."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from adpfl_bench.cli import main
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase
from adpfl_bench.data.partitioning.partition import IIDPartition, NaturalPartition
from adpfl_bench.datasets.catalogue import find_datamodule
from adpfl_bench.errors import BenchError
from tests.corpus.kind import Answer, Ask

_SETTINGS: dict[str, dict[str, Any]] = {
    "isic": {"image_size": (16, 16)},
    "ham10000": {"image_size": (16, 16)},
    "lgg": {"patch_size": (8, 8, 2)},
    "brats": {"patch_size": (8, 8, 8), "spacing": None},
    "msd": {"patch_size": (8, 8, 8), "spacing": None},
    "kits": {"patch_size": (8, 8, 4), "spacing": None},
}
_STARTS = {"brats": "brats2021", "msd": "msd_brain"}


def command(name: str, start: str, words: Callable[[Path], Sequence[object]], writes: Sequence[str] = ()) -> Ask:
    """Return what calls a command with words that name the input."""
    return Ask(name, start, lambda root: answer_of(words(root)), tuple(writes))


def answer_of(words: Sequence[object]) -> Answer:
    """Call the command line; what it printed stands in the trial's text."""
    return Answer(main([str(word) for word in words]) != 0, "")


def verify(dataset: str) -> Ask:
    """Return ``adpfl-bench verify`` of a dataset."""
    start = _STARTS.get(dataset, dataset)
    return command("verify", start, lambda root: ["verify", dataset, "--root", root, "--workers", "1"])


def load(dataset: str, **settings: Any) -> Ask:
    """Return what a run does with a dataset before it trains; the value is its evaluation cases by id."""
    return Ask(
        "fit's data", _STARTS.get(dataset, dataset), lambda root: Answer(False, "", loaded(dataset, root, settings))
    )


def both(dataset: str) -> Ask:
    """Return ``verify`` and what a run does with the data, which must agree; sentence and value are the latter's."""

    def answer(root: Path) -> Answer:
        return _agreed(verify(dataset).answer(root), lambda: loaded(dataset, root, {}))

    return Ask("verify, and fit's data", _STARTS.get(dataset, dataset), answer)


def _agreed(verified: Answer, read: Callable[[], Any]) -> Answer:
    """What a run makes of data, of which ``verify`` must think the same."""
    try:
        value = read()
    except BenchError as error:
        if verified.refused:
            return Answer(True, str(error))
        raise AssertionError(f"verify accepts what a run refuses: {error}") from error
    if verified.refused:
        raise AssertionError("verify refuses what a run accepts")
    return Answer(False, "", value)


def own(kind: str, start: str, file: str = "") -> Ask:
    """Return ``verify`` and what a run does with data of one's own, which must agree; the sentence is the latter's.

    Args:
        kind: ``pictures`` or ``volumes``.
        start: The good input.
        file: The table in it.
    """

    def answer(root: Path) -> Answer:
        given = root / file
        how: dict[str, Any] = (
            {"image_size": (16, 16)} if kind == "pictures" else {"patch_size": (8, 8, 4), "spacing": None}
        )
        how |= {"validation_fraction": 0, "test_fraction": 0, "cache_directory": root.parent / "cache"}

        def read() -> Any:
            data: Any = find_datamodule(f"own_{kind}")(given, IIDPartition(1), **how)  # type: ignore[arg-type]
            data.divide()
            data.scheme = data.description.scheme()
            data.setup("fit")
            return {case.case_id: data.evaluation_case(case, True) for case in data._cases}

        return _agreed(answer_of(["verify", f"own_{kind}", "--root", given, "--workers", "1"]), read)

    return Ask(f"verify, and fit's own {kind}", start, answer)


def divide(dataset: str, start: str = "", **settings: Any) -> Ask:
    """Return how a run divides a dataset among clients, before it reads an image; the value is the clients.

    A setting may be a function of the input's folder.
    """

    def answer(root: Path) -> Answer:
        how = {name: value(root) if callable(value) else value for name, value in settings.items()}
        data = _datamodule(dataset, root, {"partition": NaturalPartition(), **how})
        data.divide()
        return Answer(False, "", data.clients)

    return Ask("fit's division", start or _STARTS.get(dataset, dataset), answer)


def with_run(name: str, words: Sequence[str] = (), writes: Sequence[str] = ()) -> Ask:
    """Return a command on the trained run, given as it was made, with further words; ``RUN`` in them is its folder.

    Args:
        name: The command.
        words: Further words.
        writes: What it may change below the run's folder.
    """

    def answer(root: Path) -> Answer:
        _, *made = json.loads((root / "words.json").read_text())
        further = [word.replace("RUN", str(root / "run")) for word in words]
        return answer_of([name, *made, f"--trainer.default_root_dir={root / 'run'}", *further])

    return Ask(" ".join([name, *words]), "trained", answer, tuple(f"trained/run/{pattern}" for pattern in writes))


def loaded(dataset: str, root: Path, settings: dict[str, Any]) -> dict[str, EvaluationCase]:
    """Divide and load a dataset as a fit does, and bring every case as it is scored."""
    data = _datamodule(dataset, root, settings)
    data.setup("fit")
    return {case.case_id: data.evaluation_case(case, True) for case in data._cases}


def _datamodule(dataset: str, root: Path, settings: dict[str, Any]) -> Any:
    kind: Any = find_datamodule(dataset)
    how = {"partition": IIDPartition(1), "validation_fraction": 0, "test_fraction": 0, **_SETTINGS[dataset]}
    data = kind(root, **{**how, "cache_directory": root.parent / "cache", **settings})
    data.scheme = _scheme(dataset)
    return data


def _scheme(dataset: str) -> Any:
    from adpfl_bench.datasets import brats, kits, lgg

    return {"brats": brats.BRATS, "msd": brats.BRATS, "kits": kits.KITS, "lgg": lgg.LGG}.get(dataset)
