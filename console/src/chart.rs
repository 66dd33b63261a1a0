//! Small charts: bars of what was accepted, and of what was delivered before them. As SVG, with the figures in words.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use leadgate_crds::api::Point;

use crate::show::At;
use crate::texts::Texts;

const WIDTH: u64 = 280;
const HEIGHT: u64 = 56;

/// A chart of spans of time.
pub(crate) struct Chart {
    t: &'static Texts,
    title: &'static str,
    points: Vec<Point>,
}

impl Chart {
    pub(crate) fn new(t: &'static Texts, title: &'static str, points: Vec<Point>) -> Self {
        Self { t, title, points }
    }

    /// Adds the counts of another place, span by span.
    pub(crate) fn add(sum: &mut Vec<Point>, points: Vec<Point>) {
        for point in points {
            match sum.iter_mut().find(|known| known.at == point.at) {
                Some(known) => {
                    known.accepted += point.accepted;
                    known.delivered += point.delivered;
                }
                None => sum.push(point),
            }
        }
        sum.sort_by_key(|point| point.at);
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (t, points) = (self.t, &self.points);
        let accepted: u64 = points.iter().map(|point| point.accepted).sum();
        let delivered: u64 = points.iter().map(|point| point.delivered).sum();
        let most = points
            .iter()
            .map(|point| point.accepted.max(point.delivered))
            .max();
        let most = most.unwrap_or_default().max(1);
        let step = WIDTH / u64::try_from(points.len()).unwrap_or(1).max(1);
        let mut bars = String::new();
        for (number, point) in (0..).zip(points) {
            for (class, count, inset) in [
                ("accepted", point.accepted, 0),
                ("delivered", point.delivered, step / 2),
            ] {
                if count > 0 {
                    let height = (count * HEIGHT / most).max(1);
                    let (x, y) = (number * step + inset, HEIGHT - height);
                    let width = (step / 2).max(2) - 1;
                    write!(
                        bars,
                        r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#
                    )?;
                }
            }
        }
        let mut rows = String::new();
        for point in points {
            let (at, accepted, delivered) = (At(point.at), point.accepted, point.delivered);
            write!(
                rows,
                "<tr><th scope=\"row\">{at}</th><td>{accepted}</td><td>{delivered}</td></tr>"
            )?;
        }
        let (title, of_accepted, of_delivered) = (self.title, t.accepted, t.delivered);
        write!(
            f,
            "<figure><figcaption><b>{title}</b> <span class=\"accepted\">{of_accepted} {accepted}</span> \
             <span class=\"delivered\">{of_delivered} {delivered}</span></figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}: {of_accepted} {accepted}, {of_delivered} \
             {delivered}\">{bars}</svg>\
             <details><summary>{figures}</summary><table><thead><tr><th scope=\"col\">{from}</th><th scope=\"col\">{of_accepted}</th>\
             <th scope=\"col\">{of_delivered}</th></tr></thead><tbody>{rows}</tbody></table></details></figure>",
            figures = t.figures,
            from = t.since,
        )
    }
}

/// It is made of digits and the console's own texts only.
impl HtmlSafe for Chart {}
