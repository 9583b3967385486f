//! Dates and times as text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in UTC as RFC 3339 with milliseconds: `2021-03-05T12:00:00.123Z`.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        since.subsec_millis()
    )
}

/// The moment that [`rfc3339`] wrote.
pub fn parse(text: &str) -> Option<SystemTime> {
    let digits = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let marks = [
        (4, b'-'),
        (7, b'-'),
        (10, b'T'),
        (13, b':'),
        (16, b':'),
        (19, b'.'),
        (23, b'Z'),
    ];
    let is_ours = text.len() == 24 && text.is_ascii() && marks.iter().all(|&(at, mark)| text.as_bytes()[at] == mark);
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    if !is_ours || !(1970..=9999).contains(&year) {
        return None;
    }
    // The day of the year is at most so far from the guess; the way back is known.
    let guess = (year - 1970) * 365 + (month.max(1) - 1) * 28;
    let wanted = (year, usize::try_from(month).ok()?, day);
    let days = (guess..guess + 3000).find(|&days| civil(days) == wanted)?;
    let seconds = days * 86_400 + digits(11, 13)? * 3600 + digits(14, 16)? * 60 + digits(17, 19)?;
    UNIX_EPOCH.checked_add(Duration::from_millis(seconds * 1000 + digits(20, 23)?))
}

/// Now, as [`rfc3339`].
pub fn now() -> String {
    rfc3339(SystemTime::now())
}

/// The Gregorian date of a day counted from 1 January 1970, found year by year and month by month.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from GNU `date -u -d @SECONDS`.
    #[test]
    fn known_moments() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_614_945_600, "2021-03-05T12:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
            assert_eq!(parse(expected), Some(UNIX_EPOCH + Duration::from_secs(seconds)));
        }
        for wrong in [
            "",
            "2021-02-30T12:00:00.000Z",
            "2021-03-05 12:00:00.000Z",
            "2021-03-05T12:00:00Z",
            "1969-12-31T00:00:00.000Z",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
