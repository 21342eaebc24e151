//! What was measured: a figure is one number measured several times, held against what it should be.

use serde_json::{Value, json};

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// So many of something.
    Count,
    /// To what the API itself allows, or to the same thing idle.
    Ratio,
    /// Of a hundred.
    Percent,
    /// 1,000,000 bytes.
    Megabytes,
}

impl Unit {
    const ALL: [Self; 6] = [
        Self::Millis,
        Self::Seconds,
        Self::Count,
        Self::Ratio,
        Self::Percent,
        Self::Megabytes,
    ];

    /// As it is written behind a number.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::Count => "",
            Self::Ratio => "x",
            Self::Percent => "%",
            Self::Megabytes => "MB",
        }
    }
}

/// One thing that is measured.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The scenario it belongs to.
    pub scenario: String,
    /// What it is, with the size and the latency it was measured at.
    pub name: String,
    /// The number of dataflows it was measured at, where that is what it is about.
    pub dataflows: Option<usize>,
    /// What it is counted in.
    pub unit: Unit,
    /// One number a run; never empty.
    pub samples: Vec<f64>,
    /// The most it should be.
    pub target: Option<f64>,
}

impl Figure {
    /// A figure without a target.
    pub fn new(
        scenario: &'static str,
        name: impl Into<String>,
        unit: Unit,
        samples: &[f64],
    ) -> Self {
        Self {
            scenario: scenario.to_owned(),
            name: name.into(),
            dataflows: None,
            unit,
            samples: samples.to_vec(),
            target: None,
        }
    }

    /// The same, of so many dataflows: its name says it.
    #[must_use]
    pub fn of(self, dataflows: usize) -> Self {
        Self {
            name: format!("{dataflows} dataflows: {}", self.name),
            dataflows: Some(dataflows),
            ..self
        }
    }

    /// The same with the most it should be.
    #[must_use]
    pub fn at_most(self, target: f64) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }

    /// The middle one; of an even number the upper of the two in the middle.
    pub fn median(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The smallest.
    pub fn min(&self) -> f64 {
        self.samples.iter().copied().fold(f64::NAN, f64::min)
    }

    /// The largest.
    pub fn max(&self) -> f64 {
        self.samples.iter().copied().fold(f64::NAN, f64::max)
    }

    /// Whether the median is what it should be; of what is counted, each run. `None`: nothing says what it should be.
    pub fn is_met(&self) -> Option<bool> {
        let held = match self.unit {
            // A call too many in one run of three is no noise.
            Unit::Count => self.max(),
            _ => self.median(),
        };
        self.target.map(|target| held <= target)
    }

    /// What [`Figure::json`] wrote; `None`: it is something else.
    pub fn read(json: &Value) -> Option<Self> {
        let text = |name: &str| json[name].as_str();
        let count = |name: &str| json[name].as_u64()?.try_into().ok();
        let samples = json["samples"].as_array()?.iter();
        Some(Self {
            scenario: text("scenario")?.to_owned(),
            name: text("name")?.to_owned(),
            dataflows: count("dataflows"),
            unit: Unit::ALL
                .into_iter()
                .find(|unit| Some(unit.symbol()) == text("unit"))?,
            samples: samples.filter_map(Value::as_f64).collect(),
            target: json["target"].as_f64(),
        })
    }

    /// As `--json` has it.
    pub fn json(&self) -> Value {
        json!({
            "scenario": self.scenario, "name": self.name, "dataflows": self.dataflows, "unit": self.unit.symbol(), "samples": self.samples,
            "median": self.median(), "min": self.min(), "max": self.max(), "target": self.target, "met": self.is_met(),
        })
    }
}

/// All figures as a table, for a terminal and for Markdown alike.
pub fn table(figures: &[Figure]) -> String {
    let header = [
        "scenario", "figure", "median", "min", "max", "runs", "target", "",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(figures.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..header.len()).map(|it| width(it).unwrap_or(0)).collect();
    let mut lines: Vec<String> = rows.iter().map(|row| line(row, &widths)).collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    lines.insert(1, format!("| {} |", rule.join(" | ")));
    lines.join("\n")
}

fn row(figure: &Figure) -> [String; 8] {
    let number = |value: f64| number(value, figure.unit);
    [
        figure.scenario.clone(),
        figure.name.clone(),
        number(figure.median()),
        number(figure.min()),
        number(figure.max()),
        figure.samples.len().to_string(),
        figure
            .target
            .map(|it| format!("<= {}", number(it)))
            .unwrap_or_default(),
        match figure.is_met() {
            Some(true) => "met".to_owned(),
            Some(false) => "NOT MET".to_owned(),
            None => String::new(),
        },
    ]
}

fn line(cells: &[String; 8], widths: &[usize]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, width))| match column {
            2..=6 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        })
        .collect();
    format!("| {} |", padded.join(" | "))
}

fn number(value: f64, unit: Unit) -> String {
    let digits = match unit {
        Unit::Count => 0,
        Unit::Millis | Unit::Megabytes => 1,
        Unit::Seconds | Unit::Ratio | Unit::Percent => 2,
    };
    let symbol = unit.symbol();
    let space = if symbol.is_empty() { "" } else { " " };
    format!("{value:.digits$}{space}{symbol}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_by_its_median_but_a_count_by_its_worst_run() {
        let figure = Figure::new("latency", "one", Unit::Ratio, &[1.5, 1.0, 1.1]).at_most(1.15);
        assert_eq!(
            (figure.median(), figure.min(), figure.max()),
            (1.1, 1.0, 1.5)
        );
        assert_eq!(figure.is_met(), Some(true));
        assert_eq!(figure.clone().at_most(1.05).is_met(), Some(false));
        assert_eq!(figure.json()["met"], true);
        let read = Figure::read(&figure.of(10).json()).unwrap();
        assert_eq!((read.dataflows, read.samples.len()), (Some(10), 3));
        assert_eq!((read.unit, read.target), (Unit::Ratio, Some(1.15)));
        let writes = Figure::new("restart", "writes", Unit::Count, &[0.0, 0.0, 1.0]).at_most(0.0);
        assert_eq!(writes.is_met(), Some(false), "none means none in any run");
    }

    #[test]
    fn the_table_is_markdown_with_aligned_columns_and_shouts_what_is_not_met() {
        let figures = [
            Figure::new("latency", "calls", Unit::Count, &[5.0]).at_most(5.0),
            Figure::new("memory", "resident at 10,000", Unit::Megabytes, &[81.25]).at_most(80.0),
            Figure::new("startup", "to ready", Unit::Millis, &[12.0]),
        ];
        assert_eq!(
            table(&figures),
            "\
| scenario | figure             |  median |     min |     max | runs |     target |         |
| -------- | ------------------ | ------- | ------- | ------- | ---- | ---------- | ------- |
| latency  | calls              |       5 |       5 |       5 |    1 |       <= 5 | met     |
| memory   | resident at 10,000 | 81.2 MB | 81.2 MB | 81.2 MB |    1 | <= 80.0 MB | NOT MET |
| startup  | to ready           | 12.0 ms | 12.0 ms | 12.0 ms |    1 |            |         |"
        );
    }
}
