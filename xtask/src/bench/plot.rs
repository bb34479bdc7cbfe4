//! Plots of a report, as SVG.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::case::{Case, Work};
use super::latency::CURVE;
use super::peers::Peer;
use super::report::Report;
use super::suite::{self, Suite};
use super::tables::number;

const SIZE: (u32, u32) = (900, 520);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A line: whose, and its points.
type Curve = (Peer, Vec<(f64, f64)>);

/// Where plots are.
pub(super) fn folder() -> PathBuf {
    suite::folder().join("plots")
}

impl Report<'_> {
    /// Draws what this report has; how many plots.
    pub(super) fn plot(&self) -> Result<usize> {
        fs::create_dir_all(folder())?;
        let mut plots = 0;
        for &case in self.plan.cases.iter().filter(|case| case.pace().is_some()) {
            let curves = self.curves(|peer| self.percentiles(case, peer));
            if !curves.is_empty() {
                let due = self.results.due(case).unwrap_or_default();
                let title = format!("{}: latency at {due} a second", case.name());
                percentiles(&folder().join(format!("{}.svg", case.name())), &title, &curves)?;
                plots += 1;
            }
        }
        for &case in self.plan.cases.iter().filter(|case| case.held().is_some()) {
            let title = format!(
                "{}: memory per connection, KiB (the darker part: the proxy's own processes)",
                case.name()
            );
            let bars = self.bars(|peer| {
                let own = self.results.own_memory(case, peer).map_or(0.0, |it| it.median);
                Some((own / 1024.0, self.results.whole_memory(case, peer)?.median / 1024.0))
            });
            plots += bar_plot(&folder().join(format!("{}-memory.svg", case.name())), &title, &bars)?;
        }
        if self.plan.suite == Suite::Scale {
            let curves = self.curves(|peer| self.by_connections(peer));
            if !curves.is_empty() {
                scaling(&folder().join("scale.svg"), &curves)?;
                plots += 1;
            }
        } else {
            for &case in self.plan.cases.iter().filter(|case| case.pace().is_none()) {
                let title = format!("{}: {}", case.name(), case.unit().rate().0);
                let bars = self.bars(|peer| Some((0.0, self.results.rate(case, peer)?.median)));
                plots += bar_plot(&folder().join(format!("{}.svg", case.name())), &title, &bars)?;
            }
        }
        Ok(plots)
    }

    fn curves(&self, points: impl Fn(Peer) -> Vec<(f64, f64)>) -> Vec<Curve> {
        self.names().map(|peer| (peer, points(peer))).filter(|(_, points)| !points.is_empty()).collect()
    }

    fn bars(&self, values: impl Fn(Peer) -> Option<(f64, f64)>) -> Vec<(Peer, (f64, f64))> {
        self.names().filter_map(|peer| Some((peer, values(peer)?))).collect()
    }

    /// One of how many took longer, and milliseconds.
    fn percentiles(&self, case: Case, peer: Peer) -> Vec<(f64, f64)> {
        let Some(latency) = self.results.latency(case, peer) else { return Vec::new() };
        let inner = CURVE.iter().filter(|part| **part < 1.0);
        inner.map(|part| (1.0 / (1.0 - part), latency.quantile(*part) * 1e3)).collect()
    }

    fn by_connections(&self, peer: Peer) -> Vec<(f64, f64)> {
        let closed = self.plan.cases.iter().filter(|case| matches!(case.work(), Work::Exchange(_)));
        let points = closed.filter_map(|&case| {
            let connections = u32::try_from(case.connections()).ok()?;
            Some((connections.into(), self.results.rate(case, peer)?.median))
        });
        points.collect()
    }
}

/// Latencies over how rare they are; both grow by factors.
fn percentiles(path: &Path, title: &str, curves: &[Curve]) -> Result<()> {
    let heights = || curves.iter().flat_map(|(_, points)| points.iter().map(|(_, y)| *y));
    let low = heights().fold(f64::INFINITY, f64::min).max(1e-3);
    let high = heights().fold(low * 2.0, f64::max);
    let across = (1.0..10_000.0).log_scale();
    let up = (low / 1.2..high * 1.2).log_scale();
    let rare =
        |x: &f64| format!("{:.4}", 100.0 - 100.0 / x).trim_end_matches('0').trim_end_matches('.').to_owned();
    lines(path, title, ("percent answered within", "milliseconds"), (across, up), &rare, curves)
}

fn scaling(path: &Path, curves: &[Curve]) -> Result<()> {
    let all = || curves.iter().flat_map(|(_, points)| points);
    let widest = all().map(|(x, _)| *x).fold(2.0, f64::max);
    let highest = all().map(|(_, y)| *y).fold(1.0, f64::max);
    let axes = ("connections", "requests a second");
    let ranges = ((1.0..widest * 1.1).log_scale(), 0.0..highest * 1.1);
    lines(path, "64 B there and back, as fast as it goes", axes, ranges, &|x| format!("{x:.0}"), curves)
}

fn lines<X, Y>(
    path: &Path,
    title: &str,
    (across, up): (&str, &str),
    (x, y): (X, Y),
    label: &dyn Fn(&f64) -> String,
    curves: &[Curve],
) -> Result<()>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    draw(path, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 20))
            .margin(15)
            .x_label_area_size(45)
            .y_label_area_size(70)
            .build_cartesian_2d(x, y)
            .map_err(drawn)?;
        chart
            .configure_mesh()
            .x_desc(across)
            .y_desc(up)
            .y_label_formatter(&|y| number(*y))
            .x_label_formatter(label)
            .light_line_style(WHITE)
            .draw()
            .map_err(drawn)?;
        for (peer, points) in curves {
            let style = ShapeStyle::from(colour(*peer)).stroke_width(2);
            chart
                .draw_series(LineSeries::new(points.iter().copied(), style))
                .map_err(drawn)?
                .label(peer.title())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(drawn)
    })
}

/// A bar for each peer, a part of it darker; nothing is drawn where there is no bar.
fn bar_plot(path: &Path, title: &str, bars: &[(Peer, (f64, f64))]) -> Result<usize> {
    if bars.is_empty() {
        return Ok(0);
    }
    let highest = bars.iter().map(|(_, (part, whole))| part.max(*whole)).fold(0.0, f64::max);
    let count = i32::try_from(bars.len())?;
    draw(path, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 18))
            .margin(15)
            .x_label_area_size(30)
            .y_label_area_size(70)
            .build_cartesian_2d((0..count - 1).into_segmented(), 0.0..highest.max(1e-9) * 1.15)
            .map_err(drawn)?;
        let name = |at: &SegmentValue<i32>| match at {
            SegmentValue::CenterOf(at) => {
                let bar = usize::try_from(*at).ok().and_then(|at| bars.get(at));
                bar.map_or_else(String::new, |(peer, _)| peer.title().to_owned())
            }
            SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
        };
        let mesh = &mut chart.configure_mesh();
        mesh.disable_x_mesh().light_line_style(WHITE).x_label_formatter(&name).draw().map_err(drawn)?;
        for (at, (peer, (part, whole))) in (0..).zip(bars) {
            let bar = |height: f64, style: ShapeStyle| {
                let corners = [(SegmentValue::Exact(at), 0.0), (SegmentValue::Exact(at + 1), height)];
                let mut bar = Rectangle::new(corners, style);
                bar.set_margin(0, 0, 15, 15);
                bar
            };
            let bars =
                [bar(whole.max(*part), colour(*peer).mix(0.55).filled()), bar(*part, colour(*peer).filled())];
            chart.draw_series(bars).map_err(drawn)?;
            let height = whole.max(*part).max(0.0) + highest * 0.05;
            let style = ("sans-serif", 15)
                .into_font()
                .into_text_style(area)
                .pos(Pos::new(HPos::Center, VPos::Center));
            let figure = Text::new(number(*whole), (SegmentValue::CenterOf(at), height), style);
            chart.draw_series([figure]).map_err(drawn)?;
        }
        Ok(())
    })?;
    Ok(1)
}

fn draw(path: &Path, content: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(drawn)?;
    content(&area)?;
    area.present().map_err(drawn)
}

/// The library's errors hold what is not to be shared among threads.
fn drawn<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("{error}")
}

/// Ours stand out, and none needs red and green told apart.
fn colour(peer: Peer) -> RGBColor {
    match peer {
        Peer::Direct => RGBColor(150, 150, 150),
        Peer::SluiceKernel | Peer::Sluice => RGBColor(0, 90, 180),
        Peer::SluiceSplice => RGBColor(86, 180, 233),
        Peer::Haproxy => RGBColor(213, 94, 0),
        Peer::Nginx => RGBColor(0, 158, 115),
        Peer::Envoy => RGBColor(204, 121, 167),
    }
}
