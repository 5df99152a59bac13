"""Bad partition files."""

from adpfl_bench.data.partitioning.partition import FilePartition
from tests.corpus.asks import divide
from tests.corpus.csv_damages import header_alone, headless, line, lines
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
from tests.corpus.kind import Accepted, Answer, Refused, kinds

FILE = at("partition.csv")
NAME = r"partition\.csv"


def _every(place: int, value: str) -> object:
    """Put the same into a column of every line."""

    def changed(lines: list[str]) -> list[str]:
        cells = [line.split(",") for line in lines[1:]]
        return [lines[0], *(",".join([*row[:place], value, *row[place + 1 :]]) for row in cells)]

    return lines(FILE, changed)


def _named(name: str) -> object:
    """Call the first client by another name."""
    return text(FILE, lambda table: table.replace("client-1", name))


def _clients(*names: str, cases: int = 8, meaning: str = "the same") -> Accepted:
    def shows(answer: Answer) -> bool:
        return [c.name for c in answer.value] == sorted(names) and sum(len(c.cases) for c in answer.value) == cases

    return Accepted(meaning, shows)


_SAME = _clients("client-1", "client-2")

PARTITIONS = kinds(
    "partitions",
    divide("isic", "partitioned", partition=lambda root: FilePartition(root / "partition.csv")),
    [
        ("missing", removed(FILE), Refused(f"The partition file .*{NAME} does not exist; check the path")),
        ("a folder in its place", made_folder(FILE), Refused(f"{NAME} cannot be read: Is a directory")),
        ("a link to nothing", linked(FILE, lambda _: "nowhere"), Refused(f"{NAME} does not exist")),
        (
            "a link to itself",
            linked(FILE, lambda path: path.name),
            Refused(f"{NAME} cannot be read: Too many levels of"),
        ),
        ("an empty file", written(FILE, ""), Refused(f"{NAME} is empty; expected a header with the columns case, pat")),
        ("zero bytes", zeros(FILE), Refused(f"{NAME} (is not CSV|lacks the column)")),
        ("a web page", written(FILE, WEB_PAGE), Refused(f"{NAME} lacks the column")),
        ("binary", written(FILE, bytes(range(128, 256))), Refused(f"{NAME} is not UTF-8 text")),
        (
            "its header alone",
            header_alone(FILE),
            Refused(f"{NAME} names no cases; expected one line for each"),
        ),
        (
            "no header",
            headless(FILE),
            Refused(f"{NAME} lacks the column.s. case, patient, client, split"),
        ),
        (
            "a column missing",
            lines(FILE, lambda found: [line.rpartition(",")[0] for line in found]),
            Refused("lacks the column.s. split"),
        ),
        ("a column more", lines(FILE, lambda found: [f"{line},x" for line in found]), _SAME),
        (
            "columns in another order",
            lines(FILE, lambda found: [",".join(reversed(line.split(","))) for line in found]),
            _SAME,
        ),
        ("UTF-8 with a mark", marked(FILE), _SAME),
        ("UTF-16", recoded(FILE, "utf-16"), Refused(f"{NAME} is not UTF-8 text")),
        ("line ends of Windows", line_ends(FILE, "\r\n"), _SAME),
        ("lines in another order", lines(FILE, lambda found: [found[0], *reversed(found[1:])]), _SAME),
        ("blank lines", line_ends(FILE, "\n\n"), _SAME),
        (
            "cut off within a line",
            text(FILE, lambda table: table[:-12]),
            Refused(rf"{NAME}, line 9: (3 fields where|the split of case)"),
        ),
        (
            "cut off after a line",
            lines(FILE, lambda found: found[:5]),
            _clients("client-1", cases=4, meaning="what it does not name is left out"),
        ),
        (
            "a cell too few",
            line(FILE, 3, lambda cells: cells[:-1]),
            Refused(f"{NAME}, line 3: 3 fields where the header has 4"),
        ),
        (
            "an empty case",
            line(FILE, 3, lambda cells: ["", *cells[1:]]),
            Refused(f"{NAME}, line 3: the column case is empty"),
        ),
        (
            "an empty client",
            line(FILE, 3, lambda cells: [*cells[:2], "", cells[3]]),
            Refused(f"{NAME}, line 3: the column client is empty"),
        ),
        (
            "a client of spaces",
            line(FILE, 3, lambda cells: [*cells[:2], "  ", cells[3]]),
            Refused(f"{NAME}, line 3: the column client is empty"),
        ),
        (
            "an unknown case",
            line(FILE, 3, lambda cells: ["ISIC_X", *cells[1:]]),
            Refused(f"{NAME} names 1 case that the dataset does not have: ISIC_X .line 3"),
        ),
        (
            "only unknown cases",
            lines(FILE, lambda found: [found[0], "a,a,north,train", "b,b,south,test"]),
            Refused("names 2 cases that the dataset does not have: a .line 2."),
        ),
        (
            "another patient",
            line(FILE, 3, lambda cells: [cells[0], "nobody", *cells[2:]]),
            Refused(f"{NAME}, line 3: the case .* belongs to patient nobody here, but to"),
        ),
        (
            "a case twice",
            lines(FILE, lambda found: [*found, found[1]]),
            Refused(f"{NAME}, lines 2 and 10: the case .* is there twice; remove one"),
        ),
        (
            "a case twice, in two clients",
            lines(FILE, lambda found: [*found, found[1].replace("client-1", "client-2")]),
            Refused("lines 2 and 10: the case .* is there twice"),
        ),
        (
            "a case in training and test",
            lines(FILE, lambda found: [*found, found[1].replace("train", "test")]),
            Refused("lines 2 and 10: the case .* is there twice"),
        ),
        (
            "an unknown split",
            line(FILE, 3, lambda cells: [*cells[:3], "hold-out"]),
            Refused(f"{NAME}, line 3: the split of case .* must be train, validation or test; found 'hold-out'"),
        ),
        (
            "a split in capitals",
            line(FILE, 3, lambda cells: [*cells[:3], "TRAIN"]),
            Refused("must be train, validation or test; found 'TRAIN'"),
        ),
        (
            "a client without training",
            text(FILE, lambda table: table.replace("client-2,train", "client-2,test")),
            Refused("The client client-2 has no training cases"),
        ),
        ("nobody trains", _every(3, "test"), Refused("The client client-1 has no training cases")),
        ("all in one client", _every(2, "north"), _clients("north", meaning="one client")),
        (
            "each case a client",
            lines(
                FILE,
                lambda found: [
                    found[0],
                    *(f"{c[0]},{c[1]},c{i},train" for i, c in enumerate(row.split(",") for row in found[1:])),
                ],
            ),
            _clients(*(f"c{i}" for i in range(8)), meaning="eight clients"),
        ),
        (
            "a client called all",
            _named("all"),
            Refused("A client cannot be called all, which stands for all clients together in rounds.csv; rename"),
        ),
        (
            "a client called global",
            _named("global"),
            Refused("A client cannot be called global, which stands for the model"),
        ),
        ("a client called all clients", _named("all clients"), Refused("A client cannot be called all clients")),
        ("a client called All", _named("All"), _clients("All", "client-2", meaning="another name than all")),
        ("a client called other", _named("other"), _clients("other", "client-2", meaning="a name as any other")),
        ("a formula as a client", _named("=1+1"), _clients("=1+1", "client-2", meaning="a name, escaped in tables")),
        (
            "an escaped formula as a client",
            _named("'=1+1"),
            _clients("=1+1", "client-2", meaning="the name that was escaped"),
        ),
        ("a quote as a client", _named("'north"), _clients("'north", "client-2", meaning="a name as it stands")),
        ("a number as a client", _named("-1"), _clients("-1", "client-2", meaning="a name")),
        ("a path as a client", _named("../../x"), _clients("../../x", "client-2", meaning="a name, which no file has")),
        (
            "markup as a client",
            _named("<b>north</b>|x"),
            _clients("<b>north</b>|x", "client-2", meaning="a name, escaped on pages"),
        ),
        (
            "a client with a line break",
            _named('"nor\nth"'),
            Refused("line 2: the column client has .nor.nth., which contains a line break"),
        ),
        ("a client with a NUL", _named("nor\0th"), Refused(NAME)),
        (
            "a client with a colour of terminals",
            _named("\x1b[31mnorth"),
            Refused("line 2: the column client has .*, which contains a line break or another control"),
        ),
        (
            "a client written from right to left",
            _named("north\u202edrow"),
            Refused("line 2: the column client has .*, which contains a line break or another control"),
        ),
        (
            "a client of 10,000 letters",
            _named("x" * 10_000),
            Refused("line 2: the column client has .*, which has 10,000 letters"),
        ),
        ("a field of 200 KB", _named("x" * 200_000), Refused(f"{NAME} is not CSV: field larger than field limit")),
        ("a quote that is never closed", _named('"north'), Refused(f"{NAME} is not CSV: .*; save it as CSV")),
        (
            "letters of other alphabets as a client",
            _named("\u5317\u4eac"),
            _clients("\u5317\u4eac", "client-2", meaning="a name as any other"),
        ),
        ("2,000 lines of nothing", content(FILE, lambda data: data + b"\n" * 2000), _SAME),
        (
            "100,000 lines of one case",
            content(FILE, lambda data: data + (data.split(b"\n")[1] + b"\n") * 100_000),
            Refused("lines 2 and 10: the case .* is there twice"),
        ),
    ],
)
