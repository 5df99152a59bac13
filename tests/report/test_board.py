"""The board: many groups are drawn in processes with the bytes of one, and what a run kept is read once."""

from adpfl_bench.report import kept_cases
from adpfl_bench.report.board import make_board
from adpfl_bench.report.page import to_html
from tests.leaderboard.records import edit_record, toy_runs, write_examples, write_rounds


def two_groups(root):
    """The golden table's runs under two names of tasks."""
    for task in ("toy", "other"):
        runs = toy_runs(root / task)
        for folder in sorted(runs.iterdir()):
            write_rounds(folder, thresholds=False)
            if task == "other":
                edit_record(folder, task=task)
    write_examples(root / "toy" / "dp", ["a1", "a2", "b"])
    (root / "toy" / "adp" / "examples.npz").write_bytes(b"no archive")
    return root


def test_processes_draw_what_one_draws(tmp_path, monkeypatch):
    root, made = two_groups(tmp_path), []
    for least in (10**9, 1):
        monkeypatch.setattr("adpfl_bench.report.board._FOR_PROCESSES", least)
        monkeypatch.setattr("adpfl_bench.report.board.count_processors", lambda: 2)
        board = make_board([root])
        files = {slug: drawn.files() for slug, drawn in board.illustrations.items()}
        made.append((to_html(board.tables, board.left_out, board.illustrations), files, board.shows_patients))
    assert made[0] == made[1]
    page, files, _ = made[0]
    assert [slug.partition("-")[0] for slug in files] == ["other", "toy"]
    assert "examples.npz cannot be read" in page


def test_what_a_run_kept_is_read_once(tmp_path, monkeypatch):
    read, read_kept = [], kept_cases.read_kept

    def counting(path):
        read.append(path.parent.name)
        return read_kept(path)

    monkeypatch.setattr(kept_cases, "read_kept", counting)
    board = make_board([two_groups(tmp_path)])
    assert sorted(read) == ["adp", "adp", "dp", "dp", "fedavg0", "fedavg0"]
    assert [entry.folder.name for entry in board.left_out] == ["adp"]
    (drawn,) = (drawn for drawn in board.illustrations.values() if drawn.shows_cases)
    assert [gallery.label for gallery in drawn.gallery] == ["dp_fl"]
