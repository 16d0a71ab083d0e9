"""The report as JUnit XML: a case for each gate, so that a CI server shows which one was missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

from loadtests.report import wording

if TYPE_CHECKING:
    from collections.abc import Mapping

# XML 1.0 has no way to write the other control characters.
WRITABLE_CONTROLS: Final = "\t\n\r"


def junit(document: Mapping[str, Any]) -> str:
    """Give the XML. A missed gate is a failure; one that was not measured, and a problem of the run, an error.

    Nothing is ever skipped: CI servers show that as harmless.
    """
    suite = ET.Element("testsuite", name=f"redrive.loadtests.{document['scenario']}")
    _properties(suite, document)
    for row in document["verdict"]["gates"]:
        _gate(suite, document, row)
    _whole(suite, document)
    counts = {
        "tests": len(suite.findall("testcase")),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": 0,
    }
    for element in (suite, root := ET.Element("testsuites", name="redrive.loadtests")):
        element.attrib.update({name: str(count) for name, count in counts.items()})
        element.set("time", str(document["seconds"]))
    suite.set("timestamp", document["started_at"])
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _properties(suite: ET.Element, document: Mapping[str, Any]) -> None:
    holder = ET.SubElement(suite, "properties")
    told = {name: document[name] for name in ("run_id", "engines", "commit", "dirty")}
    told |= {"machine": document["machine"].get("kind"), "seed": document["settings"]["seed"]}
    for name, value in told.items():
        ET.SubElement(holder, "property", name=name, value=_clean(value))


def _gate(suite: ET.Element, document: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    case = _case(suite, document, row["figure"])
    said = f"{row['figure']}: {wording.measured(row)}, expected {wording.limit(row)}"
    if row["met"] is False:
        _told(case, "failure", "missed", f"{said}; {row['why']}", row["reason"])
    elif row["met"] is None:
        _told(case, "error", "not_measured", f"{said}; could not measure: {row['why']}", row["reason"])
    ET.SubElement(case, "system-out").text = _clean(said)


def _whole(suite: ET.Element, document: Mapping[str, Any]) -> None:
    """Add a case for the run as a whole: its problems, and that it was asked anything."""
    case, problems = _case(suite, document, "the run itself"), list(document["problems"])
    if not document["verdict"]["gates"]:
        problems.append("expected a gate that asks something of this scenario, got none")
    if problems:
        _told(case, "error", "not_measured", problems[0], "\n".join(problems))


def _case(suite: ET.Element, document: Mapping[str, Any], name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=f"loadtests.{document['scenario']}", name=_clean(name), time="0")


def _told(case: ET.Element, tag: str, kind: str, message: str, text: str) -> None:
    ET.SubElement(case, tag, type=kind, message=_clean(message)).text = _clean(text)


def _clean(value: object) -> str:
    return "".join(each for each in str(value) if each >= " " or each in WRITABLE_CONTROLS)
