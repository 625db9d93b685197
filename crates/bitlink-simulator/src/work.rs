//! How much has been hashed up to any moment, in closed form: a curve of straight pieces.

/// Work done since a beginning, as the integral of a rate that is linear between its edges.
#[derive(Debug, Clone)]
pub(crate) struct WorkCurve {
    /// Edge, work up to it, rate just after it, rate just before the next edge.
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    from_ms: i64,
    work: f64,
    rate: f64,
    /// Change of the rate per millisecond.
    slope: f64,
}

impl WorkCurve {
    /// Integrates a rate (per second) over sorted edges. `rate` must be linear between neighbours; it is asked a
    /// millisecond inside of each edge, so that it may jump there.
    pub(crate) fn new(edges: &[i64], rate: impl Fn(i64) -> f64) -> Self {
        let mut pieces = Vec::with_capacity(edges.len());
        let mut work = 0.0;
        for pair in edges.windows(2) {
            let &[from, until] = pair else { continue };
            let (begin, end) = (rate(from), rate(until - 1));
            let length = seconds(until - from);
            let slope = if until - from > 1 { (end - begin) / (length * 1000.0 - 1.0) } else { 0.0 };
            pieces.push(Piece { from_ms: from, work, rate: begin, slope });
            work += f64::midpoint(begin, end) * length;
        }
        if let Some(&last) = edges.last() {
            pieces.push(Piece { from_ms: last, work, rate: rate(last), slope: 0.0 });
        }
        Self { pieces }
    }

    /// The work done up to a moment.
    pub(crate) fn at(&self, at_ms: i64) -> f64 {
        let after = self.pieces.partition_point(|piece| piece.from_ms <= at_ms);
        let Some(piece) = after.checked_sub(1).and_then(|i| self.pieces.get(i)) else { return 0.0 };
        let span = seconds(at_ms - piece.from_ms);
        let work = piece.work + span * (piece.rate + piece.slope * span * 500.0);
        // Two correctly rounded paths to one edge may differ in the last bit; counters must not see that.
        self.pieces.get(after).map_or(work, |next| work.min(next.work))
    }

    /// The mean rate over the last `window_ms`, or over as much of it as there has been.
    pub(crate) fn mean(&self, at_ms: i64, window_ms: i64) -> f64 {
        let begin = self.pieces.first().map_or(at_ms, |piece| piece.from_ms).max(at_ms - window_ms);
        if begin >= at_ms { 0.0 } else { (self.at(at_ms) - self.at(begin)) / seconds(at_ms - begin) }
    }
}

/// Milliseconds as seconds.
pub(crate) fn seconds(ms: i64) -> f64 {
    let whole = crate::number::real(ms.unsigned_abs()) / 1000.0;
    if ms < 0 { -whole } else { whole }
}

#[cfg(test)]
mod tests {
    //! Areas under known curves.
    use super::*;

    #[test]
    fn areas_of_known_curves() {
        // 10 s at nothing, a ramp to 100 over 10 s, then 100.
        let rate = |t: i64| (seconds(t - 10_000) * 10.0).clamp(0.0, 100.0);
        let curve = WorkCurve::new(&[0, 10_000, 20_000, 100_000], rate);
        assert!((curve.at(10_000)).abs() < 1e-9);
        assert!((curve.at(15_000) - 125.0).abs() < 0.1, "{}", curve.at(15_000));
        assert!((curve.at(20_000) - 500.0).abs() < 0.1);
        assert!((curve.at(30_000) - 1500.0).abs() < 0.1);
        assert!((curve.mean(30_000, 10_000) - 100.0).abs() < 0.1);
        assert!((curve.mean(5_000, 60_000)).abs() < 1e-9);
    }
}
