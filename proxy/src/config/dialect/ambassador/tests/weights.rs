//! Weights: the table of the reference's section 2.5, as decided.

use super::*;

fn group(weights: &[&str]) -> Outcome {
    let documents = weights.iter().enumerate().map(|(index, weight)| {
        with_spec(&[&format!("weight: {weight}")]).replace("name: m", &format!("name: m{index}"))
    });
    lower(&documents.collect::<Vec<_>>().join("---\n"))
}

fn shares(outcome: &Outcome) -> Vec<u32> {
    let mappings = &outcome.config.listeners[0].routes[0].mappings;
    mappings.iter().map(|mapping| mapping.weight.0).collect()
}

#[test]
fn shares_are_as_documented() {
    let cases: [(&[&str], &[u32]); 13] = [
        (&["5"], &[100]),
        (&["0"], &[100]),
        (&["500"], &[100]),
        (&["null"], &[100]),
        (&["70", "30"], &[70, 30]),
        (&["'30'", "70"], &[30, 70]),
        (&["null", "null"], &[50, 50]),
        (&["null", "null", "null"], &[33, 33, 34]),
        (&["null"; 7], &[14, 14, 14, 14, 14, 14, 16]),
        (&["20", "null"], &[20, 80]),
        (&["null", "20"], &[80, 20]),
        (&["10", "20", "null"], &[10, 20, 70]),
        (&["0", "null"], &[0, 100]),
    ];
    for (declared, expected) in cases {
        let outcome = group(declared);
        assert_eq!(shares(&outcome), expected, "{declared:?}");
        assert_eq!(outcome.all(), [""; 0], "{declared:?}");
    }
}

#[test]
fn flawed_weights_are_used_in_proportion_and_said_so() {
    let cases: [(&[&str], &[u32], &str); 5] = [
        (
            &["60", "60"],
            &[60, 60],
            "test.yaml#2: TCPMapping default/m1: spec.weight: the weights on 0.0.0.0:7000 sum to 120 \
             (TCPMapping default/m0: 60, TCPMapping default/m1: 60); they are used in proportion: make them sum to 100",
        ),
        (
            &["100", "null"],
            &[100, 0],
            "test.yaml#2: TCPMapping default/m1: spec.weight: the weights on 0.0.0.0:7000 leave nothing of 100 for \
             this mapping (TCPMapping default/m0: 100, TCPMapping default/m1: none); it takes no connection",
        ),
        (
            &["10", "101", "null"],
            &[10, 101, 0],
            "test.yaml#2: TCPMapping default/m1: spec.weight: the weights on 0.0.0.0:7000 sum to 111 \
             (TCPMapping default/m0: 10, TCPMapping default/m1: 101, TCPMapping default/m2: none); \
             they are used in proportion: make them sum to 100",
        ),
        (
            &["10", "20"],
            &[10, 20],
            "test.yaml#2: TCPMapping default/m1: spec.weight: the weights on 0.0.0.0:7000 sum to 30 \
             (TCPMapping default/m0: 10, TCPMapping default/m1: 20); they are used in proportion: make them sum to 100",
        ),
        (
            &["0", "0"],
            &[0, 0],
            "test.yaml#2: TCPMapping default/m1: spec.weight: every weight on 0.0.0.0:7000 is 0 \
             (TCPMapping default/m0: 0, TCPMapping default/m1: 0); nobody takes its connections: raise one",
        ),
    ];
    for (declared, expected, finding) in cases {
        let outcome = group(declared);
        assert_eq!(shares(&outcome), expected, "{declared:?}");
        assert_eq!(outcome.faults(), [finding], "{declared:?}");
    }
}

#[test]
fn a_weight_that_is_no_percentage_discards_its_mapping_alone() {
    for (weight, shown) in [("-1", "-1"), ("12.5", "12.5"), ("a lot", "\"a lot\""), ("70000", "70000")] {
        let outcome = group(&[weight, "20"]);
        assert_eq!(outcome.served(), ["0.0.0.0:7000 default/m1 100 svc:1"]);
        let expected = format!(
            "test.yaml#1: TCPMapping default/m0: spec.weight: {shown} is not an integer from 0 to 65535; \
             the mapping is discarded"
        );
        assert_eq!(outcome.faults(), [expected]);
    }
}

#[test]
fn more_members_than_percents_still_share_evenly() {
    let outcome = group(&["null"; 150]);
    assert!(shares(&outcome).iter().all(|share| *share == 100));
}
