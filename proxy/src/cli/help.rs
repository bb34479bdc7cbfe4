//! Worked examples that end the help texts.

/// `sluice --help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  sluice check mappings.yaml     what is wrong with this file?
  sluice doctor                  can this machine relay in the kernel?
  sluice run mappings.yaml       serve it

`sluice run --help` lists every setting. A setting is taken from its flag, else its
SLUICE_ variable, else its AMBASSADOR_ or KONG_ variable where there is one, else the
settings file, else kong.conf where one is named, else its default.
Exit codes: 0 done, 1 (doctor) no kernel relay, 64 bad flags, settings or configuration.";

/// `sluice run --help`.
pub(super) const RUN: &str = "\
Durations are written 250ms, 30s, 5m, 1h 30m; sizes 4096, 256KiB, 4MiB.

Examples:
  Serve a folder of mappings; changes in it are taken up as they happen:
    sluice run /etc/sluice/mappings
  As a sidecar: JSON lines, settings from a file, one of them overridden:
    sluice run --settings config/sluice.yaml --log-format json --drain-time 30s mappings.yaml
  Try a mapping without privileges, in userspace, without the admin endpoint:
    kubectl get tcpmappings -o yaml | sluice run --kernel-relay false --admin none -";

/// `sluice check --help`.
pub(super) const CHECK: &str = "\
Exits 64 when anything would be discarded or cannot be read, else 0. Ends with how many resources of which kinds were
recognised, and what was not.

Examples:
  Everything in a folder:
    sluice check config/examples
  What another Ambassador id would make of it:
    sluice check --ambassador-id staging mappings.yaml
  Where its connections would go at this moment:
    sluice check --resolve mappings.yaml
  What of a whole cluster is none of its business:
    kubectl get all,gateways,tcproutes -A -o yaml | sluice check --format json - | jq .unrecognised
  For a pipeline:
    kubectl get tcpmappings -A -o yaml | sluice check --format json - | jq '.diagnostics[].message'";

/// `sluice convert --help`.
pub(super) const CONVERT: &str = "\
Writes YAML to standard output, and what it does not say, a line each, to standard error. Exits 0 when it says
everything, 1 when something has no words in the other dialect, 64 when something of the input is in error. What
belongs to kong.conf stands in the first lines of the YAML as comments, and on standard error behind \"set:\".

Examples:
  What has no words there, and nothing else:
    sluice convert --to gateway mappings.yaml > /dev/null
  Away from Kong, whose addresses are in kong.conf:
    sluice convert --to gateway --kong-conf /etc/kong/kong.conf kong.yaml > gateway.yaml
  To Kong, and from it again:
    sluice convert --to kong --keys mappings.yaml > kong.yaml
    sed -n 's/^# //p' kong.yaml > kong.conf
    sluice check --kong-conf kong.conf kong.yaml
  With the certificates and keys:
    sluice convert --to ambassador --keys mappings.yaml > converted.yaml
  Whether it means the same:
    sluice convert --to ambassador --keys mappings.yaml | sluice check -";

/// `sluice doctor --help`.
pub(super) const DOCTOR: &str = "\
Exits 0 when the kernel relay works here, 1 when connections would be relayed in userspace.

Examples:
  Before the first start:
    sudo sluice doctor
  With the settings it will run with:
    sluice doctor --settings config/sluice.yaml
  What is missing, for a program:
    sluice doctor --format json | jq '.findings[] | select(.state != \"ok\")'";
