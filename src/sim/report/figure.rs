//! A plot with its heading, what to look for in it, and what its colours mean.

use core::fmt::Write;

use super::svg::escaped;

/// A swatch of the legend: a class of the style sheet and what it stands for.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Classes of the swatch; what follows a `+` is drawn over it, as a pattern over a colour.
    pub class: String,
    /// What it stands for.
    pub text: String,
    /// A line rather than an area.
    pub stroke: bool,
}

impl Entry {
    /// Of an area.
    pub fn area(class: &str, text: impl Into<String>) -> Self {
        Self { class: class.to_owned(), text: text.into(), stroke: false }
    }

    /// Of a line.
    pub fn line(class: &str, text: impl Into<String>) -> Self {
        Self { class: class.to_owned(), text: text.into(), stroke: true }
    }
}

/// The figure: plots with a heading and a sentence above, a legend below.
pub fn figure(class: &str, title: &str, sentence: &str, plots: &str, legend: &[Entry]) -> String {
    let mut out = format!(
        "<figure class=\"plot {class}\"><figcaption><h3>{}</h3><p>{}</p></figcaption>\n{plots}",
        escaped(title),
        escaped(sentence)
    );
    if !legend.is_empty() {
        out.push_str("<ul class=\"legend\">");
        for entry in legend {
            // Writing to a String cannot fail.
            let _ = write!(out, "<li>{}{}</li>", swatch(entry), escaped(&entry.text));
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</figure>\n");
    out
}

/// The classes of a colour and of the pattern over it, if it has one.
pub fn layers(class: &str) -> impl Iterator<Item = &str> {
    class.split('+')
}

fn swatch(entry: &Entry) -> String {
    let shape = |class| match entry.stroke {
        true => format!("<line class=\"{class}\" x2=\"22\" y1=\"6\" y2=\"6\"/>"),
        false => format!("<rect class=\"{class}\" width=\"22\" height=\"12\"/>"),
    };
    let shapes: String = layers(&entry.class).map(shape).collect();
    format!("<svg class=\"swatch\" width=\"22\" height=\"12\" aria-hidden=\"true\">{shapes}</svg>")
}
