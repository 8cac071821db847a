//! Numbers as they come in: one series of rounds per contestant and measure.

use serde_json::{Map, Value, json};

/// One value per round.
#[derive(Clone, Debug)]
pub struct Series {
    pub unit: &'static str,
    pub rounds: Vec<f64>,
}

impl Series {
    pub fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        }
    }

    /// The least and the greatest.
    pub fn range(&self) -> (f64, f64) {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        self.rounds.iter().fold(ends, |(least, most), v| (v.min(least), v.max(most)))
    }

    fn json(&self) -> Value {
        let (min, max) = self.range();
        let rounds: Vec<f64> = self.rounds.iter().map(|v| tidy(*v)).collect();
        json!({
            "unit": self.unit,
            "median": tidy(self.median()),
            "min": tidy(min),
            "max": tidy(max),
            "rounds": rounds,
        })
    }
}

/// Four significant digits: more is noise.
fn tidy(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// All measures of one contestant on one data set, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Results(Vec<(String, Series)>);

impl Results {
    pub fn add(&mut self, measure: &str, unit: &'static str, value: f64) {
        match self.0.iter_mut().find(|(name, _)| name == measure) {
            Some((_, series)) => series.rounds.push(value),
            None => self.0.push((measure.to_owned(), Series { unit, rounds: vec![value] })),
        }
    }

    pub fn get(&self, measure: &str) -> Option<&Series> {
        self.0.iter().find(|(name, _)| name == measure).map(|(_, series)| series)
    }

    pub fn median(&self, measure: &str) -> Option<f64> {
        self.get(measure).map(Series::median)
    }

    pub fn json(&self) -> Value {
        let measures = self.0.iter().map(|(name, series)| (name.clone(), series.json()));
        Value::Object(measures.collect::<Map<_, _>>())
    }
}

/// One contestant on one data set.
pub struct Row {
    pub name: &'static str,
    pub kind: crate::contestant::Kind,
    pub variable: bool,
    pub options: &'static str,
    pub results: Results,
}

/// One data set.
pub struct Run {
    pub workload: crate::workload::Workload,
    pub shape: crate::dataset::Shape,
    pub rows: Vec<Row>,
    /// Who is not in it, and why.
    pub dropped: Vec<(String, String)>,
}

impl Run {
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    pub fn median(&self, name: &str, measure: &str) -> Option<f64> {
        self.row(name)?.results.median(measure)
    }

    /// `id at 1M`.
    pub fn title(&self) -> String {
        format!("{} at {}", self.workload.name(), self.scale())
    }

    /// The number of entries in short: `1M`.
    pub fn scale(&self) -> String {
        match self.shape.entries {
            n if n >= 1_000_000 && n % 1_000_000 == 0 => format!("{}M", n / 1_000_000),
            n if n >= 1000 && n % 1000 == 0 => format!("{}k", n / 1000),
            n => n.to_string(),
        }
    }
}
