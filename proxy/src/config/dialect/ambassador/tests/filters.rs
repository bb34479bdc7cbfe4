//! Which resources are meant for this process: ids, namespaces, labels.

use super::*;

#[test]
fn ids_choose_resources() {
    let cases = [
        ("", "default", true),
        ("", "edge", false),
        ("ambassador_id: []", "default", true),
        ("ambassador_id: edge", "edge", true),
        ("ambassador_id: [other, edge]", "edge", true),
        ("ambassador_id: [other]", "edge", false),
        ("ambassador_id: 7", "7", true),
        ("ambassador_id: _automatic_", "edge", true),
        ("ambassador_id: [other, _automatic_]", "edge", true),
        ("ambassador_id: [--apiVersion-v3alpha1-only--edge]", "edge", true),
    ];
    for (line, id, taken) in cases {
        let mut settings = Settings::default();
        settings.ambassador.id = id.into();
        let outcome = lower_with(&with_spec(&[line]), &settings);
        assert_eq!(outcome.served().len(), usize::from(taken), "{line} for {id}");
        assert_eq!(outcome.faults(), [""; 0]);
    }
    let outcome = lower(&with_spec(&["ambassador_id: [a, b]"]));
    let expected = "test.yaml#1: TCPMapping default/m: spec.ambassador_id: a, b does not name \"default\" \
                    (AMBASSADOR_ID); passed over";
    assert_eq!(outcome.all(), [expected]);
}

#[test]
fn ids_choose_hosts_under_either_name() {
    for (field, taken) in
        [("ambassador_id: other", false), ("ambassadorId: [other]", false), ("ambassadorId: [default]", true)]
    {
        let host = format!(
            "apiVersion: getambassador.io/v2\nkind: Host\nmetadata: {{name: h}}\nspec: {{{field}, tlsSecret: {{name: s}}}}\n---\n"
        );
        let outcome = lower(&(tls::secret("s") + &host + &with_spec(&["host: x"])));
        assert_eq!(outcome.served().len(), usize::from(taken), "{field}");
    }
}

#[test]
fn one_namespace_alone_can_be_read() {
    let mut settings = Settings::default();
    settings.ambassador.single_namespace = true;
    settings.ambassador.namespace = "mine".into();
    let document = |metadata: &str| with_spec(&[]).replace("{name: m}", metadata);
    for (metadata, taken) in
        [("{name: m}", true), ("{name: m, namespace: mine}", true), ("{name: m, namespace: other}", false)]
    {
        let outcome = lower_with(&document(metadata), &settings);
        assert_eq!(outcome.served().len(), usize::from(taken), "{metadata}");
    }
}

#[test]
fn labels_choose_resources() {
    let cases = [
        ("", true),
        ("team=pay", true),
        ("team==pay", true),
        ("team=web", false),
        ("team!=web", true),
        ("absent!=web", true),
        ("team in (web, pay)", true),
        ("team in (web)", false),
        ("team notin (web)", true),
        ("absent notin (web)", true),
        ("team", true),
        ("!team", false),
        ("!absent", true),
        ("team=pay,tier in (1,2),!absent", true),
        ("team=pay,tier in (2)", false),
    ];
    let text = with_spec(&[]).replace("{name: m}", "{name: m, labels: {team: pay, tier: 1}}");
    for (selector, taken) in cases {
        let mut settings = Settings::default();
        settings.ambassador.label_selector = selector.into();
        assert_eq!(lower_with(&text, &settings).served().len(), usize::from(taken), "{selector}");
    }
}

#[test]
fn a_broken_selector_takes_nothing_and_is_said_once() {
    for (selector, reason) in [
        ("team in (a", "\"team in (a\" has an unbalanced parenthesis"),
        (
            "team of (a)",
            "\"team of (a)\" is none of key, !key, key=value, key!=value, key in (a,b), key notin (a,b)",
        ),
    ] {
        let mut settings = Settings::default();
        settings.ambassador.label_selector = selector.into();
        let outcome = lower_with(&with_spec(&[]), &settings);
        assert_eq!(outcome.served(), [""; 0]);
        assert_eq!(outcome.all(), [format!("AMBASSADOR_LABEL_SELECTOR: {reason}; no resource is taken")]);
    }
}

#[test]
fn annotations_take_over_namespace_and_labels_of_their_carrier() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: mail\n  namespace: post\n  labels: {team: pay}\n  \
                annotations:\n    getambassador.io/config: |\n      ---\n      apiVersion: ambassador/v1\n      \
                kind: TCPMapping\n      name: smtp\n      port: 25\n      service: mail.post\n      ambassador_id: default\n      \
                ---\n      apiVersion: ambassador/v1\n      kind: TCPMapping\n      name: broken\n";
    let mut settings = Settings::default();
    settings.ambassador.label_selector = "team=pay".into();
    let outcome = lower_with(text, &settings);
    assert_eq!(outcome.served(), ["0.0.0.0:25 post/smtp 100 mail.post:80"]);
    let expected = [
        "test.yaml#1: TCPMapping post/broken: port: is missing; give the port to listen on; the mapping is discarded",
        "test.yaml#1: TCPMapping post/broken: service: is missing; give the upstream as host:port; the mapping is discarded",
    ];
    assert_eq!(outcome.faults(), expected);
}
