use super::flags;

#[test]
fn values_are_read_as_written() {
    let cases = [
        ("--drain-time=1h 30m", r#"{"drain-time": "90m"}"#),
        ("--drain-time=250ms", r#"{"drain-time": "250ms"}"#),
        ("--budget=4MiB", r#"{"budget": 4194304}"#),
        ("--access-log=close,open", r#"{"access-log": "open, close"}"#),
        ("--access-log-interval=none", r#"{"access-log-interval": "none"}"#),
        ("--log-kernel", r#"{"log-kernel": true}"#),
        ("--single-namespace=no", r#"{"single-namespace": false}"#),
        ("--workers=3", r#"{"workers": 3}"#),
        ("--bind-address=0.0.0.0, ::", r#"{"bind-address": "0.0.0.0,::"}"#),
        ("--bind-address=::ffff:1.2.3.4", r#"{"bind-address": "1.2.3.4"}"#),
        ("--admin=[::1]:80", r#"{"admin": "[::1]:80"}"#),
        ("--certificate-map=arn:a=b; arn:c=d/e", r#"{"certificate-map": "arn:a=b\narn:c=d/e\n"}"#),
        ("--certificate-map=arn:a=/b.pem,/c.pem", r#"{"certificate-map": "arn:a=/b.pem, /c.pem"}"#),
    ];
    for (flag, in_file) in cases {
        assert_eq!(flags(&[flag]), Ok(super::file(in_file)), "{flag}");
    }
}

#[test]
fn a_rule_that_is_broken_is_told_with_the_way_out() {
    let cases = [
        ("--drain-time=5", "time unit needed, for example 5sec or 5ms; write a duration such as 250ms"),
        ("--connect-timeout=0s", "not between 1ms and 10years"),
        ("--idle-timeout=soon", "write a duration such as 250ms, 30s or 5m, or none"),
        ("--keepalive-time=10h", "not between 1s and 9h 6m 7s, or none"),
        ("--keepalive-probes=0", "not a whole number from 1 to 127"),
        ("--backlog=0", "not a whole number from 1 to 2147483647"),
        ("--window-start=63KiB", "not between 64KiB and 64MiB"),
        ("--window-max=65MiB", "not between 64KiB and 64MiB"),
        ("--window-max=big", "write a size such as 256KiB or 4MiB"),
        ("--max-file-size=0", "not between 1B and 4GiB"),
        ("--access-log=always", "\"always\" is neither close nor open; or none alone"),
        ("--admin=localhost", "invalid socket address syntax, or none"),
        (
            "--bind-address=0.0.0.0,eth0",
            "invalid IP address syntax in \"eth0\"; write 0.0.0.0, ::, or 0.0.0.0,:: for both families",
        ),
        ("--bind-address=::,::", ":: stands there twice"),
        ("--certificate-map=pay", "\"pay\" is not ARN=PLACE; write ARN=SECRET, ARN=NAMESPACE/SECRET or"),
        ("--certificate-map=pay=pay", "\"pay\" is no ARN, which begins with \"arn:\""),
        (
            "--certificate-map=arn:a=/etc/tls/pay.pem",
            "\"/etc/tls/pay.pem\" names neither a Secret nor two files",
        ),
        ("--certificate-map=arn:a=b;arn:a=c", "arn:a stands there twice"),
        ("--certificate-map=;", "names no certificate"),
        ("--log-filter=a=b=c", "write info, or sluice::relay=debug"),
        ("--log-format=xml", "[possible values: text, json]"),
        ("--kernel-relay=perhaps", "'perhaps' for '--kernel-relay <BOOL>'"),
    ];
    for (flag, expected) in cases {
        let error = flags(&[flag]).unwrap_err();
        assert!(error.contains(expected), "{flag}: {error}");
        assert!(error.contains(flag.split('=').next().unwrap()), "{flag}: {error}");
    }
}
