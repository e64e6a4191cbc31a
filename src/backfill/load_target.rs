//! What is loaded, and by which right.

use crate::model::plan::TablePlan;
use crate::pipeline::resume::Scope;
use crate::target::lease::Lease;
use crate::target::table::Target;

/// The table that is loaded: the right to write a target by a plan, and which windows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadTarget<'a> {
    pub(crate) plan: &'a TablePlan,
    pub(crate) target: &'a Target,
    pub(crate) lease: &'a Lease,
    pub(crate) scope: Scope<'a>,
}
