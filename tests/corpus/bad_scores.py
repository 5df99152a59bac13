"""Bad cases.csv of a run among others."""

from tests.corpus.bad_run_records import row_of
from tests.corpus.csv_damages import cell, column_twice, header_alone, headless, lines, without_columns
from tests.corpus.damages import (
    WEB_PAGE,
    at,
    content,
    cut,
    line_ends,
    linked,
    made_folder,
    marked,
    recoded,
    removed,
    text,
    written,
    zeros,
)
from tests.corpus.kind import Accepted, Refused, kinds
from tests.corpus.record_asks import RUN, tables, verified

MARKDOWN = "leaderboard.md"
CASES = at(f"{RUN}/cases.csv")


def _listed(meaning: str) -> Accepted:
    return Accepted(meaning, lambda answer: "50.00" in row_of(answer))


_CASES = r"dp/cases\.csv cannot be read as a table of cases: "

SCORES = kinds(
    "case scores",
    tables(),
    [
        ("missing", removed(CASES), Refused("no test scores: there is no cases.csv")),
        ("a folder in its place", made_folder(CASES), Refused(_CASES + ".*Is a directory")),
        ("a link to itself", linked(CASES, lambda path: path.name), Refused("no test scores: there is no cases.csv")),
        ("an empty file", written(CASES, ""), Refused(_CASES + "there is no line of headings")),
        ("zero bytes", zeros(CASES), Refused(_CASES)),
        ("a web page", written(CASES, WEB_PAGE), Refused(_CASES + "there is no column case")),
        (
            "its header alone",
            header_alone(CASES),
            Refused("no test scores: cases.csv has no case of the split test"),
        ),
        ("no header", headless(CASES), Refused(_CASES + "there is no column case")),
        ("its first half", cut(CASES, 0.55), Refused(_CASES + "|test set|cases")),
        ("UTF-16", recoded(CASES, "utf-16"), Refused(_CASES)),
        ("Latin-1", content(CASES, lambda data: data.replace(b"south", b"s\xfcd")), Refused(_CASES)),
        (
            "UTF-8 with a mark",
            marked(CASES),
            Refused(_CASES + "there is no column case"),
        ),
        ("line ends of Windows", line_ends(CASES, "\r\n"), _listed("the same")),
        ("blank lines", line_ends(CASES, "\n\n"), _listed("passed over")),
        ("a column missing", without_columns(CASES, ["dice"]), Refused(_CASES + "there is no column dice")),
        ("no column of models", without_columns(CASES, ["model"]), _listed("scores of the global model")),
        (
            "a column twice",
            column_twice(CASES),
            Refused(_CASES + "the column case is there twice"),
        ),
        (
            "a cell too few",
            lines(CASES, lambda found: [*found[:2], found[2].rpartition(",")[0], *found[3:]]),
            Refused(_CASES + "a line has 11 cells, but there are 12 headings"),
        ),
        (
            "a cell too many",
            lines(CASES, lambda found: [*found[:2], found[2] + ",x", *found[3:]]),
            Refused(_CASES + "a line has 13 cells, but there are 12 headings"),
        ),
        (
            "a line twice",
            lines(CASES, lambda found: [*found, found[1]]),
            Refused("cases.csv scores a region of a test case twice"),
        ),
        (
            "a Dice of text",
            cell(CASES, 2, "dice", "good"),
            Refused(_CASES + "could not convert string to float: 'good'"),
        ),
        ("a comma for a decimal point", cell(CASES, 2, "dice", '"0,5"'), Refused(_CASES + "could not convert string")),
        ("a Dice with underscores", cell(CASES, 2, "dice", "0_6"), Refused(_CASES + "'0_6' is no number")),
        ("no model", cell(CASES, 2, "model", ""), Refused(_CASES + "a line does not say which model it scores")),
        (
            "another model",
            cell(CASES, 2, "model", "north"),
            Refused("cases.csv has no score by the global model for lesion of"),
        ),
        (
            "an unknown split",
            cell(CASES, 2, "split", "holdout"),
            Refused(_CASES + "a split is validation or test, but a line has holdout"),
        ),
        (
            "missed of 5",
            cell(CASES, 2, "missed", "5"),
            Refused(_CASES + "missed should be 0, 1 or empty, but a line has 5"),
        ),
        (
            "a field of 200 KB",
            cell(CASES, 2, "patient", "x" * 200_000),
            Refused(_CASES + ".*field larger than field limit"),
        ),
        ("a quote that is never closed", cell(CASES, 2, "patient", '"P'), Refused(_CASES)),
        ("a NUL", cell(CASES, 2, "patient", "P\0"), Refused(_CASES)),
        (
            "a patient of control characters",
            cell(CASES, 2, "patient", "\x1b[31mP"),
            Refused(_CASES + ".*control character"),
        ),
        (
            "a region of markup",
            text(CASES, lambda table: table.replace("lesion", "<b>x</b>|y")),
            Accepted("a name, in a table of its own", lambda a: r"\<b\>x\</b\>\|y" in a.value["leaderboard.md"]),
        ),
        (
            "a client called as a formula",
            text(CASES, lambda table: table.replace("south", "=1+1")),
            Accepted(
                "a name, escaped in tables",
                lambda a: "'=1+1" in a.value["clients.csv"] and ",=1+1" not in a.value["clients.csv"],
            ),
        ),
        (
            "a client called as a link",
            text(CASES, lambda table: table.replace("south", "[x](http://y)")),
            Accepted("text", lambda a: r"\](http" not in a.value[MARKDOWN] and r"[x]\(http\://y)" in a.value[MARKDOWN]),
        ),
        (
            "a client called as a picture",
            text(CASES, lambda table: table.replace("south", "![x](http://y)")),
            Accepted(
                "text", lambda a: r"![x]\(http\://y)" in a.value[MARKDOWN] and "<img" not in a.value["report.html"]
            ),
        ),
        (
            "a client called as a tag",
            text(CASES, lambda table: table.replace("south", "<img src=x onerror=alert(1)>")),
            Accepted("text", lambda a: r"\<img" in a.value[MARKDOWN] and "<img" not in a.value["report.html"]),
        ),
        (
            "a client called as a column",
            text(CASES, lambda table: table.replace("south", "a|b")),
            Accepted(
                "text", lambda a: r"a\|b" in a.value[MARKDOWN] and "a|b" not in a.value[MARKDOWN].replace(r"\|", "")
            ),
        ),
        (
            "a client called as a command of LaTeX",
            text(CASES, lambda table: table.replace("south", r"\input{/etc/passwd}")),
            Accepted("text", lambda a: r"\input{/" not in a.value["leaderboard.tex"]),
        ),
        ("other test cases", text(CASES, lambda table: table.replace("\nb,", "\nz,")), _listed("a table of its own")),
    ],
)

IMPOSSIBLE = kinds(
    "impossible scores",
    verified(),
    [
        ("a Dice of NaN", cell(CASES, 2, "dice", "nan"), Refused("scores: dice of .* is nan")),
        ("a Dice of 1.7", cell(CASES, 2, "dice", "1.7"), Refused("scores: dice of .* is 1.7")),
        ("a Dice of -0.1", cell(CASES, 2, "dice", "-0.1"), Refused("scores: dice of .* is -0.1")),
        ("a Dice of 1e999", cell(CASES, 2, "dice", "1e999"), Refused("scores: dice of .* is inf")),
        ("an infinite distance", cell(CASES, 2, "hd95", "inf"), Refused("scores: hd95 of .* is inf")),
        ("a negative distance", cell(CASES, 2, "hd95", "-1"), Refused("scores: hd95 of .* is -1")),
        ("millimetres among pixels", cell(CASES, 2, "hd95_unit", "mm"), Refused("distances are in mm and px")),
        (
            "inches",
            cell(CASES, 2, "hd95_unit", "in"),
            Refused("a distance is in in, and should be in mm, % of diagonal or px"),
        ),
        (
            "a Dice that its IoU contradicts",
            cell(CASES, 2, "dice", "0.61"),
            Refused("scores: dice and iou of .* are 0.61 and"),
        ),
    ],
)
