use super::*;

#[tokio::test]
async fn an_end_is_told_a_month_ahead_a_week_ahead_and_when_it_has_come() {
    let mut expiry = Expiry::new();
    let end = 1000 * DAY;
    expiry.certificates.insert("Secret default/pay".into(), end);
    for (left, expected) in [
        (30 * DAY, None),
        (30 * DAY - 1, Some("expires in 29 days")),
        (29 * DAY, None),
        (7 * DAY - 1, Some("expires in 6 days")),
        (DAY - 1, None),
        (0, Some("has expired")),
        (-DAY, None),
    ] {
        let expected: Vec<_> =
            expected.iter().map(|what| format!("the certificate of Secret default/pay {what}")).collect();
        assert_eq!(expiry.warnings(end - left), expected, "{left}");
    }
}

#[tokio::test]
async fn one_that_was_renewed_is_told_of_anew() {
    let mut expiry = Expiry::new();
    for end in [100 * DAY, 120 * DAY] {
        expiry.certificates.insert("a".into(), end);
        assert_eq!(expiry.warnings(end - 2 * DAY), ["the certificate of a expires in 2 days"]);
        assert_eq!(expiry.warnings(end - DAY), Vec::<String>::new());
    }
    expiry.certificates.insert("a".into(), 121 * DAY);
    assert_eq!(expiry.warnings(121 * DAY - 1), ["the certificate of a expires within a day"]);
}
