"""Bad folders of runs: read-only, full, or with something else where a file or a folder is meant."""

from dataclasses import replace

from tests.corpus.asks import with_run
from tests.corpus.bad_folders import DENIED, bound, file_at, folder_at, loop_at, read_only
from tests.corpus.conditions import small_disk, small_files, under
from tests.corpus.damages import Damage, nothing
from tests.corpus.kind import Accepted, Ask, Kind, Refused

NEW = "--trainer.default_root_dir=RUN-new"


def _fit(*words: str) -> Ask:
    """Return a fit into another folder than that of the good run, whose folder is called ``RUN``."""
    return with_run("fit", ("--federated.rounds=1", *words))


_ROWS: list[tuple[str, Damage, Ask, Accepted | Refused]] = [
    (
        "fit into a read-only folder",
        read_only("locked"),
        bound(_fit("--trainer.default_root_dir=RUN/../locked/run")),
        Refused(f"locked/run.* {DENIED}"),
    ),
    (
        "fit below a file",
        file_at("file"),
        _fit("--trainer.default_root_dir=RUN/../file/run"),
        Refused("file/run.*Not a directory"),
    ),
    (
        "fit into a file",
        file_at("file"),
        _fit("--trainer.default_root_dir=RUN/../file"),
        Refused("file.*(Not a directory|File exists)"),
    ),
    (
        "fit through a link to itself",
        loop_at("loop"),
        _fit("--trainer.default_root_dir=RUN/../loop/run"),
        Refused("loop/run cannot be locked for this run: ([Tt]oo many levels|Symlink loop)"),
    ),
    (
        "fit into a name that is too long",
        nothing,
        _fit(f"--trainer.default_root_dir=RUN{'x' * 300}"),
        Refused("File name too long"),
    ),
    (
        "fit on a full disk",
        nothing,
        under(
            lambda root: small_disk(root / "disk"),
            "on a small disk",
            _fit("--trainer.default_root_dir=RUN/../disk/run"),
        ),
        Refused("disk/run.*(No space left on device|File too large)"),
    ),
    (
        "fit of files that may not grow",
        nothing,
        under(lambda root: small_files(), "no file beyond 100 bytes", _fit(NEW)),
        Refused("File too large"),
    ),
    (
        "fit of files of at most 3,000 bytes",
        nothing,
        under(lambda root: small_files(3000), "no file beyond 3,000 bytes", _fit(NEW)),
        Refused("File too large"),
    ),
    (
        "fit of files of at most 12,000 bytes",
        nothing,
        under(lambda root: small_files(12_000), "no file beyond 12,000 bytes", _fit(NEW)),
        Refused("File too large"),
    ),
    (
        "fit with a read-only folder of phantoms",
        read_only("phantoms"),
        bound(_fit(NEW, "--data.phantom_directory=RUN/../phantoms")),
        Refused(f"phantoms.* cannot be written: {DENIED}"),
    ),
    *(
        (
            f"fit where {name} is a folder",
            folder_at(f"run-new/{name}"),
            _fit(NEW),
            Refused(f"{name}.*(Is a directory|Directory not empty)"),
        )
        for name in (
            "run.json",
            "rounds.csv",
            "cases.csv",
            "partition.csv",
            "data.csv",
            "config.yaml",
            "privacy_ledger.json",
            "examples.npz",
            "checkpoints/last.ckpt",
        )
    ),
    (
        "fit where checkpoints is a file",
        file_at("run-new/checkpoints"),
        _fit(NEW),
        Refused("checkpoints.*(Not a directory|File exists)"),
    ),
    ("test in a run that is read-only", read_only("run"), bound(with_run("test")), Refused(DENIED)),
    (
        "test where examples.npz is a folder",
        folder_at("run/examples.npz"),
        replace(with_run("test"), rewrites=("trained/run/run.json",)),
        Refused("examples.npz.*Is a directory"),
    ),
    ("predict into a read-only run", read_only("run"), bound(with_run("predict")), Refused(DENIED)),
    (
        "predict where predictions is a file",
        file_at("run/predictions"),
        with_run("predict"),
        Refused("predictions.*(Not a directory|File exists)"),
    ),
]

RUN_FOLDERS = [Kind("run folders", *row) for row in _ROWS]
