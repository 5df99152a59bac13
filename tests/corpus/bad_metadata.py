"""Bad metadata of HAM10000: a CSV file written by other people."""

from tests.corpus.asks import divide
from tests.corpus.csv_damages import cell, column_twice, header_alone, headless, lines
from tests.corpus.damages import (
    LFS_POINTER,
    WEB_PAGE,
    at,
    content,
    copied,
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
from tests.corpus.kind import Accepted, Answer, Refused, kinds

FILE = at("HAM10000_metadata.csv")
NAME = r"HAM10000 metadata .*HAM10000_metadata\.csv"
_SITES = ["rosendahl", "vidir_modern", "vidir_molemax"]


def sites(answer: Answer) -> list[str]:
    return [client.name for client in answer.value]


def _same(meaning: str) -> Accepted:
    return Accepted(meaning, lambda answer: sites(answer) == _SITES)


def _stated(column: str, value: str, meaning: str) -> Accepted:
    """Some case has this in its metadata."""
    return Accepted(
        meaning, lambda answer: any(case.metadata[column] == value for c in answer.value for case in c.cases)
    )


def _of(line: int, words: str) -> Refused:
    return Refused(rf"{NAME}, line {line}: {words}")


METADATA = kinds(
    "metadata",
    divide("ham10000"),
    [
        ("missing", removed(FILE), Refused("HAM10000 in .* has no metadata; expected a file HAM10000_metadata or")),
        ("a folder in its place", made_folder(FILE), Refused("HAM10000 in .* has no metadata")),
        ("a link to nothing", linked(FILE, lambda _: "nowhere"), Refused("HAM10000 in .* has no metadata")),
        (
            "there twice",
            copied(FILE, lambda _: "HAM10000_metadata.tab"),
            Refused("several metadata files, .* keep one"),
        ),
        ("an empty file", written(FILE, ""), Refused(f"{NAME} is empty; expected a header with the columns lesion_id")),
        ("blank lines alone", written(FILE, "\n\n\n"), Refused(f"{NAME} is empty; expected a header")),
        ("zero bytes", zeros(FILE), Refused(NAME + " (is not CSV|lacks the column)")),
        ("a web page", written(FILE, WEB_PAGE), Refused(f"{NAME} lacks the column.*; its first line has <!DOCTYPE")),
        ("a pointer of Git LFS", written(FILE, LFS_POINTER), Refused(f"{NAME} lacks the column.*version https")),
        (
            "a workbook of Excel",
            written(FILE, b"PK\3\4\x14\0\6\0\x08\0\0\0!\0\xb5"),
            Refused(f"{NAME} is not UTF-8 text"),
        ),
        (
            "its header alone",
            header_alone(FILE),
            Refused(r"3 problems:(\s+ISIC_\d+: has no row in HAM)"),
        ),
        (
            "no header",
            headless(FILE),
            Refused(f"{NAME} lacks the column.s. lesion_id, image_id, dataset"),
        ),
        (
            "a header in capitals",
            lines(FILE, lambda found: [found[0].upper(), *found[1:]]),
            Refused(f"{NAME} lacks the col"),
        ),
        (
            "a header with spaces",
            lines(FILE, lambda found: [found[0].replace(",", ", "), *found[1:]]),
            Refused("lacks the col"),
        ),
        (
            "a column missing",
            lines(FILE, lambda found: [row.rpartition(",")[0] for row in found]),
            Refused(r"lacks the column\(s\) dataset"),
        ),
        (
            "a column twice",
            column_twice(FILE),
            Refused(f"{NAME} has the column lesion_id twice"),
        ),
        (
            "a column without a name",
            lines(FILE, lambda found: [f"{row}," for row in found]),
            _same("passed on without a name"),
        ),
        (
            "further columns",
            lines(FILE, lambda found: [f"{row},{i}" for i, row in enumerate(found)]),
            _stated("0", "1", "metadata as well"),
        ),
        ("UTF-8 with a mark", marked(FILE), _same("the same")),
        (
            "UTF-16",
            recoded(FILE, "utf-16"),
            Refused(f"{NAME} is not UTF-8 text .byte 0: .*; save it"),
        ),
        (
            "UTF-16 without a mark",
            recoded(FILE, "utf-16-le"),
            Refused(f"{NAME} is not CSV: line contains NUL near line 1"),
        ),
        ("UTF-32", recoded(FILE, "utf-32"), Refused(f"{NAME} is not UTF-8 text")),
        (
            "Latin-1",
            content(FILE, lambda d: d.replace(b"male", "m\xe4nnlich".encode("latin-1"), 1)),
            Refused(f"{NAME} is not UTF-8 text .byte"),
        ),
        (
            "letters of other alphabets",
            cell(FILE, 2, "dx", "\u9ed1\u8272\u7d20\u7624"),
            _stated("dx", "\u9ed1\u8272\u7d20\u7624", "text as any other"),
        ),
        ("line ends of Windows", line_ends(FILE, "\r\n"), _same("the same")),
        ("line ends of old Macs", line_ends(FILE, "\r"), _same("the same")),
        ("line ends of several kinds", line_ends(FILE, "\r\n", 2), _same("the same")),
        ("no line end at its end", text(FILE, lambda t: t.rstrip("\n")), _same("the same")),
        ("blank lines between", line_ends(FILE, "\n\n"), _same("passed over")),
        ("tabs in place of commas", text(FILE, lambda t: t.replace(",", "\t")), _same("the same")),
        (
            "semicolons in place of commas",
            text(FILE, lambda t: t.replace(",", ";")),
            Refused(r"lacks the column\(s\) lesion_id, image_id, dataset; its first line has lesion_id;"),
        ),
        (
            "quotes around all",
            text(FILE, lambda t: "\n".join(",".join(f'"{c}"' for c in row.split(",")) for row in t.split("\n")[:-1])),
            _same("the same"),
        ),
        (
            "a quote that is never closed",
            cell(FILE, 3, "sex", '"male'),
            Refused(f"{NAME} is not CSV: .* near line 3; save it as CSV"),
        ),
        ("a quote within a cell", cell(FILE, 3, "sex", 'ma"le'), _stated("sex", 'ma"le', "a letter as any other")),
        ("text behind a quote", cell(FILE, 3, "sex", '"male"x'), Refused(f"{NAME} is not CSV: .* near line 3")),
        (
            "a comma within quotes",
            cell(FILE, 2, "localization", '"back, upper"'),
            _stated("localization", "back, upper", "one cell"),
        ),
        (
            "a line break within quotes",
            cell(FILE, 2, "localization", '"back\nupper"'),
            _stated("localization", "back\nupper", "one cell"),
        ),
        (
            "a line break in a name",
            cell(FILE, 2, "lesion_id", '"HAM\n1"'),
            _of(2, r"the column lesion_id has .HAM\\n1., which contains a line break or another control"),
        ),
        ("a NUL in a cell", cell(FILE, 2, "sex", "ma\0le"), Refused(NAME)),
        ("a NUL in a name", cell(FILE, 2, "lesion_id", "HAM\0"), Refused(NAME)),
        (
            "a field of 200 KB",
            cell(FILE, 3, "dx", "x" * 200_000),
            Refused(f"{NAME} is not CSV: field larger than field limit .131072. near line 3"),
        ),
        (
            "a field too few",
            lines(FILE, lambda found: [*found[:2], found[2].rpartition(",")[0], *found[3:]]),
            _of(3, "7 fields where the header has 8"),
        ),
        (
            "a field too many",
            lines(FILE, lambda found: [*found[:2], found[2] + ",x", *found[3:]]),
            _of(3, "9 fields where the header has 8"),
        ),
        ("a comma for a decimal point", cell(FILE, 2, "age", "45,5"), _of(2, "9 fields where the header has 8")),
        (
            "an image twice",
            lines(FILE, lambda found: [*found, found[1]]),
            Refused(f"{NAME} has the image ISIC_9000000 twice, on lines 2 and 5"),
        ),
        (
            "a row of no image",
            lines(FILE, lambda found: [*found, found[1].replace("ISIC_9000000", "ISIC_1")]),
            _same("left out, and counted in the log"),
        ),
        (
            "an image without a row",
            lines(FILE, lambda found: found[:-1]),
            Refused("ISIC_9000002: has no row in HAM10000_metadata.csv"),
        ),
        ("an empty lesion", cell(FILE, 2, "lesion_id", ""), _of(2, "the column lesion_id is empty; fill it in")),
        ("an empty source", cell(FILE, 2, "dataset", " "), _of(2, "the column dataset is empty; fill it in")),
        ("an empty age", cell(FILE, 2, "age", ""), _stated("age", "", "not stated")),
        (
            "a name with spaces around",
            cell(FILE, 2, "image_id", " ISIC_9000000 "),
            Refused("ISIC_9000000: has no row in"),
        ),
        (
            "a lesion from two sources",
            lines(
                FILE,
                lambda found: [
                    row.replace("9000001,", "9000002,", 1) if "HAM_9000001" in row else row for row in found
                ],
            ),
            Accepted("one client, the first by name", lambda a: len(sites(a)) == 2),
        ),
        (
            "a source called all",
            cell(FILE, 2, "dataset", "all"),
            Refused("A client cannot be called all, which stands for all clients"),
        ),
        (
            "a source called global",
            cell(FILE, 2, "dataset", "global"),
            Refused("A client cannot be called global, which stands for"),
        ),
        (
            "a source called all clients",
            cell(FILE, 2, "dataset", "all clients"),
            Refused("A client cannot be called all clients"),
        ),
        (
            "a source called other",
            cell(FILE, 2, "dataset", "other"),
            Accepted("a client as any other", lambda a: "other" in sites(a)),
        ),
        (
            "a source with spaces",
            cell(FILE, 2, "dataset", " Vienna "),
            Accepted("the name as it stands", lambda a: " Vienna " in sites(a)),
        ),
        (
            "a formula as a source",
            cell(FILE, 2, "dataset", "=1+1"),
            Accepted("a name, escaped in tables", lambda a: "=1+1" in sites(a)),
        ),
        (
            "a formula as a lesion",
            cell(FILE, 2, "lesion_id", "=cmd|' /C calc'!A0"),
            Accepted(
                "a name, escaped in tables",
                lambda a: any(c.patient_id.startswith("=cmd") for k in a.value for c in k.cases),
            ),
        ),
        (
            "markup as a source",
            cell(FILE, 2, "dataset", "<script>alert(1)</script>"),
            Accepted("a name, escaped on pages", lambda a: len(sites(a)) == 3),
        ),
        (
            "a path as a source",
            cell(FILE, 2, "dataset", "../../x"),
            Accepted("a name, which no file has", lambda a: "../../x" in sites(a)),
        ),
        (
            "a source of 10,000 letters",
            cell(FILE, 2, "dataset", "x" * 10_000),
            _of(2, "the column dataset has .*, which has 10,000 letters, of which at most 255"),
        ),
    ],
)
