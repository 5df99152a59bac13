"""Bad folders: read-only, full, gone, of another kind than is meant, or of names that are no text."""

import shutil
from pathlib import Path

from tests.corpus.asks import command, divide
from tests.corpus.conditions import bound_by_permissions, small_disk, small_files, under
from tests.corpus.damages import Damage, nothing
from tests.corpus.kind import Accepted, Ask, Kind, Refused


def read_only(*names: str) -> Damage:
    """Make folders that are there, and take the right to write in them."""

    def damage(root: Path) -> None:
        for name in names:
            folder = root / name
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o555)

    return damage


def unreadable(name: str) -> Damage:
    """Take the right to read a file or a folder."""
    return lambda root: (sorted(root.glob(name))[0] if name else root).chmod(0)


def file_at(name: str) -> Damage:
    """Put a file where a folder is meant."""

    def damage(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a file\n")

    return damage


def folder_at(name: str) -> Damage:
    """Put a folder, with something in it, where a file is meant."""

    def damage(root: Path) -> None:
        path = root / name
        if path.exists():
            path.unlink()
        path.mkdir(parents=True)
        (path / "something").touch()

    return damage


def loop_at(name: str) -> Damage:
    """Put a link to itself somewhere."""

    def damage(root: Path) -> None:
        (root / name).symlink_to(root / name)

    return damage


def _phantom(output: str) -> Ask:
    words = ("phantom", "isic", "--cases", "2", "--image_size", "[32,40]", "--output")
    return command("phantom", "nothing", lambda root: [*words, root / output])


def _prepare(cache: str) -> Ask:
    return command(
        "prepare",
        "kits",
        lambda root: ["prepare", "kits", "--root", root, "--workers", "1", "--cache_directory", root.parent / cache],
    )


def _report() -> Ask:
    return command("report", "runs", lambda root: ["report", root, "--output", root / "r.html", "--overlays", "false"])


def _leaderboard(output: str) -> Ask:
    return command(
        "leaderboard",
        "runs",
        lambda root: ["leaderboard", root / "dp", "--output", root / output, "--overlays", "false"],
    )


def bound(ask: Ask) -> Ask:
    return under(lambda root: bound_by_permissions(), "bound by permissions", ask)


DENIED = "Permission denied"

_ROWS: list[tuple[str, Damage, Ask, Accepted | Refused]] = [
    (
        "phantom in a read-only folder",
        read_only("out"),
        bound(_phantom("out/x")),
        Refused(rf"out/x cannot be written: {DENIED}"),
    ),
    (
        "phantom below a file",
        file_at("out"),
        _phantom("out/x"),
        Refused("out/x cannot be written: Not a directory"),
    ),
    (
        "phantom in the place of a file",
        file_at("out"),
        _phantom("out"),
        Refused("out exists and is not a phantom"),
    ),
    (
        "phantom on a full disk",
        nothing,
        under(lambda root: small_disk(root / "disk"), "on a small disk", _phantom("disk/x")),
        Refused("disk/x cannot be written: (No space left on device|File too large)"),
    ),
    (
        "phantom of files that may not grow",
        nothing,
        under(lambda root: small_files(), "no file beyond 100 bytes", _phantom("x")),
        Refused("x cannot be written: File too large"),
    ),
    (
        "phantom of a name that is too long",
        nothing,
        _phantom("x" * 300),
        Refused("cannot be written: File name too long"),
    ),
    (
        "phantom through a link to itself",
        loop_at("loop"),
        _phantom("loop/x"),
        Refused("cannot be written: Too many levels"),
    ),
    (
        "prepare into a read-only folder",
        read_only("../cache"),
        bound(_prepare("cache")),
        Refused(f"cache.*cannot be written: .*{DENIED}"),
    ),
    ("prepare below a file", file_at("../cache"), _prepare("cache"), Refused("cache.*cannot be written")),
    (
        "prepare on a full disk",
        nothing,
        under(lambda root: small_disk(root.parent / "disk"), "on a small disk", _prepare("disk")),
        Refused("disk.*cannot be written: .*(No space left|File too large)"),
    ),
    (
        "prepare of files that may not grow",
        nothing,
        under(lambda root: small_files(), "no file beyond 100 bytes", _prepare("cache")),
        Refused("cache.*cannot be written: .*File too large"),
    ),
    (
        "prepare of a file that cannot be read",
        unreadable("**/imaging.nii.gz"),
        bound(_prepare("cache")),
        Refused(f"imaging.nii.gz of the case case_00000 cannot be read: {DENIED}; restore it"),
    ),
    (
        "a dataset's folder that cannot be read",
        unreadable(""),
        bound(divide("isic")),
        Refused(f"cannot be listed: {DENIED}"),
    ),
    (
        "a folder of images that cannot be read",
        unreadable("ISIC-2017_Training_Data"),
        bound(divide("isic")),
        Refused(f"cannot be listed: {DENIED}"),
    ),
    (
        "metadata that cannot be read",
        unreadable("HAM10000_metadata.csv"),
        bound(divide("ham10000")),
        Refused(f"cannot be read: {DENIED}"),
    ),
    (
        "leaderboard into a read-only folder",
        read_only("out"),
        bound(_leaderboard("out/x")),
        Refused(f"out/x.* could not be written: {DENIED}"),
    ),
    (
        "leaderboard into a file",
        file_at("out"),
        _leaderboard("out"),
        Refused("out.* could not be written: (Not a directory|File exists)"),
    ),
    (
        "report of runs that cannot be read",
        unreadable("adp"),
        bound(_report()),
        Accepted(
            "left out, with the reason", lambda a: "left out" in a.text and "adp/run.json cannot be read" in a.text
        ),
    ),
    (
        "report of a folder with a link to itself",
        loop_at("loop"),
        _report(),
        Accepted("passed over", lambda a: "r.html" in a.text),
    ),
    (
        "leaderboard of nothing",
        lambda root: shutil.rmtree(root / "dp"),
        _leaderboard("out"),
        Refused("dp does not exist; give run folders"),
    ),
]

FOLDERS = [Kind("folders", *row) for row in _ROWS]
