"""The leaderboard in LaTeX: parsed by hand, and compiled where LaTeX is."""

import re
import shutil
import subprocess

import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.latex import escape_latex, to_latex
from adpfl_bench.leaderboard.table import tabulate
from tests.leaderboard.golden_runs import write_golden_runs
from tests.leaderboard.records import private, write_run

EVIL = 'a_b & 50% $x$ #1 {y} ~ ^ \\ <z> | "q" – é'  # noqa: RUF001


def latex_of(root):
    groups, *_ = compare_runs(find_runs([root]))
    return to_latex([table for group in groups for table in tabulate(group)])


@pytest.fixture
def evil(tmp_path):
    write_golden_runs(tmp_path / "golden")
    write_run(tmp_path / "evil", EVIL, {"b": 0.5}, task=EVIL, privacy=private(3.0))
    write_run(tmp_path / "starred", "*[x]", {"b": 0.6}, task=EVIL)
    return tmp_path


def bodies(text):
    """Column letters and lines of cells of each table."""
    found = []
    for columns, body in re.findall(r"\\begin{tabular}{@{}([lr]+)@{}}\n(.*?)\\end{tabular}", text, re.DOTALL):
        lines = [line for line in body.splitlines() if not re.fullmatch(r"\\(top|mid|bottom)rule", line)]
        assert all(line.endswith(r" \\") for line in lines)
        found.append((columns, [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in lines]))
    return found


def test_there_is_a_table_for_each_task_and_region(evil):
    text = latex_of(evil)
    for kind in ("table", "tabular"):
        assert text.count(rf"\begin{{{kind}}}") == text.count(rf"\end{{{kind}}}") == 4
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(rf"\{rule}") == 4
    labels = re.findall(r"\\label{(.*)}", text)
    assert len(set(labels)) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9:-]+", label) for label in labels)
    assert "region whole: 12 test cases of 9 patients" in text


def test_every_line_has_every_column(evil):
    for columns, lines in bodies(latex_of(evil)):
        assert len(lines) >= 2
        assert {len(cells) for cells in lines} == {len(columns)}


def test_braces_are_balanced_and_nothing_is_left_to_be_read_as_markup(evil):
    text = re.sub(r"(?m)^%.*$", "", latex_of(evil))
    plain = re.sub(r"\\[\\{}&%$#_~^]", "", text)
    depth = 0
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert not re.search(r"[#$%^~]", plain)
    assert not re.search(r"\\\\\s*[*\[]", text)  # which the line break would take for its own


def test_numbers_are_those_of_the_table(tmp_path):
    write_golden_runs(tmp_path)
    groups, *_ = compare_runs(find_runs([tmp_path / "toy"]))
    tables = [table for group in groups for table in tabulate(group)]
    for table, (_, (headings, *lines)) in zip(tables, bodies(to_latex(tables)), strict=True):
        assert headings[:3] == ["Method", "Seeds", r"Dice (\%)"]
        ranks = {row.label: row.rank for row in table.statistics.ranking}
        for row, cells in zip(table.rows, lines, strict=True):
            assert cells[0] == row.label.replace("_", r"\_")
            assert cells[1:4] == [
                str(row.n_seeds),
                f"{100 * row.mean:.2f}",
                f"[{100 * row.ci_low:.1f}, {100 * row.ci_high:.1f}]",
            ]
            assert cells[6].split()[0] == str(ranks[row.label])
            expected = {"none": "not private", "record": "8"}.get(row.unit)
            assert cells[8] == (expected or ("8.5" if row.label == "dp_fl" else "no proof"))


def test_several_deltas_have_a_column(tmp_path):
    for method, delta in {"a": 1e-4, "b": 1e-5}.items():
        block = private(3.0)
        block["accounted"]["delta"] = delta
        write_run(tmp_path / method, method, {"b": 0.5}, privacy=block)
    ((_, (headings, *lines)),) = bodies(latex_of(tmp_path))
    assert headings[-1] == "Delta"
    assert sorted(cells[-1] for cells in lines) == ["0.0001", "1e-05"]


def test_every_special_character_is_escaped():
    expected = (
        r"a\_b \& 50\% \$x\$ \#1 \{y\} \~{} \^{} \textbackslash{} \textless{}z\textgreater{}"
        r" \textbar{} ''q'' -- é"
    )
    assert escape_latex(EVIL) == expected
    assert escape_latex("a\n b\t c") == "a b c"


@pytest.mark.parametrize("program", ["pdflatex", "tectonic"])
def test_it_compiles_in_a_document_with_booktabs(evil, tmp_path, program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    (tmp_path / "leaderboard.tex").write_text(latex_of(evil))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\input{leaderboard}\n\\end{document}\n"
    )
    options = ["-interaction=nonstopmode", "-halt-on-error"] if program == "pdflatex" else []
    result = subprocess.run(
        [program, *options, "paper.tex"], cwd=tmp_path, capture_output=True, text=True, check=False, errors="replace"
    )
    assert result.returncode == 0, result.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 0
