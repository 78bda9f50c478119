"""Excel workbooks written part by part, so that tests can write wrong ones too."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
# Styles 1 and 2 are a date and a date with a time of day.
_STYLES = (
    f'<styleSheet xmlns="{_NAMESPACE}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/>'
    '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


def cell(address: str, value: str | float | None, *, style: int = 0) -> str:
    """A cell: text as inline string, a number as it is given; `#N/A` and the like as errors."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith("#"):
        return f'<c r="{address}" t="e"><f>1/0</f><v>{value}</v></c>'
    if isinstance(value, str):
        text = f"<is><t>{escape(value)}</t></is>"
        return f'<c r="{address}" t="inlineStr">{text}</c>'
    return f'<c r="{address}" s="{style}"><v>{value}</v></c>'


def number(address: str, digits: str, *, style: int = 0) -> str:
    """A number with these digits in the file."""
    return f'<c r="{address}" s="{style}"><v>{digits}</v></c>'


def letters(column: int) -> str:
    """The name of a column, from 0: A to Z, AA to ZZ."""
    first, second = divmod(column, 26)
    return (chr(64 + first) if first else "") + chr(65 + second)


def sheet_xml(
    rows: Sequence[Sequence[str | float | None]], *, after: str = "", first: int = 1
) -> str:
    """A sheet of these rows; `after` follows the data."""
    lines = [
        f'<row r="{line}">'
        + "".join(cell(f"{letters(column)}{line}", value) for column, value in enumerate(values))
        + "</row>"
        for line, values in enumerate(rows, start=first)
    ]
    return raw_sheet("".join(lines), after=after)


def raw_sheet(data: str, *, after: str = "") -> str:
    """A sheet of these elements."""
    return f'<worksheet xmlns="{_NAMESPACE}"><sheetData>{data}</sheetData>{after}</worksheet>'


def workbook(sheets: Mapping[str, str], *, hidden: Sequence[str] = ()) -> bytes:
    """A workbook of these sheets, by name."""
    numbers = range(1, len(sheets) + 1)
    entries = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"'
        + (' state="hidden"/>' if name in hidden else "/>")
        for number, name in zip(numbers, sheets, strict=True)
    )
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{_RELATIONS}/worksheet" '
        f'Target="worksheets/sheet{number}.xml"/>'
        for number in numbers
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_NAMESPACE}" xmlns:r="{_RELATIONS}">'
        f"<sheets>{entries}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}'
        f'<Relationship Id="rIdS" Type="{_RELATIONS}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": _STYLES,
    }
    sheet_parts = {
        f"xl/worksheets/sheet{number}.xml": xml
        for number, xml in zip(numbers, sheets.values(), strict=True)
    }
    return zipped({**parts, **sheet_parts})


def zipped(parts: Mapping[str, str]) -> bytes:
    """A zip archive of these parts."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, xml in parts.items():
            archive.writestr(name, xml)
    return content.getvalue()
