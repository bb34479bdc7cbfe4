//! Text to documents: numbering, places of errors, and bounds.

use std::path::Path;
use std::sync::Arc;

use super::words::nearest;
use super::*;

fn numbers_and_errors(text: &str) -> (Vec<usize>, Vec<String>) {
    let (documents, errors) = parse(&Arc::from(Path::new("f")), text);
    let numbers = documents.iter().map(|document| document.place.document).collect();
    (numbers, errors.iter().map(|error| format!("{}: {}", error.place.document, error.message)).collect())
}

#[test]
fn documents_are_numbered_as_a_reader_counts_them() {
    let cases: [(&str, &[usize]); 12] = [
        ("", &[]),
        ("# only a comment\n", &[]),
        ("a: 1\n", &[1]),
        ("---\na: 1\n", &[1]),
        ("# licence\n---\na: 1\n", &[1]),
        ("%YAML 1.1\n---\na: 1\n", &[1]),
        ("a: 1\n...\n---\nb: 1\n", &[1, 2]),
        ("a: 1\n---\n---\nb: 1\n", &[1, 3]),
        ("a: 1\r\n---\r\nb: 1\r\n---\r\n", &[1, 2]),
        ("a: 1\n...\n---\nb: 1\n", &[1, 2]),
        ("--- {a: 1}\n--- # two\nb: |\n  ---\n  text\n", &[1, 2]),
        ("\u{feff}a: '---'\n", &[1]),
    ];
    for (text, expected) in cases {
        assert_eq!(numbers_and_errors(text), (expected.to_vec(), vec![]), "{text:?}");
    }
}

#[test]
fn a_broken_document_costs_no_other_and_names_its_line() {
    let (numbers, errors) = numbers_and_errors("a: 1\n---\nb: 2\nc: [\n---\nd: 3\n---\ne: f: g\n");
    assert_eq!(numbers, [1, 3]);
    assert_eq!(errors.len(), 2);
    assert!(errors[0].starts_with("2: ") && errors[0].contains("line 5 column 1"), "{errors:?}");
    assert!(errors[1].starts_with("4: ") && errors[1].contains("line 8 column 5"), "{errors:?}");

    let (_, errors) = numbers_and_errors("a: 1\n---\nb: 1\nb: 2\n");
    assert!(errors[0].contains("the key \"b\" stands twice at line"), "{errors:?}");
    let (_, errors) = numbers_and_errors("a: *nobody\n");
    assert!(errors[0].contains("unknown anchor at line 1"), "{errors:?}");
}

#[test]
fn aliases_and_depth_are_bounded() {
    let mut billion = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        billion += &format!("a{level}: &a{level} [{}]\n", vec![before; 9].join(", "));
    }
    // One long text many times over: few enough aliases for yaml_serde, too many bytes for us.
    let wide = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 1000].join(", "));
    for bomb in [billion, wide, "[".repeat(100_000), "a: ".repeat(10_000)] {
        let (numbers, errors) = numbers_and_errors(&bomb);
        assert_eq!((numbers.len(), errors.len()), (0, 1), "{errors:?}");
    }
    let (numbers, errors) = numbers_and_errors("a: &a {b: 1}\nc: {<<: *a, d: 2}\n");
    assert_eq!((numbers.len(), errors.len()), (1, 0));
}

#[test]
fn no_prefix_of_a_document_panics() {
    let text = "apiVersion: getambassador.io/v2\nkind: List\nitems: [{a: &x [1, 'ü']}, *x]\n--- |\n  \"\\u00e9\n...\n";
    for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        let (documents, _) = parse(&Arc::from(Path::new("f")), &text[..end]);
        lower(documents.iter(), &RefCell::default(), &Settings::default());
    }
}

#[test]
fn documents_keep_their_content_to_themselves() {
    let (documents, _) = parse(&Arc::from(Path::new("f")), "kind: Secret\ndata: {tls.key: c2VjcmV0}\n");
    assert_eq!(format!("{documents:?}"), "[Document { place: Place { file: \"f\", document: 1 }, .. }]");
}

#[test]
fn misspelt_names_find_their_neighbour() {
    let known = ["weight", "idle_timeout_ms", "enable_ipv4", "enable_ipv6"];
    let cases = [
        ("weigth", Some("weight")),
        ("Weight", Some("weight")),
        ("idle-timeout-ms", Some("idle_timeout_ms")),
        ("enable_ip6", Some("enable_ipv6")),
        ("prefix", None),
        ("", None),
    ];
    for (word, expected) in cases {
        assert_eq!(nearest(word, &known), expected, "{word}");
    }
}
