//! The demo on a terminal: one calm picture, redrawn in place; elsewhere a line a second.

use std::io::{self, IsTerminal, Stdout, Write};
use std::time::{Duration as Pause, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

use super::judge::Figures;
use super::receiver::Model;
use super::summary::served;
use crate::cli::demo_args::{DemoArgs, Via};
use crate::engine::SourceReport;
use crate::event::{Event, Severity};
use crate::host::plan::Plan;
use crate::host::published::Published;
use crate::state::{Phase, State};
use crate::time::{Duration, System, Timestamp};

/// What is shown besides what is published.
pub struct View {
    heading: String,
    names: Vec<String>,
    address: String,
    control: String,
    /// The last thing worth telling.
    news: String,
}

impl View {
    /// For this model and these arguments.
    pub fn new(model: &Model, args: &DemoArgs, plan: &Plan) -> Self {
        let via = match args.via {
            Via::Sock => "SOCK",
            Via::Shm => "SHM",
        };
        let heading = format!(
            "receiver model: seed {}, edges by {via}, noise {:.0} ns, grain {:.1} ns, {:.0} % lost",
            model.seed,
            model.noise * 1e9,
            model.grain * 1e9,
            model.loss * 100.0,
        );
        let planted = if model.plant == Duration::ZERO {
            String::new()
        } else {
            format!("; edges shifted by {} behind its back", model.plant)
        };
        Self {
            heading: heading + &planted,
            names: plan.engine.sources.iter().map(|source| source.name.clone()).collect(),
            address: args.listen.first().map_or_else(String::new, ToString::to_string),
            control: plan.control.display().to_string(),
            news: String::new(),
        }
    }

    /// Keeps an event that a person wants to see.
    pub fn note(&mut self, event: &Event) {
        if event.kind.severity() >= Severity::Info {
            let name = event.source.and_then(|id| self.names.get(id.index()));
            self.news = match name {
                Some(name) => format!("{name}: {}", event.kind),
                None => event.kind.to_string(),
            };
        }
    }
}

/// Where it is shown.
pub enum Screen {
    /// A terminal.
    Picture(Terminal<CrosstermBackend<Stdout>>),
    /// A file or a pipe: a line a second, to standard error if standard output is for JSON.
    Lines {
        /// Standard output is kept for JSON.
        json: bool,
        /// When the last line was written.
        last: Option<Instant>,
    },
}

impl Screen {
    /// Takes the terminal, if there is one.
    pub fn open(json: bool) -> io::Result<Self> {
        if json || !io::stdout().is_terminal() {
            return Ok(Self::Lines { json, last: None });
        }
        if ratatui::crossterm::terminal::enable_raw_mode().is_err() {
            return Ok(Self::Lines { json, last: None });
        }
        let options = TerminalOptions { viewport: Viewport::Inline(HEIGHT) };
        match Terminal::with_options(CrosstermBackend::new(io::stdout()), options) {
            Ok(terminal) => Ok(Self::Picture(terminal)),
            Err(_) => {
                // It does not say where its cursor is: a recorder, say, but no place for a picture.
                ratatui::crossterm::terminal::disable_raw_mode()?;
                Ok(Self::Lines { json, last: None })
            }
        }
    }

    /// Shows the moment, then waits a little. True if somebody wants to end it.
    pub fn show(
        &mut self,
        view: &View,
        published: &Published,
        figures: &Figures,
        elapsed: Pause,
    ) -> io::Result<bool> {
        let moment = Moment::of(published, figures, elapsed);
        match self {
            Self::Picture(terminal) => {
                terminal.draw(|frame| draw(frame, view, &moment))?;
                wait_for_key()
            }
            Self::Lines { json, last } => {
                if last.is_none() {
                    put(*json, &view.heading)?;
                }
                if last.is_none_or(|last| last.elapsed() >= Pause::from_secs(1)) {
                    *last = Some(Instant::now());
                    put(*json, &moment.line())?;
                }
                std::thread::sleep(Pause::from_millis(100));
                Ok(false)
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Self::Picture(terminal) = self {
            // The terminal is the user's again, whatever fails.
            let _ = ratatui::crossterm::terminal::disable_raw_mode();
            let _ = terminal.show_cursor();
            // Not println!, which panics if the terminal is gone.
            let _ = writeln!(io::stdout());
        }
    }
}

/// One moment of the demo.
struct Moment {
    state: State,
    sources: Vec<SourceReport>,
    figures: Figures,
    now: Timestamp<System>,
    elapsed: Pause,
    served: u64,
    clients: u64,
}

impl Moment {
    fn of(published: &Published, figures: &Figures, elapsed: Pause) -> Self {
        Self {
            state: published.state.read(),
            sources: published.sources.iter().map(crate::pipe::Reader::read).collect(),
            figures: *figures,
            now: published.clock.now(),
            elapsed,
            served: served(published),
            clients: published.services.iter().map(|service| service.read().clients).sum(),
        }
    }

    fn line(&self) -> String {
        let seconds = self.elapsed.as_secs();
        if !self.state.phase.is_synchronised() {
            return format!("{seconds:4} s  {:<12}", self.state.phase);
        }
        format!(
            "{seconds:4} s  {:<12} offset {}  bound {}  error median {:.0} ns, p99 {:.0} ns, \
             {} violations  served {}",
            self.state.phase,
            self.state.offset,
            self.state.bound(self.now),
            self.figures.error_median * 1e9,
            self.figures.error_p99 * 1e9,
            self.figures.violations,
            self.served,
        )
    }

    /// The terms of the bound that matter, largest first.
    fn terms(&self) -> String {
        let mut terms: Vec<_> =
            self.state.ledger(self.now).iter().filter(|(_, value)| *value > 0.5e-9).collect();
        terms.sort_by(|a, b| b.1.total_cmp(&a.1));
        let text: Vec<String> = terms
            .iter()
            .map(|(term, value)| {
                let value = Duration::from_seconds_f64(*value).to_string();
                format!("{} {}", term.name(), value.trim_start_matches('+'))
            })
            .collect();
        text.join(" + ")
    }
}

fn draw(frame: &mut Frame<'_>, view: &View, moment: &Moment) {
    let areas = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(7),
        Constraint::Length(u16::try_from(moment.sources.len()).unwrap_or(0) + 2),
        Constraint::Min(4),
    ])
    .split(frame.area());
    let heading = Line::styled(view.heading.as_str(), Style::new().add_modifier(Modifier::DIM));
    frame.render_widget(Paragraph::new(vec![phase_line(moment), heading]), areas[0]);
    frame.render_widget(Paragraph::new(figures(moment)), areas[1]);
    frame.render_widget(sources(view, moment), areas[2]);
    frame.render_widget(Paragraph::new(invitation(view, moment)), areas[3]);
}

fn phase_line(moment: &Moment) -> Line<'static> {
    let color = match moment.state.phase {
        Phase::Locked => Color::Green,
        Phase::Acquiring | Phase::Holdover => Color::Yellow,
        Phase::Cold | Phase::FreeRunning => Color::Red,
    };
    let seconds = moment.elapsed.as_secs();
    Line::from(vec![
        Span::styled("maser demo  ", Style::new().add_modifier(Modifier::BOLD)),
        Span::styled(moment.state.phase.to_string(), Style::new().fg(color)),
        Span::raw(format!("  {:02}:{:02}", seconds / 60, seconds % 60)),
        Span::styled("   q ends it", Style::new().add_modifier(Modifier::DIM)),
    ])
}

fn figures(moment: &Moment) -> Vec<Line<'static>> {
    let Moment { state, figures, now, .. } = moment;
    let mut lines = vec![Line::raw("")];
    let mut line = |name: &str, text: String| lines.push(Line::raw(format!("{name:<11}{text}")));
    if state.phase == Phase::Cold {
        line("", "waiting for text and pulses that agree".to_owned());
        return lines;
    }
    line("offset", format!("{} at the last pulse", state.offset));
    line(
        "frequency",
        format!("{:+.4} ppm ± {:.4}", state.frequency.ppm(), state.frequency_error.ppm()),
    );
    let bound = state.bound(*now).to_string();
    line("bound", bound.trim_start_matches('+').to_owned());
    line("", moment.terms());
    if figures.kept > 0 {
        line(
            "judge",
            format!(
                "error median {:.0} ns, p99 {:.0} ns; bound violated {} times in {} readings",
                figures.error_median * 1e9,
                figures.error_p99 * 1e9,
                figures.violations,
                figures.kept,
            ),
        );
    }
    lines
}

fn sources(view: &View, moment: &Moment) -> Table<'static> {
    let rows = moment.sources.iter().zip(&view.names).map(|(report, name)| {
        let age = report.last_sample.map_or_else(
            || "never".to_owned(),
            |at| format!("{:.1} s", (moment.now - at).seconds().max(0.0)),
        );
        let distance = Duration::from_seconds_f64(report.distance).to_string();
        Row::new(vec![
            report.verdict.tally().to_string(),
            name.clone(),
            format!("{:3o}", report.reach),
            age,
            if report.verdict.is_used() {
                format!("{} ± {}", report.offset, distance.trim_start_matches('+'))
            } else {
                String::new()
            },
            report.verdict.to_string(),
        ])
    });
    let widths = [1, 8, 5, 8, 24, 44].map(Constraint::Length);
    let header = Row::new(["", "source", "reach", "last", "offset", "verdict"])
        .style(Style::new().add_modifier(Modifier::DIM));
    Table::new(rows, widths).header(header)
}

fn invitation(view: &View, moment: &Moment) -> Vec<Line<'static>> {
    let mut lines = vec![
        Line::raw(format!("clients    {} known, {} answers", moment.clients, moment.served)),
        Line::styled(format!("news       {}", view.news), Style::new().add_modifier(Modifier::DIM)),
    ];
    if moment.state.phase == Phase::Locked {
        let (address, port) = view.address.rsplit_once(':').unwrap_or((&view.address, "123"));
        lines.push(Line::raw(format!(
            "try        chronyd -Q -t 5 'server {address} port {port} iburst maxsamples 4'"
        )));
        lines.push(Line::raw(format!(
            "           maser query {}    maser sources --socket {}",
            view.address, view.control
        )));
    }
    lines
}

/// Waits for a quarter of a second; true for q, Escape or Ctrl-C.
fn wait_for_key() -> io::Result<bool> {
    if !event::poll(Pause::from_millis(250))? {
        return Ok(false);
    }
    let Input::Key(key) = event::read()? else { return Ok(false) };
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    Ok(interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

fn put(json: bool, line: &str) -> io::Result<()> {
    if json { writeln!(io::stderr(), "{line}") } else { writeln!(io::stdout(), "{line}") }
}

/// Lines of the picture.
const HEIGHT: u16 = 18;
