"""An Office file in, the same file with no time of its own out; never looks at what it says."""

from __future__ import annotations

import datetime
import io
import re
import zipfile

FIRST = ("[Content_Types].xml", "_rels/.rels", "docProps/app.xml", "docProps/core.xml")
OLDEST = (1980, 1, 1, 0, 0, 0)  # that a ZIP can say
STAMP = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:\2>)")
CORE = "docProps/core.xml"


def packed(file: bytes, timestamp: int) -> bytes:
    """The parts of an Office file (.pptx, .docx, .xlsx), packed alike whenever it is done.

    timestamp : when it was made, as its properties say: seconds since 1970.
    """
    made = datetime.datetime.fromtimestamp(timestamp, datetime.UTC)
    stamp = made.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if name[-1:] != "/"}
    if CORE in parts:
        parts[CORE] = STAMP.sub(lambda found: found[1] + stamp + found[3], parts[CORE])
    # readers want the list of kinds first; the rest by name, as no two writers agree
    order = [name for name in FIRST if name in parts]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in [*order, *sorted(parts.keys() - {*order})]:
            entry = zipfile.ZipInfo(name, OLDEST)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            archive.writestr(entry, parts[name], compresslevel=6)
    return out.getvalue()
