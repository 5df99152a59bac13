"""Bad rounds.csv of a run."""

from tests.corpus.csv_damages import cell, column_twice, header_alone, headless, lines, without_columns
from tests.corpus.damages import (
    WEB_PAGE,
    at,
    content,
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
from tests.corpus.record_asks import RUN, rounds

ROUNDS = at(f"{RUN}/rounds.csv")


_ROUNDS = r"dp/rounds\.csv cannot be read as a table of rounds: "


def _rows(count: int, meaning: str) -> Accepted:
    return Accepted(meaning, lambda answer: len(answer.value) == count)


ROUND_NUMBERS = kinds(
    "round numbers",
    rounds(),
    [
        ("missing", removed(ROUNDS), Refused(_ROUNDS + ".*No such file")),
        ("a folder in its place", made_folder(ROUNDS), Refused(_ROUNDS + ".*Is a directory")),
        ("a link to itself", linked(ROUNDS, lambda path: path.name), Refused(_ROUNDS + ".*symbolic links")),
        ("an empty file", written(ROUNDS, ""), Refused(_ROUNDS + "there is no line of headings")),
        ("zero bytes", zeros(ROUNDS), Refused(_ROUNDS)),
        ("a web page", written(ROUNDS, WEB_PAGE), Refused(_ROUNDS + "there is no column round")),
        ("its header alone", header_alone(ROUNDS), _rows(0, "no round yet")),
        ("no header", headless(ROUNDS), Refused(_ROUNDS + "there is no column round")),
        (
            "a last line that is not whole",
            text(ROUNDS, lambda table: table[:-5]),
            _rows(17, "passed over, as after a crash"),
        ),
        ("UTF-16", recoded(ROUNDS, "utf-16"), Refused(_ROUNDS)),
        ("Latin-1", content(ROUNDS, lambda data: data.replace(b"south", b"s\xfcd")), Refused(_ROUNDS)),
        (
            "UTF-8 with a mark",
            marked(ROUNDS),
            Refused(_ROUNDS + "there is no column round"),
        ),
        ("line ends of Windows", line_ends(ROUNDS, "\r\n"), _rows(18, "the same")),
        ("blank lines", line_ends(ROUNDS, "\n\n"), _rows(18, "passed over")),
        ("a column missing", without_columns(ROUNDS, ["client"]), Refused(_ROUNDS + "there is no column client")),
        (
            "a column twice",
            column_twice(ROUNDS),
            Refused(_ROUNDS + "the column round is there twice"),
        ),
        (
            "a cell too few",
            lines(ROUNDS, lambda found: [*found[:2], "1,all", *found[3:]]),
            Refused(_ROUNDS + "a line has 2 cells"),
        ),
        (
            "a cell too many",
            lines(ROUNDS, lambda found: [*found[:2], found[2] + ",x", *found[3:]]),
            Refused(_ROUNDS + "a line has 5 cells"),
        ),
        ("a round of text", cell(ROUNDS, 2, "round", "one"), Refused(_ROUNDS + "invalid literal")),
        ("a round of 1.5", cell(ROUNDS, 2, "round", "1.5"), Refused(_ROUNDS + "invalid literal")),
        ("a negative round", cell(ROUNDS, 2, "round", "-1"), Refused(_ROUNDS)),
        ("a round of 0", cell(ROUNDS, 2, "round", "0"), Refused(_ROUNDS)),
        ("a round of 30 digits", cell(ROUNDS, 2, "round", "9" * 30), Refused(_ROUNDS)),
        ("a round of 5,000 digits", cell(ROUNDS, 2, "round", "9" * 5000), Refused(_ROUNDS)),
        ("a value of text", cell(ROUNDS, 2, "value", "good"), Refused(_ROUNDS + "could not convert")),
        ("no value", cell(ROUNDS, 2, "value", ""), Refused(_ROUNDS + "a line has no value")),
        ("a value that is NaN", cell(ROUNDS, 2, "value", "nan"), _rows(18, "a round that diverged")),
        ("an infinite value", cell(ROUNDS, 2, "value", "inf"), _rows(18, "a round that diverged")),
        (
            "a field of 200 KB",
            cell(ROUNDS, 2, "name", "x" * 200_000),
            Refused(_ROUNDS + ".*field larger than field limit"),
        ),
        ("a quote that is never closed", cell(ROUNDS, 2, "name", '"x'), Refused(_ROUNDS)),
        (
            "a formula as a client",
            text(ROUNDS, lambda table: table.replace("south", "'=1+1")),
            Accepted("the name that was escaped", lambda a: any(row.client == "=1+1" for row in a.value)),
        ),
    ],
)
