"""Names that others chose, put into Markdown, HTML, tables and file names without becoming any of
it.
"""

import csv
import hashlib
import io
import re

LONGEST = 100  # characters of a file name, without its ending


def plain(text: object) -> str:
    """Return text that Markdown and HTML show as it is: every sign becomes a character reference,
    which neither reads as markup.
    """
    words = " ".join(str(text).split())
    return re.sub(r"[^\w ]|_", lambda found: f"&#{ord(found[0])};", words)


def prose(text: object) -> str:
    """Return text that Markdown and HTML show as it is, and that people can read in its file too:
    signs that begin nothing inside a line are left. A line must not begin with it.
    """
    words = " ".join(str(text).split())
    live = r"[^\w ,;.()/='\":-]|:(?! |$)|(?<![^\W_])_|_(?![^\W_])"
    return re.sub(live, lambda found: f"&#{ord(found[0])};", words)


def file_name(name: str) -> str:
    """Return a name as one part of a path: letters, digits, ``_``, ``-`` and inner dots.

    A name that has to be changed gets the first digits of its hash, so that two stay two.
    """
    safe = re.sub(r"[^\w.-]|^\.", "_", name)[:LONGEST]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def without_formulas(table: str) -> str:
    """Return the text of a CSV table with an apostrophe before every cell that a spreadsheet would
    compute: text that begins with =, +, -, @ or a control character. Numbers stay.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for row in csv.reader(io.StringIO(table, newline="")):
        writer.writerow([f"'{cell}" if _computes(cell) else cell for cell in row])
    return stream.getvalue()


def _computes(cell: str) -> bool:
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return cell != cell.strip()
