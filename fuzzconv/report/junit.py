"""A run as JUnit XML, the form every CI system reads: routes, findings and replayed known bugs as test cases.

A finding fails its test case when it is new and reproduced in a fresh process, as the gate's exit code does;
known and unreproduced ones are listed as skipped.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from fuzzconv.report.finding_record import FindingRecord
from fuzzconv.report.gate import Standing, standing_of
from fuzzconv.report.run_report import RunReport


def junit_text(report: RunReport) -> str:
    """The document, XML declaration included."""
    suites = [_routes(report), _findings(report), _replayed(report)]
    root = ET.Element("testsuites", {"name": "fuzzconv"})
    root.extend(suite for suite in suites if len(suite))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{float(report.facts.get('elapsed_s') or 0):.3f}")
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def _routes(report: RunReport) -> ET.Element:
    """Each route that was asked for: run, or skipped and why."""
    cases = []
    for route, counts in sorted(report.facts.get("verdicts", {}).items()):
        case = _case("routes", route)
        text = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
        ET.SubElement(case, "system-out").text = _clean(text)
        cases.append(case)
    for route, reason in sorted(report.facts.get("skipped", {}).items()):
        case = _case("routes", route)
        ET.SubElement(case, "skipped", {"message": _clean(str(reason))})
        cases.append(case)
    return _suite("routes", cases)


def _findings(report: RunReport) -> ET.Element:
    return _suite("findings", [_finding(record) for record in report.findings])


def _finding(record: FindingRecord) -> ET.Element:
    case = _case("findings", record.slug)
    standing = standing_of(record)
    message = _clean(record.text("title"))
    if standing is Standing.FAILS:
        failure = ET.SubElement(case, "failure", {"type": record.kind.value, "message": message})
        failure.text = _clean(
            f"{record.text('detail')}\nroute: {record.text('route')}\n"
            f"reproduce: python findings/{record.slug}/reproduce.py"
        )
    else:
        reason = f"{standing.value}: {record.known or record.text('title')}"
        ET.SubElement(case, "skipped", {"message": _clean(reason)})
    return case


def _replayed(report: RunReport) -> ET.Element:
    """Known bugs: passed when fixed, skipped while they are there."""
    cases = []
    for known in report.replayed:
        case = _case("known bugs", known.slug)
        if known.status != "fixed":
            ET.SubElement(
                case, "skipped", {"message": _clean(f"{known.status}: {known.detail or known.title}")}
            )
        cases.append(case)
    return _suite("known bugs", cases)


def _suite(name: str, cases: list[ET.Element]) -> ET.Element:
    counted = {
        tag: sum(case.find(tag) is not None for case in cases) for tag in ("failure", "error", "skipped")
    }
    suite = ET.Element(
        "testsuite",
        {
            "name": name,
            "tests": str(len(cases)),
            "failures": str(counted["failure"]),
            "errors": str(counted["error"]),
            "skipped": str(counted["skipped"]),
        },
    )
    suite.extend(cases)
    return suite


def _case(classname: str, name: str) -> ET.Element:
    return ET.Element("testcase", {"classname": f"fuzzconv.{classname}", "name": _clean(name)})


def _clean(text: str) -> str:
    """``text`` without the characters XML can't hold."""
    return "".join(c if c in "\n\t" or (c >= " " and not _is_invalid(ord(c))) else "�" for c in text)


def _is_invalid(point: int) -> bool:
    return 0x7F <= point <= 0x9F or 0xD800 <= point <= 0xDFFF or point & 0xFFFE == 0xFFFE
