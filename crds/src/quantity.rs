//! Quantities as Kubernetes writes them: `64Mi`, `1.5Gi`, `100M`, `1e3`.

/// The number that a quantity stands for, exact for whole numbers of up to 53 bits; `None`: it is no quantity.
pub fn parse(text: &str) -> Option<f64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, text.get(1..)?),
        b'+' => (1.0, text.get(1..)?),
        _ => (1.0, text),
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, unit) = rest.split_at(end);
    let number: f64 = number.parse().ok()?;
    let binary = |power: i32| 1024_f64.powi(power);
    let scale = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => 10_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(sign * number * scale)
}

/// Bytes; a part of one does not count.
pub fn bytes(text: &str) -> Option<u64> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "such a cast saturates"
    )]
    parse(text).map(|number| number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, number) in [
            ("64Ki", Some(65_536.0)),
            ("1.5Gi", Some(1_610_612_736.0)),
            ("100M", Some(1e8)),
            ("128974848", Some(128_974_848.0)),
            ("1e3", Some(1000.0)),
            ("12E2", Some(1200.0)),
            ("2E", Some(2e18)),
            ("500m", Some(0.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("-1Ki", Some(-1024.0)),
            ("+1", Some(1.0)),
            ("", None),
            (".", None),
            ("-", None),
            ("1.2.3", None),
            ("1 Ki", None),
            ("1KI", None),
            ("Ki", None),
            ("ten", None),
            ("1e", None),
            ("inf", None),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
        assert_eq!((bytes("1.5"), bytes("-1"), bytes("x")), (Some(1), Some(0), None));
    }
}
