"""Bad tables of paths."""

from tests.corpus.asks import own
from tests.corpus.csv_damages import cell, column_twice, header_alone, headless, line, without_columns
from tests.corpus.damages import at, made_folder, marked, recoded, removed, text, written
from tests.corpus.kind import Accepted, Refused, kinds

FILE = at("own.csv")
_CASES = Accepted("three cases", lambda answer: len(answer.value) == 3)
_TABLE = r"The table of paths .*own\.csv"

OWN_TABLES = kinds(
    "own tables",
    own("pictures", "own_table", "own.csv"),
    [
        ("missing", removed(FILE), Refused(rf"{_TABLE} does not exist")),
        ("empty", written(FILE, ""), Refused(rf"{_TABLE} is empty")),
        ("a folder", made_folder(FILE), Refused(rf"{_TABLE} cannot be read: Is a directory")),
        ("UTF-16", recoded(FILE, "utf-16"), Refused(rf"{_TABLE} is not UTF-8 text")),
        ("UTF-8 with a mark", marked(FILE), _CASES),
        ("tabs", text(FILE, lambda found: found.replace(",", "\t")), _CASES),
        (
            "semicolons",
            text(FILE, lambda found: found.replace(",", ";")),
            Refused("has no column mask"),
        ),
        ("a header alone", header_alone(FILE), Refused(rf"{_TABLE} has no rows")),
        ("no header", headless(FILE), Refused("has no column mask; its columns are case_000")),
        ("a column twice", column_twice(FILE), Refused("has the column case twice")),
        (
            "no masks",
            without_columns(FILE, ["mask"]),
            Refused("has no column mask; its columns are case, image"),
        ),
        (
            "no images",
            without_columns(FILE, ["image"]),
            Refused("no column image, and none that begins with image_"),
        ),
        ("only images and masks", without_columns(FILE, ["case", "patient", "site", "split"]), _CASES),
        (
            "a cell too many",
            line(FILE, 3, lambda cells: [*cells, "x"]),
            Refused("line 3: 7 fields where the header"),
        ),
        (
            "an image is not there",
            cell(FILE, 3, "image", "gone.png"),
            Refused("line 3: image does not exist"),
        ),
        ("a mask is a folder", cell(FILE, 3, "mask", "files.png"), Refused("line 3: mask does not exist")),
        ("an image of no known kind", cell(FILE, 2, "image", "own.csv"), Refused("line 2: image ends in none of .png")),
        ("an image is a volume", cell(FILE, 2, "image", "x.nii.gz"), Refused("line 2: image ends in none of .png")),
        ("no mask of a case", cell(FILE, 4, "mask", ""), Refused("line 4: the column mask is empty; fill it in")),
        ("no site of a case", cell(FILE, 4, "site", " "), Refused("line 4: the column site is empty; fill it in")),
        (
            "a case twice",
            cell(FILE, 3, "case", "case_000"),
            Refused("lines 2 and 3 are of one case; keep one"),
        ),
        (
            "an image twice",
            cell(FILE, 3, "image", "files/imagesTr/case_000_0000.png"),
            Refused("case_001: lines 2 and 3 name the same image"),
        ),
        (
            "a mask in the image's place",
            cell(FILE, 2, "image", "files/labelsTr/case_000.png"),
            Refused("line 2: the mask is the image"),
        ),
        ("a case with a slash", cell(FILE, 2, "case", "a/b"), Refused("line 2: the case 'a/b' is no folder's")),
        (
            "a case of 300 letters",
            cell(FILE, 2, "case", "x" * 300),
            Refused("line 2: the column case has .* 300"),
        ),
        (
            "an unknown split",
            cell(FILE, 2, "split", "fold0"),
            Refused("line 2: the split is fold0; expected train"),
        ),
        (
            "a patient in two splits",
            cell(FILE, 4, "patient", "p0"),
            Refused("lines 2 and 4: the patient p0 is in two splits, train and test"),
        ),
        ("a patient with two cases", cell(FILE, 3, "patient", "p0"), _CASES),
    ],
)
