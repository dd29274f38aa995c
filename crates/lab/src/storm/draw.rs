//! The drawing: goodput and load of each variant over time.

use linchpin::{Error, Kind, Result};
use plotters::prelude::*;

use super::{Plan, Report};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 150;
const HEAD: u32 = 40;
const GOOD: RGBColor = RGBColor(0x1b, 0x7f, 0x4d);
const LOAD: RGBColor = RGBColor(0xc0, 0x4a, 0x1e);
const BAD_DAYS: RGBColor = RGBColor(0xf3, 0xe6, 0xd8);

/// An SVG: a strip for each variant, with its good answers and the load of the service by the second.
///
/// # Errors
///
/// If it cannot be drawn.
pub fn draw(plan: &Plan, reports: &[Report]) -> Result<String> {
    let mut svg = String::new();
    let strips = reports.len() as u32;
    {
        let root =
            SVGBackend::with_string(&mut svg, (WIDTH, HEAD + strips * HEIGHT)).into_drawing_area();
        root.fill(&WHITE).map_err(undrawn)?;
        let (head, body) = root.split_vertically(HEAD);
        let title =
            "A storm: good answers (green) and attempts that reach the service (red), a second";
        head.draw_text(title, &("sans-serif", 16).into_text_style(&head), (12, 12))
            .map_err(undrawn)?;
        let top = reports
            .iter()
            .flat_map(|report| &report.seconds)
            .map(|second| second.load.max(second.good));
        let top = f64::from(top.max().unwrap_or(1)) * 1.05;
        for (report, area) in reports.iter().zip(body.split_evenly((reports.len(), 1))) {
            strip(plan, report, top, &area)?;
        }
        root.present().map_err(undrawn)?;
    }
    Ok(svg)
}

fn strip(
    plan: &Plan,
    report: &Report,
    top: f64,
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
) -> Result<()> {
    let end = f64::from(plan.seconds());
    let recovers =
        report.recovers.map_or("never recovers".to_owned(), |at| format!("recovers after {at} s"));
    let caption = format!("{}: {recovers}", report.name);
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 13))
        .margin(4)
        .x_label_area_size(18)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..end, 0.0..top)
        .map_err(undrawn)?;
    let [slows, fails, recovers, _] = plan.phases.map(f64::from);
    for (from, to, strength) in [(slows, fails, 0.6), (fails, recovers, 1.0)] {
        let day = Rectangle::new([(from, 0.0), (to, top)], BAD_DAYS.mix(strength).filled());
        chart.draw_series(std::iter::once(day)).map_err(undrawn)?;
    }
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(10)
        .y_labels(4)
        .label_style(("sans-serif", 11))
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(undrawn)?;
    let line = |value: fn(&super::Second) -> u32| {
        let at = |(second, seen)| (second as f64 + 0.5, f64::from(value(seen)));
        report.seconds.iter().enumerate().map(at).collect::<Vec<_>>()
    };
    for (value, colour) in [(line(|second| second.load), LOAD), (line(|second| second.good), GOOD)]
    {
        chart.draw_series(LineSeries::new(value, colour.stroke_width(2))).map_err(undrawn)?;
    }
    Ok(())
}

fn undrawn(error: impl std::fmt::Display) -> Error {
    Error::new(Kind::Internal, error.to_string()).context("draw the storm")
}
