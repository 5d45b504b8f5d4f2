//! Rates over the last minutes.

use ratatui::{
    Frame,
    layout::Rect,
    symbols::Marker,
    text::{Line, Span},
    widgets::{Axis, Block, Chart, Dataset, GraphType},
};

use super::app::Rates;
use crate::{look::Palette, units::Rate};

/// Draws both rates of the last `span` seconds; the line of dots is what goes out.
pub fn draw(frame: &mut Frame<'_>, area: Rect, rates: &Rates, span: usize, palette: Palette) {
    let rates: Vec<_> = rates.iter().skip(rates.len().saturating_sub(span)).collect();
    let offset = span - rates.len();
    let points = |pick: fn(&(u64, u64)) -> u64| -> Vec<(f64, f64)> {
        let rates = rates.iter().enumerate();
        rates.map(|(n, sample)| ((offset + n) as f64, pick(sample) as f64)).collect()
    };
    let (down, up) = (points(|sample| sample.0), points(|sample| sample.1));
    let top = ceiling(rates.iter().map(|sample| sample.0.max(sample.1)).max().unwrap_or(0));
    let line = |data, marker, style| {
        Dataset::default().data(data).marker(marker).graph_type(GraphType::Line).style(style)
    };
    let datasets =
        vec![line(&up, Marker::Dot, palette.up()), line(&down, Marker::Braille, palette.down())];
    let title = Line::from(vec![
        Span::raw(" Throughput  "),
        Span::styled("↓ ⠤⠤", palette.down()),
        Span::raw("  "),
        Span::styled("↑ ••", palette.up()),
        Span::raw(match span {
            0..=60 => "  last minute ".into(),
            _ => format!("  last {} minutes ", span / 60),
        }),
    ]);
    let zoom = if area.width >= 56 { " - + zoom " } else { "" };
    let zoom = Line::styled(zoom, palette.dim()).right_aligned();
    let mut labels = vec![Span::raw("0"), Span::raw(Rate(top).to_string())];
    if area.height >= 6 {
        labels.insert(1, Span::raw(Rate(top / 2).to_string()));
    }
    let chart = Chart::new(datasets)
        .block(Block::bordered().border_style(palette.dim()).title(title).title(zoom))
        .x_axis(Axis::default().bounds([0.0, (span - 1) as f64]))
        .y_axis(Axis::default().bounds([0.0, top as f64]).labels(labels).style(palette.dim()))
        .legend_position(None);
    frame.render_widget(chart, area);
}

/// The next of 1, 2, 5, 10, 20, 50, …, 500 of the unit that a rate is shown in: it changes seldom, and
/// reads well.
fn ceiling(rate: u64) -> u64 {
    // Below this the line would be noise blown up; above, no network is.
    let rate = rate.clamp(1 << 10, 500 << 40);
    let units = [1 << 10, 1 << 20, 1 << 30, 1 << 40_u64];
    let steps = [1, 2, 5, 10, 20, 50, 100, 200, 500];
    let scales = units.iter().flat_map(|unit| steps.map(|step| unit * step));
    scales.into_iter().find(|scale| *scale >= rate).unwrap_or(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_has_room_for_the_highest_rate_and_little_more() {
        assert_eq!(ceiling(0), 1 << 10);
        assert_eq!(ceiling(33 << 20), 50 << 20);
        assert_eq!(ceiling(50 << 20), 50 << 20);
        assert_eq!(ceiling(501 << 20), 1 << 30);
        assert_eq!(ceiling(u64::MAX), 500 << 40);
    }
}
