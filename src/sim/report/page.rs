//! The page around the plots: a summary of all scenarios, then one section for each.

use core::fmt::Write;

use super::course::Course;
use super::svg::escaped;
use super::{allan, error, figures, frequency, histogram, ledger, units, verdicts};
use crate::sim::{Outcome, Record, Summary, Universe};

/// A scenario that was run.
#[derive(Clone, Copy, Debug)]
pub struct Section<'s> {
    /// What was run.
    pub universe: &'s Universe,
    /// What it came to.
    pub summary: &'s Summary,
    /// Each seed's run; the first one with a record is drawn.
    pub outcomes: &'s [Outcome],
}

/// One page about all of them, in their order.
pub fn page(sections: &[Section<'_>]) -> String {
    let failed = sections.iter().filter(|section| !section.summary.is_ok()).count();
    let count = match sections.len() {
        1 => "one scenario".to_owned(),
        count => format!("{count} scenarios"),
    };
    let verdict = if failed == 0 { "all ok".to_owned() } else { format!("{failed} failed") };
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>maser sim: {count}, {verdict}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         {PATTERNS}<main>\n<header><h1>Simulated universes</h1>\n\
         <p class=\"lead\">{count}, {verdict}. True time is known in here: the error is that of the \
         served time, the bound what the node said of it.</p></header>\n"
    );
    summary(sections, &mut out);
    for (index, part) in sections.iter().enumerate() {
        section(part, &format!("s{}", index + 1), &mut out);
    }
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<footer><p>maser {}, <code>maser sim --report</code>. The same seeds give the same \
         page.</p></footer>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    out
}

fn summary(sections: &[Section<'_>], out: &mut String) {
    out.push_str(
        "<nav aria-label=\"Scenarios\"><div class=\"scroll\" tabindex=\"0\"><table><thead><tr>\
         <th scope=\"col\">scenario</th><th scope=\"col\"></th><th scope=\"col\">seeds</th>",
    );
    for (name, _) in figures::brief() {
        let _ = write!(out, "<th scope=\"col\">{name}</th>");
    }
    out.push_str("</tr></thead><tbody>\n");
    for (index, section) in sections.iter().enumerate() {
        let _ = write!(
            out,
            "<tr><th scope=\"row\"><a href=\"#s{}\">{}</a></th><td>{}</td><td>{}</td>",
            index + 1,
            escaped(&section.universe.scenario.name),
            badge(section.summary),
            section.outcomes.len()
        );
        for (_, value) in figures::brief() {
            let value = value(&section.summary.figures).unwrap_or_else(|| "–".to_owned());
            let _ = write!(out, "<td>{value}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div></nav>\n");
    out.push_str(&figures::meanings());
}

fn section(section: &Section<'_>, id: &str, out: &mut String) {
    let scenario = &section.universe.scenario;
    let _ = write!(
        out,
        "<section id=\"{id}\" aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">{} {}</h2>\n",
        escaped(&scenario.name),
        badge(section.summary)
    );
    if !scenario.about.is_empty() {
        let _ = writeln!(out, "<p class=\"about\">{}</p>", escaped(&scenario.about));
    }
    let drawn = section.outcomes.iter().find_map(|o| Some((o, o.record.as_ref()?)));
    let _ = writeln!(out, "<p class=\"note\">{}</p>", escaped(&setting(section, drawn)));
    list("failures", "What did not come out", &section.summary.failures, out);
    out.push_str(&figures::tiles(&section.summary.figures));
    if let Some((outcome, record)) = drawn {
        let broken = outcome.broken.iter().map(|broken| {
            let told = broken
                .told
                .map_or("not told".to_owned(), |at| format!("told at {}", units::span(at)));
            format!("{} from {}, {told}", broken.assumption.name(), units::span(broken.from))
        });
        list("broken", "Assumptions that this world breaks", &broken.collect::<Vec<_>>(), out);
        let course = Course::new(section.universe, record, id);
        out.push_str("<div class=\"plots\">\n");
        for plot in [
            error::plot(&course),
            verdicts::plot(&course),
            ledger::plot(&course),
            frequency::plot(&course),
            allan::plot(record, id),
            histogram::plot(record, id),
        ] {
            out.push_str(&plot);
        }
        out.push_str("</div>\n");
        told(section.universe, record, out);
    }
    let open = if section.outcomes.len() > 1 { " open" } else { "" };
    let table = figures::table(section.outcomes, &section.summary.figures);
    let _ = write!(
        out,
        "<details{open}><summary>Figures of each seed</summary>\n{table}</details>\n</section>\n"
    );
}

/// What was run, in a line.
fn setting(section: &Section<'_>, drawn: Option<(&Outcome, &Record)>) -> String {
    let scenario = &section.universe.scenario;
    let mut text = format!(
        "{} of the clock of {}",
        units::span(scenario.duration.seconds()),
        section.universe.judged().name
    );
    if let Some((outcome, record)) = drawn {
        text += &format!(
            "; drawn is seed {}, one column for {}",
            outcome.seed,
            units::span(record.step)
        );
    }
    match section.outcomes {
        [] | [_] => {}
        several => text += &format!("; figures are means over {} seeds", several.len()),
    }
    text + "."
}

fn told(universe: &Universe, record: &Record, out: &mut String) {
    if record.told.is_empty() {
        return;
    }
    let sources = &universe.judged().source;
    let line = |(at, event): &(f64, crate::event::Event)| {
        let source = event.source.and_then(|id| sources.get(id.index()));
        let source = source.map_or("", |source| crate::sim::universe::name_of(source));
        let kind = escaped(&event.kind.to_string());
        let (at, source) = (units::span(*at), escaped(source));
        format!("<tr><td>{at}</td><td>{source}</td><td class=\"text\">{kind}</td></tr>\n")
    };
    let lines: String = record.told.iter().map(line).collect();
    let _ = write!(
        out,
        "<details><summary>What the node told: steps, warnings and errors</summary>\n\
         <div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th scope=\"col\">at</th>\
         <th scope=\"col\">source</th><th scope=\"col\">what</th></tr></thead><tbody>\n{lines}\
         </tbody></table></div></details>\n"
    );
}

fn list(class: &str, heading: &str, lines: &[String], out: &mut String) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(out, "<div class=\"{class}\"><p>{heading}</p><ul>");
    for line in lines.iter().take(LINES_MAX) {
        let _ = write!(out, "<li>{}</li>", escaped(line));
    }
    if lines.len() > LINES_MAX {
        let _ = write!(out, "<li>and {} more</li>", lines.len() - LINES_MAX);
    }
    out.push_str("</ul></div>\n");
}

fn badge(summary: &Summary) -> &'static str {
    match summary.is_ok() {
        true => "<span class=\"badge ok\">✓ ok</span>",
        false => "<span class=\"badge failed\">✗ failed</span>",
    }
}

const STYLE: &str = include_str!("style.css");
/// Patterns over colours, for those to whom colours look alike.
const PATTERNS: &str = "<svg class=\"patterns\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>\
<pattern id=\"lines\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
patternTransform=\"rotate(45)\"><rect class=\"ink\" width=\"2\" height=\"6\"/></pattern>\
<pattern id=\"dots\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
<circle class=\"ink\" cx=\"3\" cy=\"3\" r=\"1.3\"/></pattern></defs></svg>\n";
/// Failures shown of a scenario.
const LINES_MAX: usize = 20;
