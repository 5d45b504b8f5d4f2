//! That numbers are read as they are typed, and written as they are read.

use super::*;

#[test]
fn amounts_are_read_in_every_usual_spelling() {
    for (text, bytes) in [
        ("0", 0),
        ("4194304", 4 << 20),
        ("4M", 4 << 20),
        ("4m", 4 << 20),
        ("4MiB", 4 << 20),
        ("4 MiB", 4 << 20),
        ("1.5k", 1536),
        ("4.2MB", 4_200_000),
        ("2T", 2 << 40),
        ("100B", 100),
        ("8Mbit", 1_000_000),
    ] {
        assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
    }
    for text in ["", "M", "-1", "4X", "4iB", "1e9", "4MM", "99999999999T", "1..5M", "NaN"] {
        assert_eq!(text.parse::<Bytes>(), Err(AMOUNT), "{text}");
    }
}

#[test]
fn a_limit_is_a_rate_or_none() {
    for (text, limit) in [
        ("none", None),
        ("10M", Some(10 << 20)),
        ("10MiB/s", Some(10 << 20)),
        ("100Mbit", Some(12_500_000)),
        ("100Mbit/s", Some(12_500_000)),
    ] {
        assert_eq!(text.parse(), Ok(Limit(limit)), "{text}");
    }
    for text in ["", "0", "0M", "unlimited?", "-5", "100Mbps"] {
        assert_eq!(text.parse::<Limit>(), Err(RATE), "{text}");
    }
}

#[test]
fn times_are_read_with_and_without_units() {
    for (text, seconds) in [
        ("90", 90.0),
        ("90s", 90.0),
        ("15m", 900.0),
        ("2h30m", 9000.0),
        ("1d", 86400.0),
        ("250ms", 0.25),
        ("1.5h", 5400.0),
    ] {
        assert_eq!(text.parse(), Ok(Span(Duration::from_secs_f64(seconds))), "{text}");
    }
    for text in ["", "m", "5x", "-5s", "5m5", "none"] {
        assert_eq!(text.parse::<Span>(), Err(SPAN), "{text}");
    }
    assert_eq!("none".parse(), Ok(Patience(None)));
}

#[test]
fn amounts_are_shown_with_three_digits() {
    for (bytes, text) in [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "0.98 KiB"),
        (1024, "1.00 KiB"),
        (10 << 10, "10.0 KiB"),
        (1023 << 10, "1.00 MiB"),
        (100 << 20, "100 MiB"),
        (5_690_000_000, "5.30 GiB"),
        (u64::MAX, "16.0 EiB"),
    ] {
        assert_eq!(Bytes(bytes).to_string(), text, "{bytes}");
    }
    assert_eq!(format!("[{:>12}]", Rate(88_290_099)), "[  84.2 MiB/s]");
}

#[test]
fn times_are_shown_as_a_clock_or_in_units() {
    assert_eq!(Clock(41).to_string(), "0:41");
    assert_eq!(Clock(3723).to_string(), "1:02:03");
    assert_eq!(Span(Duration::from_secs(9000)).to_string(), "2h30m");
    assert_eq!(Span(Duration::from_millis(250)).to_string(), "250ms");
}

#[test]
fn dates_are_in_the_gregorian_calendar() {
    for (seconds, text) in [
        (0, "1970-01-01 00:00 UTC"),
        (951_782_400, "2000-02-29 00:00 UTC"),
        (1_709_251_199, "2024-02-29 23:59 UTC"),
        (4_107_542_400, "2100-03-01 00:00 UTC"),
        (u64::MAX, "9999-12-31 07:00 UTC"),
    ] {
        assert_eq!(Date(seconds).to_string(), text, "{seconds}");
    }
}

#[test]
fn what_is_shown_can_be_typed() {
    for limit in [None, Some(10 << 20), Some(1 << 30)] {
        assert_eq!(Limit(limit).to_string().parse(), Ok(Limit(limit)));
    }
    let span = Span(Duration::from_secs(90061));
    assert_eq!(span.to_string().parse(), Ok(span));
}
