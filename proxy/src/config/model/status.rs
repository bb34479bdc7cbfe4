//! What a controller would write beside a resource: whether it was taken up, and if not, why.

use serde::Serialize;

/// What became of one resource, for dialects whose users look for that in the resource itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceStatus {
    /// `kind namespace/name`.
    pub resource: String,
    /// Which of its generations this is about (`metadata.generation`), where it tells.
    #[serde(rename = "observedGeneration", skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// About the whole.
    pub conditions: Vec<Condition>,
    /// About its parts, in the order in which it declares them.
    pub parts: Vec<PartStatus>,
}

/// What became of a part of a resource, or of a resource as seen by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartStatus {
    /// Which: `listener tls`, `parent Gateway default/edge section tls`.
    pub part: String,
    /// How many routes have found their way to it; `None` where none ever does.
    #[serde(rename = "attachedRoutes", skip_serializing_if = "Option::is_none")]
    pub attached: Option<usize>,
    /// Which kinds of routes may.
    #[serde(rename = "supportedKinds", skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<&'static str>>,
    /// About this part.
    pub conditions: Vec<Condition>,
}

/// One thing that holds or does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What: `Accepted`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether it holds, in Kubernetes' words: `True` or `False`.
    pub status: Truth,
    /// Why, in one word that programs compare.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
}

/// Kubernetes' truth values, of which whoever has looked needs two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
}
