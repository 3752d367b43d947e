"""Files of exports as rows."""

from pathlib import Path

import pytest

from bevyly.imports.errors import BadExport
from bevyly.imports.exports import Export, read


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "Deal Name,Amount\nBricks,5\n,\n"),
        ("a.csv", b"\xef\xbb\xbfdeal_name,property_amount\nBricks,5\n,\n"),
        ("a.json", '[{"DealName": "Bricks", "amount": 5}, {"DealName": "", "amount": null}]'),
        ("a.json", '{"results": [{"properties": {"dealname": "Bricks", "amount": "5"}}, {"properties": {}}]}'),
        ("a.json", '{"records": [{"attributes": {"type": "x"}, "DealName": "Bricks", "Amount": 5}, {}]}'),
        ("a.ndjson", '{"dealname": "Bricks", "amount": "5"}\n\n{"dealname": " "}\n'),
    ],
)
def test_all_forms_are_one_table(tmp_path: Path, name: str, text: str) -> None:
    assert list(read(write(tmp_path, name, text)).rows()) == [(1, {"dealname": "Bricks", "amount": "5"}), (2, {})]


def test_references_of_data_trees_are_ids(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", '{"records": [{"attributes": {"referenceId": "AccountRef1"}, "Ok": true}]}')
    assert list(read(path).rows()) == [(1, {"referenceid": "@AccountRef1", "ok": "true"})]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", b"Name\n\xff\n", "not UTF-8"),
        ("a.csv", "Deal Name,deal_name\n1,2\n", "mean the same"),
        ("a.json", "{", "a.json"),
        ("a.json", '{"x": 1}', "neither"),
        ("a.json", "[1]", "row 1 is no object"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    with pytest.raises(BadExport, match=said):
        read(write(tmp_path, name, text))


def test_a_folder_without_an_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadExport, match="no folder"):
        Export(tmp_path / "missing")
    with pytest.raises(BadExport, match="no file"):
        Export(tmp_path)


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert list(read(write(tmp_path, "a.csv", "")).rows()) == []


def test_files_are_known_by_name_with_or_without_a_date(tmp_path: Path) -> None:
    for name in ("Deal.csv", "hubspot-crm-exports-deal-2026-11-23.csv", "dealer.csv"):
        write(tmp_path, name, "id\n1\n")
    export = Export(tmp_path)
    assert [table.path.name for table in export.tables(["deal"])] == [
        "Deal.csv",
        "hubspot-crm-exports-deal-2026-11-23.csv",
    ]
    assert export.unused == ["dealer.csv"]
