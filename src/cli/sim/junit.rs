//! A test report as JUnit's XML, one test case for each scenario: what CI systems show.

use std::fmt::Write;

use super::Ran;
use crate::sim::report::escaped;

/// The report, scenarios in the order of the command line.
pub(super) fn report(ran: &[Ran<'_>]) -> String {
    let failed = ran.iter().filter(|ran| !ran.summary.is_ok()).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<testsuite name=\"maser sim\" tests=\"{}\" failures=\"{failed}\">",
        ran.len()
    );
    for ran in ran {
        let name = escaped(&ran.universe.scenario.name);
        let _ = write!(
            out,
            "  <testcase classname=\"scenario\" name=\"{name}\" time=\"{:.3}\"",
            ran.seconds
        );
        if ran.summary.is_ok() {
            out.push_str("/>\n");
            continue;
        }
        let failures = &ran.summary.failures;
        let first = failures.first().map_or("", String::as_str);
        let _ = writeln!(out, ">\n    <failure message=\"{}\">", escaped(first));
        for failure in failures {
            let _ = writeln!(out, "{}", escaped(failure));
        }
        out.push_str("    </failure>\n  </testcase>\n");
    }
    out.push_str("</testsuite>\n");
    out
}
