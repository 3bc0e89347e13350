"""Safe reading of XML: nothing is expanded, and nothing outside the file is read."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers import expat

from autodas.errors import AutodasError
from autodas.reading import MEBIBYTE, read_bytes


def read_xml(path: str) -> Element:
    """Return the root of an XML file.

    A few lines of entities can expand to gigabytes, or name other files: documents with a document type,
    which alone can define entities, are refused.

    Args:
        path: the file, of at most 16 MiB.

    Raises:
        AutodasError: if it is missing, larger, not well-formed, or has a document type.
    """
    content = read_bytes(path, 16 * MEBIBYTE)
    if not content.strip():
        raise AutodasError(f"{path}: is empty")
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*_: object) -> None:
        raise AutodasError(f"{path}: has a document type, which annotations do not need: remove it")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, ParseError, ValueError, LookupError) as error:  # the last two: encodings
        raise AutodasError(f"{path}: is not XML, or truncated: {error}") from error
