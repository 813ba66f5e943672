//! The growth curves as a picture.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::sections::{Axis, Curve};

/// Colours that can be told apart without red and green.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

/// Draws ours as full lines and theirs as broken ones, tasks to the left, waiters to the right.
///
/// # Errors
///
/// If the file cannot be written.
pub fn draw(path: &Path, curves: &[Curve]) -> Result<()> {
    let root = SVGBackend::new(path, (1200, 560)).into_drawing_area();
    let drawn = root.fill(&WHITE).map_err(|error| anyhow!("{error}")).and_then(|()| {
        let (left, right) = root.split_horizontally(600);
        panel(&left, Axis::Tasks, curves)?;
        panel(&right, Axis::Waiters, curves)?;
        root.present().map_err(|error| anyhow!("{error}"))
    });
    drawn.with_context(|| format!("drawing {}", path.display()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn panel(area: &Area<'_>, axis: Axis, curves: &[Curve]) -> Result<()> {
    let curves: Vec<&Curve> = curves.iter().filter(|curve| curve.axis == axis).collect();
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let largest = points().map(|point| point.size).max().unwrap_or(10) as f64;
    let slowest = points().map(|point| point.ours.max(point.theirs)).fold(10.0, f64::max);
    let (title, unit) = match axis {
        Axis::Tasks => ("One operation, so many tasks waiting", "tasks"),
        Axis::Waiters => ("One operation, so many in the queue", "waiters"),
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .margin_right(40)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d((1.0..largest).log_scale(), (1.0..slowest * 30.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc(unit)
        .y_desc("nanoseconds per operation")
        .light_line_style(WHITE)
        .x_label_formatter(&|size| grouped(*size))
        .y_label_formatter(&|nanos| grouped(*nanos))
        .draw()?;
    for (curve, colour) in curves.into_iter().zip(COLOURS) {
        let ours = || curve.points.iter().map(|point| (point.size as f64, point.ours));
        let theirs = curve.points.iter().map(|point| (point.size as f64, point.theirs));
        let line = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(ours(), line))?
            .label(curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], line));
        chart.draw_series(ours().map(|point| Circle::new(point, 3, colour.filled())))?;
        chart
            .draw_series(DashedLineSeries::new(theirs, 6, 4, colour.stroke_width(1)))?
            .label(format!("{}: {}", curve.name, curve.peer))
            .legend(move |(x, y)| {
                let dash = |from, to| PathElement::new([(x + from, y), (x + to, y)], colour.stroke_width(1));
                EmptyElement::at((0, 0)) + dash(0, 10) + dash(14, 24)
            });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .legend_area_size(32)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    Ok(())
}

/// 1000000 as 1,000,000.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
