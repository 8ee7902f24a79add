//! A picture of outcomes: what was measured beside what the model says.
//!
//! Knows: lines, axes, colours. One panel for each latency model, one colour for each degree; p99
//! is a solid line with dots, p50 a thin one, the model dashed. Does not know: files.

use std::fmt::{self, Write as _};

use super::Outcome;

const WIDTH: f64 = 760.0;
const PANEL: f64 = 340.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Told apart also by people who see no red or no green.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// What appears once, in the order in which it appears first.
fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// A round number not below this one: 1, 2 or 5 and zeros.
fn round_up(number: f64) -> f64 {
    let power = 10_f64.powf(number.max(1e-3).log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= number);
    digit.unwrap_or(10.0) * power
}

/// Where a panel's numbers lie on the page.
struct Axes {
    top: f64,
    decades: (f64, f64),
    highest: f64,
}

impl Axes {
    fn x(&self, nodes: u32) -> f64 {
        let (first, last) = self.decades;
        let share = (f64::from(nodes).log10() - first) / (last - first);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, millis: f64) -> f64 {
        self.top + PANEL - BOTTOM - millis / self.highest * (PANEL - TOP - BOTTOM)
    }

    fn path(&self, row: &[&Outcome], height: impl Fn(&Outcome) -> f64) -> String {
        let point = |outcome: &&Outcome| {
            format!("{:.1},{:.1}", self.x(outcome.nodes), self.y(height(outcome)))
        };
        row.iter().map(point).collect::<Vec<_>>().join(" ")
    }
}

/// The picture, as the text of an SVG file. Empty of panels if there are no outcomes.
pub fn plot(outcomes: &[Outcome]) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = draw(&mut page, outcomes);
    page
}

fn draw(page: &mut String, outcomes: &[Outcome]) -> fmt::Result {
    let latencies = distinct(outcomes.iter().map(|outcome| outcome.latency.as_str()));
    let degrees = distinct(outcomes.iter().map(|outcome| outcome.degree));
    let height = PANEL * latencies.len() as f64;
    writeln!(
        page,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">"
    )?;
    writeln!(page, "<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>")?;
    for (place, latency) in latencies.iter().enumerate() {
        let shown: Vec<&Outcome> =
            outcomes.iter().filter(|outcome| outcome.latency == *latency).collect();
        panel(page, PANEL * place as f64, latency, &shown, &degrees)?;
    }
    writeln!(page, "</svg>")
}

fn panel(
    page: &mut String,
    top: f64,
    latency: &str,
    shown: &[&Outcome],
    degrees: &[usize],
) -> fmt::Result {
    let nodes = || shown.iter().map(|outcome| f64::from(outcome.nodes).log10());
    let first = nodes().fold(f64::INFINITY, f64::min).floor();
    let last = nodes().fold(0.0, f64::max).ceil().max(first + 1.0);
    let highest = shown.iter().map(|outcome| outcome.p99.max(outcome.model));
    let highest = round_up(highest.filter(|millis| millis.is_finite()).fold(0.0, f64::max));
    let axes = Axes { top, decades: (first, last), highest };
    let title = top + 24.0;
    writeln!(
        page,
        "<text x=\"{LEFT}\" y=\"{title}\" font-size=\"14\">propagation, latency {latency}</text>"
    )?;
    grid(page, &axes)?;
    for (place, degree) in degrees.iter().enumerate() {
        let mut row: Vec<&Outcome> =
            shown.iter().filter(|outcome| outcome.degree == *degree).copied().collect();
        row.sort_by_key(|outcome| outcome.nodes);
        if !row.is_empty() {
            curves(page, &axes, place, *degree, &row)?;
        }
    }
    Ok(())
}

fn grid(page: &mut String, axes: &Axes) -> fmt::Result {
    let (first, last) = axes.decades;
    let (right, floor) = (WIDTH - RIGHT, axes.y(0.0));
    for step in 0..=5 {
        let millis = axes.highest * f64::from(step) / 5.0;
        let y = axes.y(millis);
        writeln!(
            page,
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{millis} ms</text>",
            LEFT - 6.0,
            y + 4.0
        )?;
    }
    for decade in first as i32..=last as i32 {
        let x = LEFT + (f64::from(decade) - first) / (last - first) * (right - LEFT);
        writeln!(
            page,
            "<path d=\"M{x:.1} {:.1}V{floor:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">10<tspan dy=\"-5\" \
             font-size=\"9\">{decade}</tspan></text>",
            axes.y(axes.highest),
            floor + 18.0
        )?;
    }
    let (x, y) = ((LEFT + right) / 2.0, floor + 36.0);
    writeln!(page, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">nodes</text>")
}

fn curves(
    page: &mut String,
    axes: &Axes,
    place: usize,
    degree: usize,
    row: &[&Outcome],
) -> fmt::Result {
    let colour = COLOURS[place % COLOURS.len()];
    let mut line = |points: String, style: &str| {
        writeln!(page, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" {style}/>")
    };
    line(axes.path(row, |outcome| outcome.p99), "stroke-width=\"2\"")?;
    line(axes.path(row, |outcome| outcome.p50), "stroke-width=\"1\" stroke-opacity=\"0.5\"")?;
    let modelled: Vec<&Outcome> =
        row.iter().filter(|outcome| outcome.model.is_finite()).copied().collect();
    line(axes.path(&modelled, |outcome| outcome.model), "stroke-dasharray=\"6 4\"")?;
    for outcome in row {
        let (x, y) = (axes.x(outcome.nodes), axes.y(outcome.p99));
        writeln!(page, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>")?;
    }
    let (x, y) = (WIDTH - RIGHT + 14.0, axes.top + TOP + 16.0 * (place as f64 * 3.0 + 1.0));
    for (text, row) in
        [format!("D={degree} p99"), "p50 (thin)".into(), "model (dashed)".into()].iter().zip(0_u8..)
    {
        let y = y + 14.0 * f64::from(row);
        writeln!(page, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{text}</text>")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gossip::{Latency, Network, Setup};

    fn outcome(nodes: u32, latency: Latency) -> Outcome {
        let setup = Setup { nodes, messages: 1, ..Setup::default() };
        let network = Network::build(setup, &mut |_| true).unwrap().unwrap();
        network.play(latency, &mut |_| true).unwrap()
    }

    #[test]
    fn a_picture_has_a_panel_for_each_latency_and_a_dot_for_each_outcome() {
        let latencies = [Latency::Const(50.0), Latency::Geo];
        let outcomes: Vec<Outcome> =
            latencies.iter().flat_map(|latency| [30, 300].map(|n| outcome(n, *latency))).collect();
        let page = plot(&outcomes);
        assert!(page.starts_with("<svg ") && page.ends_with("</svg>\n"));
        assert_eq!(page.matches("propagation, latency").count(), 2);
        assert_eq!(page.matches("<circle").count(), 4);
        assert_eq!(page.matches("stroke-dasharray").count(), 2);
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
    }

    #[test]
    fn one_outcome_and_none_at_all_are_pictures_too() {
        let page = plot(&[outcome(1_000, Latency::Const(0.0))]);
        assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
        assert!(plot(&[]).contains("</svg>"));
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([0.7, 1.0, 3.2, 430.0, 666.0].map(round_up), [1.0, 1.0, 5.0, 500.0, 1_000.0]);
    }
}
