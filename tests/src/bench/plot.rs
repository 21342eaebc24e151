//! Cost against size as a picture: one panel a figure, both axes logarithmic, so that what grows with the number of dataflows
//! is a straight line that rises by 45 degrees.

use anyhow::{Result, anyhow, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::figure::Figure;

/// Pixels of the picture.
const SIZE: (u32, u32) = (900, 640);
/// What is shown: scenario, and what the figure says after the number of dataflows.
const PANELS: [(&str, &str); 4] = [
    ("steady", "calls of a drift check"),
    ("steady", "processor time an hour"),
    ("restart", "start until each was looked at"),
    ("memory", "resident after a relist"),
];
const FONT: (&str, u32) = ("sans-serif", 16);

/// A point of a panel: dataflows, median.
type Point = (f64, f64);

/// The picture, as SVG.
pub fn svg(figures: &[Figure]) -> Result<String> {
    let panels = PANELS.map(|(scenario, what)| points(figures, scenario, what));
    ensure!(
        panels.iter().all(|points| points.len() > 1),
        "a plot needs steady, restart and memory at two sizes at least"
    );
    let mut picture = String::new();
    {
        let root = SVGBackend::with_string(&mut picture, SIZE).into_drawing_area();
        root.fill(&WHITE).map_err(cannot)?;
        let areas = root.split_evenly((2, 2));
        for (area, ((scenario, what), points)) in areas.iter().zip(PANELS.iter().zip(&panels)) {
            let unit = unit(figures, scenario, what);
            panel(area, &format!("{what}{unit}"), points)?;
        }
        root.present().map_err(cannot)?;
    }
    Ok(picture)
}

fn points(figures: &[Figure], scenario: &str, what: &str) -> Vec<Point> {
    let meant = figures.iter().filter(|it| is(it, scenario, what));
    let mut points: Vec<Point> = meant
        .filter_map(|it| Some((it.dataflows? as f64, it.median())))
        .collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points
}

fn is(figure: &Figure, scenario: &str, what: &str) -> bool {
    figure.scenario == scenario && figure.name.ends_with(what)
}

fn unit(figures: &[Figure], scenario: &str, what: &str) -> String {
    let symbol = figures.iter().find(|it| is(it, scenario, what));
    let symbol = symbol.map_or("", |it| it.unit.symbol());
    if symbol.is_empty() {
        String::new()
    } else {
        format!(" ({symbol})")
    }
}

fn panel(area: &DrawingArea<SVGBackend, Shift>, title: &str, points: &[Point]) -> Result<()> {
    let range = |of: fn(&Point) -> f64, room: f64| {
        let values = points.iter().map(of);
        let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), it| {
            (least.min(it), most.max(it))
        });
        (least / room)..(most * room)
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title, FONT)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(
            range(|it| it.0, 1.2).log_scale(),
            range(|it| it.1, 1.6).log_scale(),
        )
        .map_err(cannot)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("dataflows, each with its source")
        .x_label_formatter(&|it| number(*it))
        .y_label_formatter(&|it| number(*it))
        .draw()
        .map_err(cannot)?;
    chart
        .draw_series(LineSeries::new(points.iter().copied(), &BLUE))
        .map_err(cannot)?;
    chart
        .draw_series(points.iter().map(|point| {
            let label = Text::new(number(point.1), (6, -16), ("sans-serif", 13));
            EmptyElement::at(*point) + Circle::new((0, 0), 3, BLUE.filled()) + label
        }))
        .map_err(cannot)?;
    Ok(())
}

/// Three digits at most, and no zeros at the end.
fn number(value: f64) -> String {
    let digits = match value {
        it if it >= 100.0 => 0,
        it if it >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// The error of a drawing is not `Send`.
fn cannot(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::Unit;

    fn figures(sizes: &[usize]) -> Vec<Figure> {
        let of_size = |size: &usize| {
            PANELS.map(|(scenario, what)| {
                Figure::new(scenario, what, Unit::Megabytes, &[*size as f64]).of(*size)
            })
        };
        sizes.iter().flat_map(of_size).collect()
    }

    #[test]
    fn every_panel_has_every_size_and_says_what_it_is_in() {
        let picture = svg(&figures(&[300, 100])).unwrap();
        assert_eq!(picture.matches("<circle").count(), 2 * PANELS.len());
        for (_, what) in PANELS {
            assert!(picture.contains(&format!("{what} (MB)")), "{what}");
        }
    }

    #[test]
    fn one_size_is_no_line() {
        let refused = svg(&figures(&[100])).unwrap_err().to_string();
        assert!(refused.contains("two sizes"), "{refused}");
    }

    #[test]
    fn labels_are_short() {
        assert_eq!(
            [1.0, 0.25, 12.34, 10_000.4].map(number),
            ["1", "0.25", "12.3", "10000"]
        );
    }
}
